/** Projects for TRL and verl: what is in one, what is said to be missing, and the reward in Python beside the verifier's own verdicts. Training from one is `npm run peers`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { diskFile } from '../../src/cli/disk-file.ts';
import { readPolicy } from '../../src/cli/engine.ts';
import { Output } from '../../src/cli/output.ts';
import { labErrorCode } from '../../src/errors.ts';
import { trainerProject } from '../../src/exchange/project/project.ts';
import { yamlOf } from '../../src/exchange/project/yaml.ts';
import type { TrainerForm } from '../../src/exchange/trainer-forms.ts';
import { personas } from '../../src/persona/world.ts';
import type { WrittenFile } from '../../src/policy/file.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { readSafetensors } from '../../src/policy/safetensors.ts';
import { zipEntries } from '../../src/policy/zip.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { objectiveNames } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { presetObjective } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { taskById } from '../../src/tasks/index.ts';
import { importedSource } from '../../src/tasks/sets/imported.ts';
import { usualSplit } from '../../src/tasks/source.ts';
import { answerForms, type AnswerForm } from '../../src/verify/answer-forms.ts';
import { verify, verifyGold } from '../../src/verify/verify.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';
import verlKeys from '../fixtures/verl/keys.json' with { type: 'json' };

let policy: Policy;
beforeAll(async () => {
  policy = await readPolicy(resolve(import.meta.dirname, '../../public/models/permix-tiny'));
});

const small: RunConfig = { ...recipes.permix, steps: 3, promptsPerStep: 4 };
const project = (form: TrainerForm, config = small, more = {}) => trainerProject(form, { config, personas, policy, ...more });

async function text(files: readonly WrittenFile[], name: string): Promise<string> {
  const file = files.find((one) => one.name === name)!;
  const parts: Uint8Array[] = [];
  for await (const part of file.bytes()) parts.push(part);
  return Buffer.concat(parts).toString();
}

interface Row {
  readonly prompt: readonly { readonly role: 'system' | 'user'; readonly content: string }[];
  readonly answer: string;
  readonly rule: string;
}

const rowsOf = async (files: readonly WrittenFile[]) =>
  (await text(files, 'data/train.jsonl'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

const trlSetting = async (config: RunConfig, key: string) =>
  new RegExp(`^${key}: (.*)$`, 'm').exec(await text(project('trl', config).files, 'config.yaml'))?.[1];

describe('a project', () => {
  it('has the questions of the run under its personas, in its order, and its prompts render as the run renders them', async () => {
    const groups = new GroupSource(small, personas, 0).take(12);
    const rows = await rowsOf(project('trl').files);
    expect(rows.map(({ answer }) => answer)).toEqual(groups.map(({ question }) => question.answer));
    for (const [i, { prompt }] of rows.entries()) {
      const [persona] = groups[i]!.personas;
      expect(policy.tokenizer!.chat(prompt, { addGenerationPrompt: true })).toBe(
        renderPrompt(policy.tokenizer!, persona?.text ?? null, groups[i]!.question.text).text,
      );
    }
    expect(rows.some(({ prompt }) => prompt[0]!.role === 'system') && rows.some(({ prompt }) => prompt[0]!.role === 'user')).toBe(true);
  });

  it('asks the questions of a file in the order of the run, compared with their gold answers', async () => {
    const questions = Array.from({ length: 40 }, (_, i) => ({ asked: `What is ${i} + ${i}?`, gold: `${2 * i}` }));
    const sets = { mine: { kind: 'gsm8k' as const, questions } };
    const choice = { id: 'mine', weight: 1, set: { sha256: '0'.repeat(64), questions: 40, kind: 'gsm8k' as const } };
    const config: RunConfig = { ...small, tasks: [choice] };
    const rows = await rowsOf(project('trl', config, { sets }).files);
    const groups = new GroupSource(config, personas, 0, () => true, sets).take(12);
    expect(rows.map(({ answer, rule }) => [answer, rule])).toEqual(groups.map(({ question }) => [question.answer, 'gold']));
    expect(() => project('trl', config)).toThrow(/questions of mine are not here/);
  });

  it('brings the policy, or names it', () => {
    expect(project('trl').files.map(({ name }) => name)).toContain('policy/model.safetensors');
    const named = project('trl', small, { named: 'somebody/tiny' }).files;
    expect(named.some(({ name }) => name.startsWith('policy/'))).toBe(false);
  });

  it('has the hyper-parameters of the run under TRL’s names', async () => {
    const config: RunConfig = {
      ...small,
      groupSize: 4,
      objective: { ...presetObjective('gspo'), innerEpochs: 2 },
      optim: { ...small.optim, microBatchRows: 8, schedule: 'cosine', warmupSteps: 1, learningRate: 1e-7 },
    };
    const wanted = {
      max_steps: '6',
      per_device_train_batch_size: '8',
      gradient_accumulation_steps: '2',
      num_generations: '4',
      num_iterations: '2',
      loss_type: '"grpo"',
      importance_sampling_level: '"sequence"',
      epsilon: '0.0003',
      beta: '0',
      learning_rate: '1.0e-7',
      lr_scheduler_type: '"cosine"',
      warmup_steps: '2',
    };
    for (const [key, value] of Object.entries(wanted)) expect([key, await trlSetting(config, key)]).toEqual([key, value]);
  });

  it.each(objectiveNames.filter((name) => name !== 'sft'))('of %s can be made for both', async (name) => {
    const config = { ...small, objective: presetObjective(name) };
    for (const form of ['trl', 'verl'] as const) expect(await text(project(form, config).files, 'README.md')).toContain('pip install');
  });

  it.each([
    ['trl', { mix: { ...small.mix, draw: 'rollout' as const } }, /persona for each rollout/],
    ['trl', { objective: presetObjective('dapo') }, /dynamic sampling/],
    ['trl', { objective: presetObjective('reinforce') }, /no plain REINFORCE/],
    ['trl', { objective: { ...small.objective, kl: 'k2' as const } }, /not by k2/],
    ['trl', { objective: { ...small.objective, advantage: 'leave-one-out' as const } }, /7\/8 of it/],
    ['trl', { promptsPerStep: 500, steps: 50 }, /ends after step 40 of 50, at 20000 prompts/],
    ['verl', { sampling: { ...small.sampling, minP: 0.1 } }, /no min_p; the run samples with 0.1/],
    ['verl', { objective: presetObjective('rloo') }, /whole reply's/],
    ['verl', { optim: { ...small.optim, schedule: 'linear' as const } }, /no linear schedule/],
    ['verl', { lora: { rank: 4, alpha: 8, layers: [0] } }, /every layer/],
  ] as const)('for %s says what is not carried over: %o', async (form, changes, said) => {
    const { gaps, files } = project(form, { ...small, ...changes } as RunConfig);
    expect(gaps.join('\n')).toMatch(said);
    expect(await text(files, 'README.md')).toMatch(said);
  });

  it('says nothing of what is as in the run', () => {
    expect(project('trl', { ...small, heldOut: { questions: 0, every: 1 } }).gaps).toEqual([]);
  });

  it.each(['sft', 'distill', 'base'] as const)('is not made of a %s run, which learns from no rewards', (recipe) => {
    try {
      project('trl', recipes[recipe]);
      expect.unreachable();
    } catch (error) {
      expect(labErrorCode(error)).toBe('usage');
    }
  });

  it('for verl has no setting that verl does not have', async () => {
    const known = new Set<string>(verlKeys.keys);
    const config = { ...small, objective: { ...presetObjective('dr_grpo'), overlongBuffer: 4 }, lora: { rank: 4, alpha: 8 } };
    const path: string[] = [];
    for (const line of (await text(project('verl', config).files, 'run.yaml')).trim().split('\n')) {
      const [, indent, key] = /^( *)([\w]+):/.exec(line)!;
      path.length = indent!.length / 2;
      path.push(key!);
      if (['hydra', 'defaults'].includes(path[0]!) || path.includes('override_optimizer_config') || path.includes('reward_kwargs'))
        continue;
      expect(known, line).toContain(path.join('.'));
    }
  });
});

it('YAML takes the numbers for numbers', () => {
  expect(yamlOf({ a: 1e-8, b: 1e21, c: 3e-4, d: -2.5e-9, e: [1, 'x'], f: { enable_thinking: false }, g: {}, h: null })).toBe(
    'a: 1.0e-8\nb: 1.0e+21\nc: 0.0003\nd: -2.5e-9\ne: [1, "x"]\nf:\n  enable_thinking: false\ng: {}\nh: null\n',
  );
});

describe('permix export --to trl', () => {
  let at = '';
  const run = (name: string, ...argv: string[]) =>
    commands
      .find((one) => one.name === name)!
      .run(
        new Arguments(
          commands.find((one) => one.name === name)!,
          argv,
        ),
        new Output(false),
      );
  beforeAll(async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    at = await mkdtemp(join(tmpdir(), 'permix-export-'));
    await writeTinyPolicy(join(at, 'base'));
    const settings = { steps: 1, promptsPerStep: 1, groupSize: 2, sampling: { maxNewTokens: 2 }, heldOut: { questions: 0, every: 1 } };
    await writeFile(join(at, 'run.json'), JSON.stringify(settings));
    await run('train', '--config', join(at, 'run.json'), '--model', join(at, 'base'), '--backend', 'cpu', '--out', join(at, 'run'));
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await rm(at, { recursive: true, force: true });
  });

  it.each(['trl', 'verl'])('writes a zip for %s that can be read again, with the base’s weights', async (form) => {
    const file = join(at, `${form}.zip`);
    await run('export', join(at, 'run'), '--to', form, '--out', file);
    const entries = await zipEntries(file, new Blob([await readFile(file)]));
    const weights = entries.find(({ path }) => path.endsWith(`-${form}/policy/model.safetensors`))!;
    const { tensors } = await readSafetensors(await weights.open('weights'));
    const base = await readSafetensors(await diskFile(join(at, 'base', 'model.safetensors')));
    expect([...tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort());
    expect(entries.some(({ path }) => path.endsWith('/requirements.txt'))).toBe(true);
  });

  it('writes nothing where the base is another, into a file with something in it, and for a step', async () => {
    const refused = async (...argv: string[]) => {
      const error: unknown = await run('export', ...argv).then(
        () => null,
        (caught: unknown) => caught,
      );
      return [labErrorCode(error), (error as Error).message];
    };
    await writeTinyPolicy(join(at, 'other'), 9);
    const file = join(at, 'refused.zip');
    const other = await refused(join(at, 'run'), '--to', 'trl', '--model', join(at, 'other'), '--out', file);
    expect(other).toEqual(['usage', expect.stringContaining('other weights than the policy that the run began with')]);
    const step = await refused(join(at, 'run'), '--to', 'trl', '--step', '1', '--out', file);
    expect(step).toEqual(['usage', expect.stringContaining('of the whole run')]);
    expect(existsSync(file)).toBe(false);
    await writeFile(file, 'something');
    expect((await refused(join(at, 'run'), '--to', 'trl', '--out', file))[0]).toBe('usage');
    expect(await readFile(file, 'utf8')).toBe('something');
  });
});

const python = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))']).status === 0;

describe.skipIf(!python)('the reward in Python (skipped where there is no Python 3.10)', () => {
  let at = '';
  beforeAll(async () => {
    at = await mkdtemp(join(tmpdir(), 'permix-project-'));
  });
  afterAll(() => rm(at, { recursive: true, force: true }));

  interface Case {
    readonly completion: string;
    readonly answer: string;
    readonly rule: string;
    readonly task: string;
    readonly opened: string | null;
  }

  async function verdicts(cases: readonly Case[], answers: readonly AnswerForm[]): Promise<number[]> {
    const { files } = project('trl', { ...small, answers });
    for (const name of ['verifier.py', 'settings.json']) await writeFile(join(at, name), await text(files, name));
    const program =
      'import json, sys\nfrom verifier import correct\nprint(json.dumps([correct(c["completion"], c["answer"], c["rule"], c["opened"]) for c in json.load(sys.stdin)]))';
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      cwd: at,
      input: JSON.stringify(cases),
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as number[];
  }

  const judged = ({ completion, answer, task, opened }: Case, answers: readonly AnswerForm[]) =>
    verify(completion, { id: '', task, text: '', answer }, taskById(task), opened, answers).then(({ reward }) => reward);

  const tasks = [
    { task: 'addition', rule: 'integer', answer: '42' },
    { task: 'comparing', rule: 'integer', answer: '1042' },
    { task: 'reverse', rule: 'digits', answer: '3 2 1' },
    { task: 'sort', rule: 'list', answer: '2 10 42' },
    { task: 'countdown', rule: 'countdown', answer: '(3 + 4) * 6' },
  ];
  const atoms = [
    ...[
      '42',
      '-42',
      '+42',
      '41',
      '042',
      '42.0',
      '42.',
      '42.5',
      '1,042',
      '1{,}042',
      '1042',
      '$42',
      '\\$ 42',
      '17+25',
      '\u221242',
      '４２',
      '42 ',
      '',
      '3 2 1',
      '321',
      '3,2,1',
      '1 2 3',
    ],
    ...[
      '2 10 42',
      '2, 10, 42',
      '2,10,42',
      '02 10 42',
      '10 2 42',
      '\\frac{84}{2}',
      '42\\text{ apples}',
      '42 apples',
      '84/2',
      '42\\%',
      '17+25 ',
      '(3+4)*6',
      '6*(4+3)',
      '6 \\times (3+4)',
      '6×(3+4)',
      '7*6',
      '(3+4)6',
      '6*(3+4)/0',
      '3+4*6',
      '\\left(3+4\\right)\\cdot 6',
    ],
  ];
  const around = [
    ...[
      '\\boxed{',
      '\\fbox{',
      '\\boxed ',
      '\\boxed{{',
      '}',
      '}}',
      '\\}',
      '<answer>',
      '</answer>',
      '#### ',
      '####',
      'The answer is ',
      'answer: ',
      '**Answer:** ',
      '.',
      '\n',
      ' ',
      ', ',
      ' and ',
    ],
    ...[
      '<think>',
      '</think>',
      '"<think>"',
      '<THINK>',
      '<|end_of_thought|>',
      '◁think▷',
      '◁/think▷',
      'so ',
      '= ',
      '(C)',
      'x',
      '$',
      '%',
      '-',
      '\u00a0',
      '\u2028',
    ],
  ];
  const some = fc.array(fc.constantFrom(...atoms, ...around), { maxLength: 4 }).map((parts) => parts.join(''));
  const said = fc.tuple(fc.constantFrom('\\boxed{%}', '\\boxed{%}', '<answer>%</answer>', '%'), fc.constantFrom(...atoms));
  const completion = fc
    .tuple(fc.constantFrom('', '', 'so</think>'), some, said, fc.oneof(fc.constant(''), some))
    .map(([before, first, [form, atom], last]) => before + first + form.replace('%', () => atom) + last);
  const oneCase = fc.record({ completion, task: fc.constantFrom(...tasks), opened: fc.constantFrom(null, null, '</think>') });

  it.each<{ answers: AnswerForm[] }>([
    { answers: ['boxed'] },
    { answers: ['boxed', 'answer-tag', 'last-number'] },
    { answers: ['answer-tag', 'boxed'] },
  ])('is the verifier’s own, answers as $answers', async ({ answers }) => {
    const cases = fc.sample(oneCase, { numRuns: 3000, seed: 7 }).map(({ task, ...rest }): Case => ({ ...task, ...rest }));
    const right = tasks.map(({ answer, ...task }): Case => ({ ...task, answer, completion: `\\boxed{${answer}}`, opened: null }));
    const all = [...cases, ...right];
    const theirs = await verdicts(all, answers);
    const ours = await Promise.all(all.map((one) => judged(one, answers)));
    expect(all.filter((_, i) => theirs[i] !== ours[i]).map(({ completion: reply, answer, opened }) => [reply, answer, opened])).toEqual([]);
    expect(ours.reduce((sum, reward) => sum + reward, 0)).toBeGreaterThan(100);
  });

  it('is the verifier’s own where gold answers of a file are numbers', async () => {
    const golds = ['42', '1,234', '-7', '0.5', '1/3', '\\frac{3}{4}', '50\\%', '\\$18', '18.00'];
    const said = [
      ...golds,
      '1234',
      '0.333333',
      '0.3333',
      '2/4',
      '50',
      '0.75',
      '75\\%',
      '18',
      '17+25',
      'x = 42',
      '42 apples',
      '6\\cdot7',
      '84/2',
    ];
    const cases = golds.flatMap((answer) =>
      said.map((one): Case => ({ completion: `\\boxed{${one}}`, answer, rule: 'gold', task: '', opened: null })),
    );
    const theirs = await verdicts(cases, ['boxed']);
    const ours = await Promise.all(cases.map(({ completion: reply, answer }) => verifyGold(reply, answer, null, ['boxed'])));
    expect(cases.filter((_, i) => theirs[i] !== ours[i]!.reward).map(({ completion: reply, answer }) => [reply, answer])).toEqual([]);
  });

  it('makes the target of a file’s countdown from its numbers, each once', async () => {
    const set = { kind: 'countdown' as const, questions: [{ asked: 'Make 23.', gold: '23 from 30, 100, 93' }] };
    const { accepts } = importedSource(
      { ...set, questions: [...set.questions, { asked: 'Make 2.', gold: '2 from 1, 1' }] },
      'x',
      usualSplit,
    );
    const answer = '23 from 30, 100, 93';
    const replies = ['30 + 93 - 100', '93+30-100', '23', '100 - 93 + 30', '(30+93)-100', '30+93-100+0'];
    const cases = replies.map((one): Case => ({ completion: `\\boxed{${one}}`, answer, rule: 'target', task: '', opened: null }));
    const ours = replies.map((one) => Number(accepts!(one, { id: '', task: '', text: '', answer })));
    expect(ours).toContain(1);
    expect(await verdicts(cases, ['boxed'])).toEqual(ours);
  });

  it('knows every form of an answer', async () => {
    const replies: Readonly<Record<AnswerForm, string>> = {
      boxed: '\\boxed{42}',
      'answer-tag': '<answer>42</answer>',
      hashes: 'so\n#### 42',
      'answer-is': 'The final answer is 42 apples.',
      choice: 'x',
      'last-number': '17 + 25 = 42',
    };
    for (const form of answerForms) {
      const one = { task: 'addition', rule: 'integer', answer: '42', completion: replies[form], opened: null };
      expect([form, ...(await verdicts([one], [form]))]).toEqual([form, await judged(one, [form])]);
    }
  });
});
