/** What `permix eval` keeps on disk, and the option whose value may be left out. */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { EvaluationFolder } from '../../src/cli/eval-folder.ts';
import { labErrorCode } from '../../src/errors.ts';
import { programParts, settingParts } from '../../src/run/identity.ts';

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'permix-eval-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const settings = { ...settingParts({ base: null, seed: 1 }), ...programParts({ engine: 'portable', backend: 'wasm' }) };
const cell = (text: string) => ({ replies: [{ tokens: [1, 2], text, ended: true }] });

async function refusal(opening: Promise<unknown>, code = 'usage'): Promise<string> {
  const error: unknown = await opening.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe(code);
  return (error as Error).message;
}

describe('the folder of an evaluation', () => {
  it('keeps finished cells for the same evaluation', async () => {
    const path = join(scratch, 'a', 'deep');
    const first = await EvaluationFolder.open(path, settings);
    expect(first.finished).toBe(0);
    await first.write('policy/task/none', cell('one'));
    await first.write('policy/likelihood task/x', { logprobs: [[-1.5, -2]] });
    const again = await EvaluationFolder.open(path, { ...settings });
    expect(again.finished).toBe(2);
    expect(again.read('policy/task/none')).toEqual(cell('one'));
    expect(again.read('policy/likelihood task/x')).toEqual({ logprobs: [[-1.5, -2]] });
    expect(again.read('policy/task/x')).toBeUndefined();
  });

  it('drops a line that was cut off, and writes on after it', async () => {
    const path = join(scratch, 'cut');
    const first = await EvaluationFolder.open(path, settings);
    await first.write('a', cell('whole'));
    await appendFile(join(path, 'cells.jsonl'), '{"key":"b","replies":[{"tok');
    const second = await EvaluationFolder.open(path, settings);
    expect(second.finished).toBe(1);
    await second.write('b', cell('again'));
    const third = await EvaluationFolder.open(path, settings);
    expect([third.read('a'), third.read('b')]).toEqual([cell('whole'), cell('again')]);
  });

  it('makes a cell again in whose line any bit was flipped, and says so', async () => {
    const path = join(scratch, 'flipped');
    const file = join(path, 'cells.jsonl');
    const first = await EvaluationFolder.open(path, settings);
    await first.write('a', cell('one'));
    await first.write('b', cell('two'));
    const whole = await readFile(file);
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    for (let bit = 0; bit < 8 * whole.length; bit += 7) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file, bytes);
      said.mockClear();
      const folder = await EvaluationFolder.open(path, settings);
      const known = ['a', 'b'].map((key) => folder.read(key)).filter((found) => found !== undefined);
      expect(known.length, `bit ${bit}`).toBeLessThan(2);
      for (const found of known) expect([cell('one'), cell('two')]).toContainEqual(found);
      // A last line without its end is one that was cut off.
      if (bytes.at(-1) === 0x0a) expect(said.mock.calls.join()).toMatch(/cells\.jsonl is damaged in lines? .*made again/);
    }
    said.mockRestore();
  });

  it('refuses an evaluation.json in which any bit was flipped', async () => {
    const path = join(scratch, 'flipped-origin');
    const file = join(path, 'evaluation.json');
    await (await EvaluationFolder.open(path, settings)).write('a', cell('one'));
    const whole = await readFile(file);
    for (let bit = 0; bit < 8 * whole.length; bit += 11) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file, bytes);
      expect(await refusal(EvaluationFolder.open(path, settings), 'format'), `bit ${bit}`).toMatch(/evaluation\.json is damaged/);
    }
    await writeFile(file, whole);
    expect((await EvaluationFolder.open(path, settings)).finished).toBe(1);
  });

  it('goes on with one of before there were seals, and seals it', async () => {
    const path = join(scratch, 'unsealed');
    await mkdir(path);
    const origin = { identity: settings, takenOver: [] };
    await writeFile(join(path, 'evaluation.json'), JSON.stringify({ format: 'permix-evaluation-folder', version: 2, origin }));
    await writeFile(join(path, 'cells.jsonl'), `${JSON.stringify({ key: 'a', ...cell('one') })}\n{"key":"b","re`);
    for (const _ of [1, 2]) expect((await EvaluationFolder.open(path, settings)).read('a')).toEqual(cell('one'));
    expect(await readFile(join(path, 'cells.jsonl'), 'utf8')).toMatch(/^\{.*"seal":"[0-9a-f]{16}"\}\n$/);
  });

  it('refuses another evaluation, naming what differs, and changes nothing', async () => {
    const path = join(scratch, 'other');
    await EvaluationFolder.open(path, settings);
    const before = await readFile(join(path, 'evaluation.json'), 'utf8');
    const other = { ...settings, 'settings.seed': '2', backend: 'cpu' };
    for (const accept of [[], ['settings.seed', 'backend']]) {
      expect(await refusal(EvaluationFolder.open(path, other, { accept }))).toMatch(
        /the setting seed was 1, now 2; the backend was wasm, now cpu\. Go back to what it began with, or choose another --out\.$/,
      );
    }
    expect(await readFile(join(path, 'evaluation.json'), 'utf8')).toBe(before);
  });

  it('takes over another backend where that is accepted, and remembers it', async () => {
    const path = join(scratch, 'backend');
    const first = await EvaluationFolder.open(path, settings);
    await first.write('a', cell('one'));
    const other = { ...settings, backend: 'cpu' };
    expect(await refusal(EvaluationFolder.open(path, other))).toMatch(/add --accept backend to take over/);
    expect((await EvaluationFolder.open(path, other, { accept: ['backend'] })).finished).toBe(1);
    const again = await EvaluationFolder.open(path, other);
    expect(again.origin.takenOver).toEqual([{ part: 'backend', was: 'wasm', now: 'cpu', at: '1 cell' }]);
  });

  it('asks about cells of a version that did not record what they were made with', async () => {
    const path = join(scratch, 'old');
    await (await EvaluationFolder.open(path, settings)).write('a', cell('one'));
    await writeFile(join(path, 'evaluation.json'), '{"model":"m 1","seed":1}');
    expect(await refusal(EvaluationFolder.open(path, settings))).toMatch(/did not record what it depends on.*--accept unrecorded/);
    expect((await EvaluationFolder.open(path, settings, { accept: ['unrecorded'] })).finished).toBe(1);
    expect((await EvaluationFolder.open(path, settings)).finished).toBe(1);
  });

  it('begins where only the first file was, and was cut off', async () => {
    const path = join(scratch, 'first');
    await mkdir(path);
    await writeFile(join(path, 'evaluation.json.new'), '{"for');
    expect((await EvaluationFolder.open(path, settings)).finished).toBe(0);
  });

  it('refuses a folder that holds something else', async () => {
    const path = join(scratch, 'full');
    await EvaluationFolder.open(path, settings);
    await rm(join(path, 'evaluation.json'));
    await writeFile(join(path, 'letter.txt'), 'dear');
    expect(await refusal(EvaluationFolder.open(path, settings))).toMatch(/not empty and holds no evaluation/);
  });
});

describe('--json [FILE]', () => {
  const command = commands.find(({ name }) => name === 'eval')!;
  const parse = (...argv: string[]) => new Arguments(command, argv);

  it('is a switch by itself and a file with a name', () => {
    for (const args of [parse('--json'), parse('--json', '--greedy'), parse('--greedy', '--json')]) {
      expect(args.flag('json')).toBe(true);
      expect(args.text('json')).toBeUndefined();
    }
    for (const args of [parse('--json', 'a.json', '--greedy'), parse('--json=a.json', '--greedy')]) {
      expect(args.flag('json')).toBe(false);
      expect(args.text('json')).toBe('a.json');
      expect(args.flag('greedy')).toBe(true);
    }
    expect(parse('--greedy').flag('json')).toBe(false);
  });

  it('stays a switch for other commands', () => {
    const probe = commands.find(({ name }) => name === 'probe')!;
    expect(new Arguments(probe, ['--json']).flag('json')).toBe(true);
    expect(() => new Arguments(probe, ['--json=a.json'])).toThrow(/json/);
  });
});
