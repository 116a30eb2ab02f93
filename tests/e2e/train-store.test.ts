/**
 * What `permix train` and `permix reproduce` leave on disk, however they end: killed at any moment, started twice, damaged, diverged. All of it
 * by the command itself, in processes of its own, following what it says.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Stream, Purpose } from '../../src/random/counter.ts';
import {
  jsonLines,
  miniature,
  permix,
  permixProcess,
  scratchFolder,
  writePolicy,
  writeTokenizer,
  type Finished,
} from '../helpers/permix.ts';

let scratch = '';
let model = '';
let config = '';

/** Cross-entropy: every step has a gradient, whatever the replies are. */
const settings = {
  recipe: 'sft',
  seed: 3,
  promptsPerStep: 2,
  groupSize: 2,
  sampling: { maxNewTokens: 4 },
  checkpointEvery: 2,
  heldOut: { questions: 1, every: 2 },
};

beforeAll(async () => {
  scratch = await scratchFolder();
  model = join(scratch, 'base');
  await writePolicy(model, miniature, 5);
  await writeTokenizer(model, miniature.vocabSize);
  config = await settingsFile('settings', settings);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function settingsFile(name: string, content: object): Promise<string> {
  const file = join(scratch, `${name}.json`);
  await writeFile(file, JSON.stringify(content));
  return file;
}

const begin = (out: string, steps: number, ...more: string[]) =>
  ['train', '--out', out, '--config', config, '--model', model, '--backend', 'cpu', '--steps', String(steps), '--json', ...more]; // prettier-ignore
const resume = (out: string, steps: number) => ['train', '--out', out, '--resume', '--steps', String(steps), '--json'];

const stepsOf = async (out: string): Promise<unknown[]> =>
  jsonLines(await readFile(join(out, 'metrics.jsonl'), 'utf8')).map(({ step }) => step);

/** Everything but what a clock measured. */
const curveOf = async (out: string) =>
  jsonLines(await readFile(join(out, 'metrics.jsonl'), 'utf8')).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !/^timing_s|^step_time$|^tokens_per_second$|^seal$/.test(name))),
  );

describe.skipIf(process.platform === 'win32')('permix train, killed', () => {
  it('goes on to the same end, wherever it was, without a step lost or doubled', async () => {
    const [straight, killed] = [join(scratch, 'straight'), join(scratch, 'killed')];
    const whole = await permix(begin(straight, 6));
    expect(whole.code, whole.stderr).toBe(0);
    const draw = new Stream(1, Purpose.question, 0);
    let last: Finished | null = null;
    for (let kill = 0; kill < 10; kill++) {
      // The way a reader would find out: begin, and do what is said.
      let started = permixProcess(begin(killed, 6));
      // At first soon, before and within the first files; later anywhere.
      const timer = setTimeout(() => started.child.kill('SIGKILL'), 150 + draw.uniform() * 250 * (kill + 1));
      let ended = await started.finished;
      if (ended.code === 2) {
        expect(ended.stderr).toContain('Add --resume');
        started = permixProcess(resume(killed, 6), () => draw.uniform() < 0.4 && started.child.kill('SIGKILL'));
        ended = await started.finished;
      }
      clearTimeout(timer);
      expect([null, 0], ended.stderr).toContain(ended.code);
      last = ended;
      const lines = existsSync(join(killed, 'metrics.jsonl')) ? (await readFile(join(killed, 'metrics.jsonl'), 'utf8')).split('\n') : [''];
      const steps = lines.slice(0, -1).map((line) => (JSON.parse(line) as { step: number }).step);
      expect(steps).toEqual(steps.map((_, i) => i + 1));
    }
    if (last?.code !== 0) last = await permix(existsSync(join(killed, 'checkpoints', 'step-0')) ? resume(killed, 6) : begin(killed, 6));
    expect(last.code, last.stderr).toBe(0);
    expect(await stepsOf(killed)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await curveOf(killed)).toEqual(await curveOf(straight));
    for (const file of ['checkpoints/step-6', 'policy/model.safetensors']) {
      expect((await readFile(join(killed, file))).equals(await readFile(join(straight, file))), file).toBe(true);
    }
    const asked = async (out: string) =>
      jsonLines(await readFile(join(out, 'heldout.jsonl'), 'utf8')).map(({ seconds: _, seal: __, ...line }) => line);
    expect((await asked(killed)).map(({ step }) => step)).toEqual([0, 2, 4, 6]);
    expect(await asked(killed)).toEqual(await asked(straight));
    expect((await readdir(killed)).sort()).toEqual(['checkpoints', 'heldout.jsonl', 'metrics.jsonl', 'policy', 'run.json']);
  });
});

describe('two processes on one --out', () => {
  it('the second one is told which process is the first', async () => {
    const out = join(scratch, 'twice');
    let second: Promise<Finished> | null = null;
    const { child, finished } = permixProcess(begin(out, 1000), (_, running) => {
      second ??= permix(resume(out, 4)).then((ended) => (running.kill('SIGINT'), ended));
    });
    expect((await finished).code).toBe(130);
    const refused = await second!;
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toMatch(new RegExp(`Process ${child.pid} has been working in .*twice`));
    const steps = await stepsOf(out);
    expect(steps).toEqual(steps.map((_, i) => i + 1));
  });
});

