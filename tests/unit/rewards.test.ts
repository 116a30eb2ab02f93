/** What a reply can earn beside being right: each alone, added up in a run, and the same in the Python of a project. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPolicy } from '../../src/cli/engine.ts';
import { complaintSentence, labErrorCode } from '../../src/errors.ts';
import { writtenPattern } from '../../src/exchange/project/pattern.ts';
import { trainerProject } from '../../src/exchange/project/project.ts';
import { personas } from '../../src/persona/world.ts';
import { LinearPattern } from '../../src/policy/linear-pattern.ts';
import { checkConfig, parseRunConfig } from '../../src/rl/check.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { settingParts } from '../../src/run/identity.ts';
import { taskById } from '../../src/tasks/index.ts';
import { rewardNames, rewardNeeds, type RewardChoice, type RewardField, type RewardName } from '../../src/verify/reward-names.ts';
import { earned, mostPatternStates, total } from '../../src/verify/rewards.ts';
import { verify } from '../../src/verify/verify.ts';

const choice = (name: RewardName, more: Partial<RewardChoice> = {}): RewardChoice => ({ name, weight: 1, ...more });
const question = { id: '', task: 'addition', text: '', answer: '42' };

/** What each needs beside its weight. */
const needed: Readonly<Record<RewardField, Partial<RewardChoice>>> = {
  most: { most: 3 },
  text: { text: 'so' },
  pattern: { pattern: '(?<!word )\\bSO\\b|(?=.*,).*\\d$', flags: 'im' },
  flags: {},
};
const whole = (name: RewardName, more: Partial<RewardChoice> = {}) => choice(name, { ...needed[rewardNeeds[name] ?? 'flags'], ...more });

async function value(one: RewardChoice, completion: string, opened: string | null = null): Promise<number> {
  const verdict = await verify(completion, question, taskById('addition'), opened);
  return earned([one], { completion, gold: question.answer, verdict, opened, answers: ['boxed'] })[one.name]!;
}

describe('a reward', () => {
  it.each<[RewardChoice, readonly string[], readonly string[]]>([
    [choice('correct'), ['\\boxed{42}', '<think>7</think>\\boxed{42}'], ['\\boxed{41}', '42']],
    [
      choice('exact'),
      ['\\boxed{42}', 'so \\boxed{ 42 }.', ' 42\n', '<think>7</think>42'],
      ['\\boxed{42.0}', '\\boxed{42} \\boxed{41}', 'so 42', ''],
    ],
    [choice('format'), ['\\boxed{41}', 'so \\boxed{42}.'], ['42', '\\boxed{42', '\\boxed{1} \\boxed{2}']],
    [
      choice('think_answer'),
      ['<think>a</think><answer>b</answer>', ' <think>a</think>\n<answer>b</answer>\n'],
      [
        '<answer>b</answer>',
        '<think>a</think>b<answer>c</answer>',
        '<think></think><think></think><answer></answer>',
        '</think><think><answer></answer>',
        '',
      ],
    ],
    [choice('max_words', { most: 2 }), ['', 'one', ' one\n two '], ['one two three']],
    [choice('contains', { text: 'sum' }), ['the sum is'], ['the Sum', '<think>sum</think>it']],
    [choice('ends_with', { text: 'ok.' }), ['all ok.', 'all ok. \n'], ['ok', 'ok. no']],
    [choice('matches', { pattern: '^so\\b' }), ['so it is', '<think>b</think>so'], ['also so', 'sofa', 'So', 'a\nso']],
    [choice('matches', { pattern: '^so.is', flags: 'ims' }), ['a\nSO\nis'], ['also']],
    [choice('matches', { pattern: '^\\P{Lu}+$' }), ['é 1'], ['É', '']],
    [choice('no_commas'), ['a b', '<think>a,b</think>c'], ['a, b', '1,000']],
    [choice('lowercase'), ['a 1 é', ''], ['A', 'aB']],
  ])('$0.name is earned by what it asks for, and by nothing else', async (one, by, notBy) => {
    for (const completion of by) expect([completion, await value(one, completion)]).toEqual([completion, 1]);
    for (const completion of notBy) expect([completion, await value(one, completion)]).toEqual([completion, 0]);
  });

  it.each(rewardNames)('%s is not earned inside a thinking that never ends', async (name) => {
    expect(await value(whole(name), 'so \\boxed{42} so', '</think>')).toBe(0);
  });

  it('takes a thinking that the prompt opened for the first of two', async () => {
    expect(await value(choice('think_answer'), 'a</think><answer>b</answer>', '</think>')).toBe(1);
  });

  it('looks at 100,000 characters at once', async () => {
    const begun = performance.now();
    for (const text of [' a'.repeat(50_000), '<answer>'.repeat(12_000), ' '.repeat(100_000)]) {
      for (const name of ['format', 'think_answer', 'no_commas', 'lowercase'] as const) await value(choice(name), text);
      await value(choice('max_words', { most: 3 }), text);
      await value(choice('ends_with', { text: 'x' }), text);
      await value(choice('exact'), text);
    }
    expect(performance.now() - begun).toBeLessThan(1500);
  });

  it.each(['(a+)+$', '(a|aa)*b', '(?=(a+)+b)a', '(?<=(a+)+b)c'])(
    'of %s takes no time either, and of what is too long nothing is earned',
    async (pattern) => {
      const begun = performance.now();
      expect(await value(choice('matches', { pattern }), `${'a'.repeat(20_000)}!`)).toBe(0);
      expect(await value(choice('matches', { pattern: 'a' }), 'a'.repeat(mostPatternStates))).toBe(0);
      expect(performance.now() - begun).toBeLessThan(3000);
    },
  );

  it('is added up by weight', () => {
    expect(total([choice('correct', { weight: 2 }), choice('no_commas', { weight: -0.5 })], { correct: 1, no_commas: 1 })).toBe(1.5);
  });
});

