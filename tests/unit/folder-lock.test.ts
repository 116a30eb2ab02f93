/** One process at a time in a folder: with processes of their own, killed ones among them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdFolder, isLockFile } from '../../src/cli/folder-lock.ts';
import { labErrorCode } from '../../src/errors.ts';

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'permix-lock-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const otherwise = 'choose another --out';
const hold = (folder: string, waitMs = 0) => holdFolder(folder, { waitMs, otherwise });

async function refusal(asked: Promise<unknown>): Promise<string> {
  const error: unknown = await asked.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe('usage');
  return (error as Error).message;
}

/** A process that does nothing until it is killed. */
async function sleeper(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await new Promise((there) => child.once('spawn', there));
  return child;
}

const lockOf = (pid: number, more: object = {}) =>
  JSON.stringify({ pid, began: '', host: hostname(), token: '0123456789abcdef', since: '2026-01-01T00:00:00.000Z', ...more });

describe('the lock of a folder', () => {
  it('is held by one, who is named, and leaves nothing behind', async () => {
    const folder = join(scratch, 'one', 'deep');
    const lock = await hold(folder);
    expect(await refusal(hold(folder))).toMatch(new RegExp(`^Process ${process.pid} has been working in .*choose another --out\\.$`));
    expect((await readdir(folder)).every(isLockFile)).toBe(true);
    await writeFile(join(folder, 'work'), '');
    await lock.release();
    expect(await readdir(folder)).toEqual(['work']);
    await (await hold(folder)).release();
  });

  it('takes a folder that was made for nothing away again, and no other', async () => {
    const folder = join(scratch, 'nothing');
    await (await hold(folder)).release();
    expect(await readdir(scratch)).not.toContain('nothing');
  });

  it.skipIf(process.platform === 'win32')('passes from a killed process to one of many that ask at once', async () => {
    const folder = join(scratch, 'killed');
    await (await hold(folder)).release();
    for (let round = 0; round < 5; round++) {
      const child = await sleeper();
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'lock'), lockOf(child.pid!));
      expect(await refusal(hold(folder))).toContain(`Process ${child.pid}`);
      child.kill('SIGKILL');
      await new Promise((done) => child.once('exit', done));
      const asked = await Promise.allSettled(Array.from({ length: 8 }, () => hold(folder)));
      const held = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(held).toHaveLength(1);
      await held[0]!.release();
    }
  });

  it('takes away what killed processes left of their asking, written or not, and nothing of a live one', async () => {
    const folder = join(scratch, 'drafts');
    const lock = await hold(folder);
    const draft = (digit: string) => `lock.${digit.repeat(16)}.new`;
    await writeFile(join(folder, draft('a')), lockOf(999_999_999));
    await writeFile(join(folder, draft('b')), '');
    await writeFile(join(folder, draft('c')), '{"pid":');
    await writeFile(join(folder, draft('d')), lockOf(1, { host: 'not-this-one' }));
    await lock.release();
    expect(await readdir(folder)).toEqual([draft('d')]);
  });

  it('is had by one who lost the draft of its asking too', async () => {
    const folder = join(scratch, 'lost');
    const lock = await hold(folder);
    const asked = hold(folder, 10_000);
    const drafts = async () => (await readdir(folder)).filter((name) => name.endsWith('.new'));
    while ((await drafts()).length === 0) await new Promise((done) => setTimeout(done, 10));
    for (const name of await drafts()) await rm(join(folder, name));
    await lock.release();
    await (await asked).release();
    expect(await readdir(scratch)).not.toContain('lost');
  });

  it('waits for a holder that ends, where it may', async () => {
    const folder = join(scratch, 'waits');
    const lock = await hold(folder);
    setTimeout(() => void lock.release(), 300);
    const next = await hold(folder, 10_000);
    await next.release();
  });

  it.skipIf(process.platform !== 'linux')('is not fooled by a later process with the same number', async () => {
    const folder = join(scratch, 'reused');
    await (await hold(folder)).release();
    const lock = await hold(folder);
    const mine = JSON.parse(await readFile(join(folder, 'lock'), 'utf8')) as { began: string };
    await lock.release();
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'lock'), lockOf(process.pid, { began: mine.began }));
    await refusal(hold(folder));
    await writeFile(join(folder, 'lock'), lockOf(process.pid, { began: `${mine.began}0` }));
    await (await hold(folder)).release();
  });

  it('does not judge the processes of another machine, and says what to do if they are gone', async () => {
    const folder = join(scratch, 'elsewhere');
    await mkdir(folder);
    await writeFile(join(folder, 'lock'), lockOf(1, { host: 'not-this-one' }));
    const sentence = await refusal(hold(folder));
    expect(sentence).toContain('of the machine not-this-one');
    await rm(/delete (.+)\.$/.exec(sentence)![1]!);
    await (await hold(folder)).release();
  });
});
