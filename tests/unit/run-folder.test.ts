/** The folder of a run: what is found again, what is found damaged, and what is refused. Real files, no engine. */
import { appendFile, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealedJson } from '../../src/cli/files.ts';
import { RunFolder } from '../../src/cli/run-folder.ts';
import type { HeldOutLine } from '../../src/cli/step-log.ts';
import { StoredRun } from '../../src/cli/stored-run.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parseRunConfig } from '../../src/rl/check.ts';
import type { CheckpointContent } from '../../src/storage/records.ts';

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'permix-run-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const config = parseRunConfig({ recipe: 'rlvr', seed: 7, steps: 20, policy: 'p' });
const engine = { engine: 'portable', backend: 'cpu', adapter: null, software: false, features: [], limits: {}, precision: 'f32' } as const;
const origin = { identity: { weights: 'w' }, takenOver: [] };
const run = { config, model: '../base', engine, origin };

function content(step: number): CheckpointContent {
  const state = { weights: { w: Float32Array.of(step, 0.5, -1) }, adapters: null, moments: null, optimSteps: step, skippedSteps: 0 };
  return { config, trainer: { step, cursor: step, tokens: step, nonFiniteStreak: 0 }, state };
}

const line = (step: number) => ({ step, reward: step / 100, personas: { nöne: { correct: 1, total: 2 } } }) as never;

const asked = (step: number): HeldOutLine => {
  const reply = { question: '1+1?', answer: '2', text: '2', correct: true, parsed: '2', reason: 'right' };
  return { step, 'eval/none': 1, rows: [{ row: 'none', personaId: null, replies: [reply] }], seconds: 1 };
};

/** Steps 1 to `to`, a checkpoint at every second one. */
async function trained(path: string, to: number): Promise<string> {
  const folder = await RunFolder.create(path);
  await folder.write(run);
  await folder.begin(content(0));
  await go(folder, 1, to);
  await folder.close();
  return path;
}

async function go(folder: RunFolder, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step++) {
    await folder.appendMetrics(line(step));
    if (step % 2 === 0) await folder.saveCheckpoint(content(step));
  }
}

async function again(path: string): Promise<{ folder: RunFolder; step: number | null; said: string[] }> {
  const folder = await RunFolder.open(path);
  const said: string[] = [];
  try {
    return { folder, step: (await folder.goBack((sentence) => said.push(sentence)))?.trainer.step ?? null, said };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function refusal(asked: Promise<unknown>): Promise<string> {
  const error: unknown = await asked.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error), String(error)).toMatch(/format|usage/);
  return (error as Error).message;
}

const steps = async (path: string) => (await new StoredRun(path).metrics({})).lines.map((each) => each.step);