describe('the rewards of a run', () => {
  const rewards = [choice('correct'), choice('format', { weight: 0.1 }), choice('max_words', { weight: -0.2, most: 4 })];

  it('are read from a configuration, and are part of what the run is', () => {
    const config = parseRunConfig({ recipe: 'permix', rewards });
    expect(config.rewards).toEqual(rewards);
    expect(checkConfig(config, personas)).toEqual([]);
    expect(settingParts(config)['settings.rewards']).toBe(JSON.stringify(rewards));
    expect(settingParts(parseRunConfig({ recipe: 'permix' }))).not.toHaveProperty(['settings.rewards']);
  });

  it.each<[readonly RewardChoice[], RegExp]>([
    [[choice('correct'), choice('correct')], /rewards\.1 names correct again/],
    [[choice('max_words')], /rewards\.0\.most is missing, which max_words needs/],
    [[choice('lowercase', { text: 'a' })], /rewards\.0\.text is nothing that lowercase reads/],
    [[choice('contains', { text: 'a', flags: 'i' })], /rewards\.0\.flags is nothing that contains reads/],
    [
      [choice('correct'), choice('matches', { pattern: 'a(b' })],
      /rewards\.1\.pattern cannot be read: a group is not closed at character 4/,
    ],
    [[choice('matches', { pattern: '(a)\\1' })], /cannot be read: there is an escape/],
    [[choice('matches', { pattern: '[b-a]' })], /cannot be read: there are no such characters as \[b-a\]/],
    [[choice('matches', { pattern: 'a{9999}' })], /cannot be read: the pattern is too large/],
    [[choice('matches', { pattern: 'a', flags: 'g' })], /flags must be of i, m and s/],
    [[choice('matches', { pattern: 'a', flags: 'ii' })], /flags must be of i, m and s/],
    [[choice('correct', { weight: 0 })], /all have weight 0/],
  ])('that make no sense are refused: %j', (wrong, said) => {
    expect(
      checkConfig({ ...recipes.permix, rewards: wrong }, personas)
        .map((complaint) => complaintSentence(complaint))
        .join(' '),
    ).toMatch(said);
  });

  it('of names and numbers that there are not are refused with the field', () => {
    for (const bad of [[{ name: 'style', weight: 1 }], [{ name: 'correct', weight: NaN }], [{ name: 'correct', weight: 'much' }], []]) {
      let code: string | null = null;
      try {
        parseRunConfig({ recipe: 'permix', rewards: bad });
      } catch (error) {
        code = labErrorCode(error);
        expect((error as Error).message).toContain('rewards');
      }
      expect([bad, code]).toEqual([bad, 'config']);
    }
  });

  it('are refused where the run learns from given replies', () => {
    expect(checkConfig({ ...recipes.sft, rewards }, personas)[0]!.field).toBe('rewards');
  });
});

const python = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))']).status === 0;

