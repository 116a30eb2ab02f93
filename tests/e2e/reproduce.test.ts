/** A whole study through the built command line, on wasm, with a policy so small that a run takes seconds: stopped, continued, redrawn. */
import { existsSync, readdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StudyResults } from '../../src/study/results.ts';
import { miniature, permix, permixProcess, scratchFolder, writePolicy, writeTokenizer } from '../helpers/permix.ts';

let scratch: string;
let base: string;
beforeAll(async () => {
  scratch = await scratchFolder();
  base = join(scratch, 'miniature');
  // More ids make shorter prompts, and a loud end shorter replies: half the time of the whole file.
  const config = { ...miniature, vocabSize: 768 };
  await writePolicy(base, config, 5, (weights) => {
    const embedding = weights['model.embed_tokens.weight']!;
    const [end] = config.eosIds;
    for (let i = 0; i < config.hiddenSize; i++) embedding[end! * config.hiddenSize + i]! *= 4;
  });
  await writeTokenizer(base, config.vocabSize);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const study = (...more: string[]) => [
  'reproduce',
  ...['--base', base, '--work', join(scratch, 'work'), '--out', join(scratch, 'out'), '--backend', 'wasm'],
  ...['--methods', 'permix,distill', '--beta', '0', '--seeds', '3', '--steps', '2', '--problems', '3', '--fidelity', '1', '--jobs', '2'],
  ...more,
];
const runs = () => join(scratch, 'work', 'runs');
const runOf = (recipe: string) =>
  join(
    runs(),
    readdirSync(runs()).find((name) => name.startsWith(recipe))!,
  );
const results = async () =>
  JSON.parse(await readFile(join(scratch, 'out', 'results.json'), 'utf8')) as StudyResults & { claims: { id: string }[] };
/** What must not depend on when and how often a study was stopped. */
const numbers = ({ seeds }: StudyResults) =>
  seeds.map(({ runs: all }) => all.map(({ finished: _finished, seconds: _seconds, ...run }) => run));

describe('permix reproduce', () => {
  it.skipIf(process.platform === 'win32')('is stopped by Ctrl-C, and leaves no result', async () => {
    const { child, finished } = permixProcess(study());
    const trained = () => existsSync(runs()) && readdirSync(runs()).some((name) => existsSync(join(runs(), name, 'train')));
    while (!trained() && child.exitCode === null) await new Promise((resume) => setTimeout(resume, 20));
    child.kill('SIGINT');
    const { code, stderr } = await finished;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/Stopped with \d of 3 runs finished; the same command continues/);
    // The folder was tried before the work began; nothing is in it.
    expect(readdirSync(join(scratch, 'out'))).toEqual([]);
  });

  it('continues, and writes what it found', async () => {
    const { code, stdout, stderr } = await permix(study('--json'));
    expect(code, stderr).toBe(0);
    const found = await results();
    expect(JSON.parse(stdout)).toMatchObject({ study: found.study });
    expect(found.seeds.map(({ seed, runs: all }) => [seed, all.map(({ arm }) => arm)])).toEqual([[3, ['base', 'distill', 'permix-beta0']]]);
    const [own, distilled, permixed] = found.seeds[0]!.runs;
    expect(distilled!.teacher).toBe(permixed!.key);
    expect([own!.shift, own!.curve]).toEqual([null, null]);
    expect(permixed!.curve!.step).toEqual([1, 2]);
    expect(permixed!.accuracy.personas).toHaveLength(found.personas.length);
    expect(permixed!.fidelity!.headline).toBeGreaterThan(0);
    expect(permixed!.engine).toMatchObject({ engine: 'portable', backend: 'wasm' });
    expect(found.claims.map(({ id }) => id)).toContain('permix-distill-pss');
    for (const name of ['README.md', 'pss.svg', 'fidelity.svg', 'personas.svg', 'lottery.svg', 'training.svg']) {
      expect((await readFile(join(scratch, 'out', name), 'utf8')).length, name).toBeGreaterThan(500);
    }
  });

  it('does what is missing again, from the checkpoint, with the same numbers', async () => {
    const before = await results();
    for (const gone of ['result.json', 'trained', 'evaluation']) await rm(join(runOf('permix'), gone), { recursive: true });
    const { code, stdout, stderr } = await permix(study());
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('3 runs, 2 of them finished before');
    expect(stdout).toContain('PerMix has a higher PSS than sequence distillation from it: undecided');
    expect(numbers(await results())).toEqual(numbers(before));
  });

  it('draws the page from results.json alone', async () => {
    const page = join(scratch, 'out', 'README.md');
    const before = await readFile(page, 'utf8');
    await writeFile(page, '');
    expect((await permix(['reproduce', '--redraw', '--out', join(scratch, 'out')])).code).toBe(0);
    expect(await readFile(page, 'utf8')).toBe(before);
  });

  const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a seed that is none', ['--seeds', '1,x'], /--seeds must be whole numbers such as 1,2,3; "x" is none/],
    ['a seed twice', ['--seeds', '1,2,1'], /Seed 1 is there twice/],
    ['an unknown method', ['--methods', 'rlvr,ppo'], /"ppo" is none of them/],
    ['distillation without its teacher', ['--methods', 'distill,rlvr'], /distill needs permix/],
    ['a negative KL weight', ['--beta', '-1'], /--beta must be numbers from 0 to 10/],
    ['an unknown ablation', ['--ablation', 'luck'], /--ablation must be one of none-share, personas/],
    ['an ablation of methods', ['--ablation', 'draw', '--methods', 'rlvr'], /--methods belongs to the comparison/],
    [
      'the other world without a base',
      ['--ablation', 'world'],
      /hard style.*pretrain -- --style hard --out DIR.*--ablation world --base DIR/,
    ],
    ['nothing to redraw', ['--redraw', '--out', 'never-made'], /no .*never-made.*to redraw/],
  ];
  it.each(wrong)('refuses %s with 2 and a sentence', async (_, args, sentence) => {
    const { code, stdout, stderr } = await permix(['reproduce', ...args]);
    expect(stderr).toMatch(sentence);
    expect([code, stdout]).toEqual([2, '']);
  });
});