describe('a run folder', () => {
  it('goes on from its newest checkpoint, without a gap or a repeat', async () => {
    const path = await trained(join(scratch, 'on'), 7);
    const { folder, step, said } = await again(path);
    expect([step, said]).toEqual([6, []]);
    await go(folder, 7, 9);
    await folder.close();
    expect(await steps(path)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('keeps the newest three, the best and the first checkpoint', async () => {
    const path = await trained(join(scratch, 'kept'), 12);
    // Rewards rise with the steps here, so that the best is among the newest.
    expect(await new StoredRun(path).steps()).toEqual([12, 10, 8, 0]);
  });

  it('goes back to the one before a damaged checkpoint, says so, and keeps the damaged one', async () => {
    const path = await trained(join(scratch, 'back'), 7);
    await flip(join(path, 'checkpoints', 'step-6'), 90);
    const { folder, step, said } = await again(path);
    expect(step).toBe(4);
    expect(said.join()).toMatch(/step-6 is damaged.*kept as step-6\.damaged/);
    await go(folder, 5, 7);
    await folder.close();
    expect(await steps(path)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect((await readdir(join(path, 'checkpoints'))).sort()).toEqual(['step-0', 'step-2', 'step-4', 'step-6', 'step-6.damaged']);
  });

  it('refuses a second process while the first one works', async () => {
    const path = await trained(join(scratch, 'two'), 3);
    const { folder } = await again(path);
    expect(await refusal(RunFolder.open(path))).toContain(`Process ${process.pid} has been working in`);
    await folder.close();
    await (await RunFolder.open(path)).close();
  });

  it('is begun in a folder in which a process was killed before its first checkpoint, and in no other', async () => {
    const path = join(scratch, 'killed');
    await mkdir(join(path, 'checkpoints'), { recursive: true });
    for (const name of ['run.json.new', 'lock.0123456789abcdef.new', 'checkpoints/step-0.new']) await writeFile(join(path, name), '{"conf');
    expect(RunFolder.fresh(path)).toBe(true);
    const folder = await RunFolder.create(path);
    await folder.write(run);
    await folder.close();
    expect(RunFolder.fresh(path)).toBe(true);
    expect((await again(path)).step).toBe(null);
    await rm(path, { recursive: true });
    await trained(path, 1);
    expect(RunFolder.fresh(path)).toBe(false);
    expect(await refusal(RunFolder.create(path))).toContain('is not empty');
    await writeFile(join(scratch, 'letter.txt'), 'dear');
    expect(RunFolder.fresh(scratch)).toBe(false);
  });

  it('finds one changed bit, wherever it is, and names the file', async () => {
    const path = await trained(join(scratch, 'bits'), 4);
    const writer = (await again(path)).folder;
    await writer.appendHeldOut(asked(4));
    await writer.close();
    const stored = new StoredRun(path);
    const allLines = async () => {
      const { lines, brokenLine } = await stored.metrics({});
      if (brokenLine !== null || lines.length !== 4) throw stored.damaged('metrics.jsonl', '');
    };
    const reading: Readonly<Record<string, () => Promise<unknown>>> = {
      'run.json': () => stored.readRun(''),
      'metrics.jsonl': allLines,
      'heldout.jsonl': async () => {
        if ((await stored.heldOut()).brokenLine !== null) throw stored.damaged('heldout.jsonl', '');
      },
      'checkpoints/step-4': () => stored.checkpoint(4, run),
    };
    for (const [name, read] of Object.entries(reading)) {
      const whole = await readFile(join(path, name));
      await read();
      for (let place = 0; place < whole.length; place += 7) {
        await flip(join(path, name), place, (place / 7) % 8);
        expect(await refusal(read()), `byte ${place}`).toContain(name);
        await writeFile(join(path, name), whole);
      }
    }
  });

  it('finds a line that is lost, doubled, or of another run', async () => {
    const path = await trained(join(scratch, 'lines'), 4);
    const file = join(path, 'metrics.jsonl');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const other = (await readFile(join(await trained(join(scratch, 'other-lines'), 4), 'metrics.jsonl'), 'utf8')).split('\n');
    for (const [name, changed] of [
      ['lost', [lines[0], lines[2], lines[3]]],
      ['doubled', [lines[0], lines[1], lines[1], lines[2], lines[3]]],
      ['swapped', [lines[1], lines[0], lines[2], lines[3]]],
      ['cut', lines.slice(0, 3)],
      ['none', []],
    ] as const) {
      await writeFile(file, changed.map((each) => `${each}\n`).join(''));
      expect(await refusal(again(path)), name).toMatch(/metrics\.jsonl (is damaged in line \d|ends with step \d).*--from .*@4 --out DIR/);
    }
    await writeFile(file, lines.map((each) => `${each}\n`).join(''));
    expect(other[0]).toBe(lines[0]);
  });

  it('drops a line that was cut off by a kill, and says that it does another one again', async () => {
    const path = await trained(join(scratch, 'torn'), 4);
    await appendFile(join(path, 'metrics.jsonl'), '{"step":5,"rew');
    const torn = await again(path);
    expect([torn.step, torn.said]).toEqual([4, []]);
    await go(torn.folder, 5, 5);
    await torn.folder.close();
    await flip(join(path, 'metrics.jsonl'), (await readFile(join(path, 'metrics.jsonl'))).length - 20);
    const flipped = await again(path);
    expect([flipped.step, flipped.said.join()]).toEqual([4, expect.stringContaining('damaged in line 5')]);
    await flipped.folder.close();
    expect(await steps(path)).toEqual([1, 2, 3, 4]);
  });

  it('does not take a checkpoint of another run', async () => {
    const path = await trained(join(scratch, 'mine'), 4);
    const other = join(scratch, 'theirs');
    const folder = await RunFolder.create(other);
    await folder.write({ ...run, config: { ...config, seed: 8 } });
    await folder.begin(content(0));
    await folder.close();
    await copyFile(join(path, 'checkpoints', 'step-4'), join(other, 'checkpoints', 'step-4'));
    expect(await refusal(again(other))).toMatch(/No checkpoint of the run .* is whole/);
    expect((await readdir(join(other, 'checkpoints'))).sort()).toEqual(['step-0.damaged', 'step-4.damaged']);
  });

  it('says of a run of an older or newer version what it is', async () => {
    const path = join(scratch, 'old');
    await mkdir(path);
    await writeFile(join(path, 'run.json'), JSON.stringify({ config, model: '/somewhere', engine, created: 'then' }));
    await writeFile(join(path, 'checkpoint'), 'PMLC');
    expect(RunFolder.fresh(path)).toBe(false);
    expect(await refusal(RunFolder.open(path))).toMatch(/of an older version.*cannot be continued/);
    await writeFile(join(path, 'run.json'), await sealedJson({ ...run, format: 'permix-run', version: 99 }));
    expect(await refusal(RunFolder.open(path))).toContain('another version of permix (format 99; this one reads 2)');
  });
});

async function flip(file: string, place: number, bit = 0): Promise<void> {
  const bytes = await readFile(file);
  bytes[place] = bytes[place]! ^ (1 << bit);
  await writeFile(file, bytes);
}