describe('what is said is followed', () => {
  it('a run that diverged goes on from the checkpoint that is named, with the settings that are named', async () => {
    const out = join(scratch, 'diverged');
    const wild = await settingsFile('wild', { ...settings, optim: { learningRate: 1e30, maxGradNorm: 0 } });
    const failed = await permix(['train', '--out', out, '--config', wild, '--model', model, '--backend', 'cpu', '--steps', '8']);
    expect(failed.code).toBe(1);
    const advice = /With (\{.*\}) in FILE\.json, permix (train .*) does that/.exec(failed.stderr);
    expect(advice, failed.stderr).not.toBe(null);
    await writeFile(join(scratch, 'FILE.json'), advice![1]!);
    const saved = join(scratch, 'saved');
    const words = advice![2]!.replace('FILE.json', join(scratch, 'FILE.json')).replace('DIR', saved).split(' ');
    const followed = await permix([...words, '--backend', 'cpu', '--json']);
    expect(followed.code, followed.stderr).toBe(0);
    const first = jsonLines(followed.stdout).find((line) => 'personas' in line);
    expect(await stepsOf(saved)).toEqual(Array.from({ length: 9 - Number(first!['step']) }, (_, i) => Number(first!['step']) + i));
    expect((await stepsOf(saved)).at(-1)).toBe(8);
  });

  it('a fork changes what it is told to, keeps the rest, and leaves its origin as it was', async () => {
    const [out, other] = [join(scratch, 'origin'), join(scratch, 'other')];
    expect((await permix(begin(out, 4))).code).toBe(0);
    const before = await readFile(join(out, 'run.json'));
    const none = await permix(['train', '--from', `${out}@3`, '--out', other]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('it has those of 4, 2, 0')]);
    const done = await permix(['train', '--from', out, '--out', other]);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining('give it more than 4 steps')]);
    const low = await permix(resume(out, 3));
    expect([low.code, low.stderr]).toEqual([2, expect.stringContaining('has reached step 4')]);
    expect(existsSync(other)).toBe(false);

    const change = await settingsFile('change', { optim: { learningRate: 1e-5 } });
    const args = [
      'train',
      '--from',
      `${out}@2`,
      '--config',
      change,
      '--recipe',
      'permix',
      '--steps',
      '5',
      '--out',
      other,
      '--backend',
      'cpu',
    ];
    const forked = await permix(args);
    expect(forked.code, forked.stderr).toBe(0);
    const run = JSON.parse(await readFile(join(other, 'run.json'), 'utf8')) as { config: Record<string, unknown>; from: unknown };
    expect(run.from).toEqual({ run: join('..', 'origin'), step: 2 });
    expect(run.config).toMatchObject({ recipe: 'permix', seed: 3, groupSize: 2, steps: 5, mix: { noneShare: 0.5 } });
    expect(run.config['optim']).toMatchObject({ learningRate: 1e-5 });
    expect(await stepsOf(other)).toEqual([3, 4, 5]);
    expect((await permix(resume(other, 6))).code).toBe(0);
    expect(await stepsOf(other)).toEqual([3, 4, 5, 6]);
    expect((await readFile(join(out, 'run.json'))).equals(before)).toBe(true);
  });
});

describe.skipIf(process.platform === 'win32')('permix reproduce, killed and started again at once', () => {
  it('has every step of every run once', { timeout: 300_000 }, async () => {
    const { seed: _, ...arm } = settings;
    const arms = await settingsFile('arms', { a: arm, b: { ...arm, recipe: 'permix' } });
    const [work, out] = [join(scratch, 'work'), join(scratch, 'study')];
    const args = ['reproduce', '--sweep', arms, '--base', model, '--seeds', '1,2', '--steps', '6', '--problems', '2', '--fidelity', '0'];
    const study = [...args, '--work', work, '--out', out, '--jobs', '2', '--backend', 'cpu'];
    for (let kill = 0; kill < 3; kill++) {
      const { child, finished } = permixProcess(study);
      const done = await stepsDone(work);
      while (child.exitCode === null && (await stepsDone(work)) <= done) await new Promise((later) => setTimeout(later, 20));
      child.kill('SIGKILL');
      const { code, stderr } = await finished;
      expect(code, stderr).toBe(null);
    }
    const { code, stderr } = await permix(study);
    expect(code, stderr).toBe(0);
    const results = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as {
      seeds: { runs: { curve: { step: number[] } | null }[] }[];
    };
    const curves = results.seeds.flatMap(({ runs }) => runs.flatMap(({ curve }) => (curve ? [curve.step] : [])));
    expect(curves).toEqual(Array.from({ length: 4 }, () => [1, 2, 3, 4, 5, 6]));
  });
});

async function stepsDone(work: string): Promise<number> {
  const runs = await readdir(join(work, 'runs')).catch(() => []);
  const logs = runs.map((run) => readFile(join(work, 'runs', run, 'train', 'metrics.jsonl'), 'utf8').catch(() => ''));
  return (await Promise.all(logs)).reduce((sum, log) => sum + log.split('\n').length - 1, 0);
}