describe.skipIf(!python)('in the Python of a project (skipped where there is no Python 3.10)', () => {
  let at = '';
  beforeAll(async () => {
    at = await mkdtemp(join(tmpdir(), 'permix-rewards-'));
  });
  afterAll(() => rm(at, { recursive: true, force: true }));

  const all: RewardChoice[] = rewardNames.map((name, i) => whole(name, { weight: i % 2 === 0 ? 1 : -0.5 }));

  it('every one of them is the same, and TRL is told their weights', async () => {
    const policy = await readPolicy(resolve(import.meta.dirname, '../../public/models/permix-tiny'));
    const config: RunConfig = { ...recipes.permix, steps: 1, rewards: all, objective: { ...recipes.permix.objective, overlongBuffer: 4 } };
    const { files } = trainerProject('trl', { config, personas, policy });
    const texts = new Map<string, string>();
    for (const file of files.filter(({ name }) => /\.(py|json|yaml)$/.test(name) && !name.includes('/'))) {
      for await (const bytes of file.bytes()) texts.set(file.name, new TextDecoder().decode(bytes));
    }
    expect(texts.get('config.yaml')).toContain('reward_weights: [1, -0.5, 1, -0.5, 1, -0.5, 1, -0.5, 1, -0.5, 1]');
    for (const name of ['verifier.py', 'linear_pattern.py', 'settings.json']) await writeFile(join(at, name), texts.get(name)!);

    const parts = [
      '\\boxed{42}',
      '\\boxed{41}',
      '42',
      '<think>',
      '</think>',
      '<answer>',
      '</answer>',
      'so',
      ' ',
      '\n',
      ',',
      'A',
      'b',
      'word ',
      '\u00a0',
    ];
    const said = fc.array(fc.constantFrom(...parts), { maxLength: 8 }).map((some) => some.join(''));
    const cases = fc.sample(fc.record({ completion: said, opened: fc.constantFrom(null, '</think>') }), { numRuns: 2000, seed: 3 });
    cases.push(
      { completion: '<think>so</think> <answer>b</answer>', opened: null },
      { completion: 'a</think><answer>b</answer>', opened: '</think>' },
    );
    const program =
      'import json, sys\nfrom verifier import earned, settings\nprint(json.dumps([[earned(r, c["completion"], "42", "integer", c["opened"]) for r in settings["rewards"]] for c in json.load(sys.stdin)]))';
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      cwd: at,
      input: JSON.stringify(cases),
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    expect(stderr).toBe('');
    const theirs = JSON.parse(stdout) as number[][];
    for (const [i, { completion, opened }] of cases.entries()) {
      const verdict = await verify(completion, question, taskById('addition'), opened);
      const ours = earned(all, { completion, gold: question.answer, verdict, opened, answers: ['boxed'] });
      expect([completion, opened, ...rewardNames.map((name) => ours[name])]).toEqual([completion, opened, ...theirs[i]!]);
    }
    for (const [i, name] of rewardNames.entries()) expect([name, theirs.some((values) => values[i] === 1)]).toEqual([name, true]);
  });

  it('an expression finds what it finds here', () => {
    const patterns: readonly (readonly [string, string])[] = [
      ['(a+)+$', ''],
      ['^b', 'm'],
      ['a$', 'm'],
      ['[^a]\\B', 'i'],
      ['\\bK', 'i'],
      ['a.b', ''],
      ['a.b', 's'],
      ['(?<=b)a(?!b)', ''],
      ['(?<!a)(?=b|\\s)', ''],
      ['^(?:|a)+$', ''],
      ['[\\p{L}-]{2,3}?\\d', ''],
      ['😀|\\u{1F600}a', ''],
      ['^\\S*$', ''],
    ];
    const text = fc.string({
      unit: fc.constantFrom('a', 'A', 'b', '3', ' ', '\n', '\u2028', '\u00a0', '\u212a', 'ſ', '😀', 'é'),
      maxLength: 12,
    });
    const cases = patterns.map(([pattern, flags]) => ({
      program: writtenPattern(pattern, flags),
      texts: ['', ...fc.sample(text, { numRuns: 400, seed: 5 })],
    }));
    const program =
      'import json, sys\nfrom linear_pattern import found\nprint(json.dumps([[found(c["program"], t) for t in c["texts"]] for c in json.load(sys.stdin)]))';
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      cwd: at,
      input: JSON.stringify(cases),
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    expect(stderr).toBe('');
    const theirs = JSON.parse(stdout) as boolean[][];
    for (const [i, [pattern, flags]] of patterns.entries()) {
      const ours = cases[i]!.texts.map((one) => new LinearPattern(pattern, flags).test(one));
      expect([pattern, ours]).toEqual([pattern, cases[i]!.texts.map((one) => new RegExp(pattern, `u${flags}`).test(one))]);
      expect([pattern, theirs[i]]).toEqual([pattern, ours]);
      expect([pattern, ours.includes(true), ours.includes(false)]).toEqual([pattern, true, true]);
    }
  });
});
