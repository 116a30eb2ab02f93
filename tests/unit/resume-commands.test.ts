/** `permix eval` and `permix judge` with the same --out, `permix train --resume`: what is continued is what was begun, part by part. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { splitOfRun } from '../../src/cli/asking.ts';
import { commands } from '../../src/cli/commands.ts';
import { sealedJson } from '../../src/cli/files.ts';
import { Output } from '../../src/cli/output.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { EvaluationReport } from '../../src/evaluate/report.ts';
import { judgeServer, type JudgeServer } from '../helpers/judge-server.ts';
import { writeTinyPolicy, writeTinyWeights } from '../helpers/tiny-folder.ts';

let scratch = '';
let at = '';
let made = 0;
let judge: JudgeServer;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'permix-resume-'));
  judge = await judgeServer(() => 'Score: 3');
});
afterAll(async () => {
  await judge.close();
  await rm(scratch, { recursive: true, force: true });
});

const personas = ['poet', 'cook'].map((id) => ({ id, text: `You are a ${id}.` }));

/** A folder of its own for every test: a policy, its base, questions, personas. */
beforeEach(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  at = join(scratch, String(made++));
  await writeTinyPolicy(join(at, 'policy'));
  await writeTinyPolicy(join(at, 'base'), 4);
  await writeFile(join(at, 'questions.jsonl'), '{"question":"What is 1+1?","answer":2}\n{"question":"What is 2+2?","answer":4}\n');
  await writeFile(join(at, 'personas.json'), JSON.stringify(personas));
  await writeFile(
    join(at, 'benchmark.json'),
    JSON.stringify({ 'A poet': { 'Expected Action': ['What now?'] }, 'A cook': { 'Expected Action': ['And then?'] } }),
  );
});
afterEach(() => vi.restoreAllMocks());

async function run(name: string, argv: readonly string[]): Promise<void> {
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, argv), new Output(false));
}

const evaluation = (...more: string[]) => {
  const files = ['--model', join(at, 'policy'), '--base', join(at, 'base'), '--personas', join(at, 'personas.json')];
  const asked = ['--data', join(at, 'questions.jsonl'), '--instruction', 'Add.', '--max-new', '2', '--fidelity', '0'];
  return run('eval', [...files, ...asked, '--backend', 'cpu', '--out', join(at, 'out'), ...more]);
};

const judging = (...more: string[]) => {
  const asked = ['--benchmark', join(at, 'benchmark.json'), '--judge', judge.url, '--judge-model', 'one', '--max-new', '2'];
  return run('judge', ['--model', join(at, 'policy'), ...asked, '--backend', 'cpu', '--out', join(at, 'out'), ...more]);
};

async function refusal(work: Promise<void>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe('usage');
  return (error as Error).message;
}

const change = async (file: string, from: string, to: string) => {
  const text = await readFile(join(at, file), 'utf8');
  expect(text).toContain(from);
  await writeFile(join(at, file), text.replace(from, to));
};
const cells = () => readFile(join(at, 'out', 'cells.jsonl'), 'utf8');
const report = async () => JSON.parse(await readFile(join(at, 'out', 'report.json'), 'utf8')) as EvaluationReport;

/** What a folder of a policy can differ in, and how a refusal calls it. */
const policyChanges: readonly [string, (folder: string) => Promise<void>][] = [
  ['the weights', (folder) => writeTinyWeights(join(at, folder), 9)],
  ['config.json', (folder) => change(`${folder}/config.json`, '"rms_norm_eps":0.00001', '"rms_norm_eps":0.001')],
  ['generation_config.json', (folder) => change(`${folder}/generation_config.json`, '0', '[0,1]')],
  ['tokenizer.json', (folder) => change(`${folder}/tokenizer.json`, '"use_regex":false', '"use_regex":true')],
  ['tokenizer_config.json', (folder) => change(`${folder}/tokenizer_config.json`, ':96', ':95')],
  ['the chat template', (folder) => change(`${folder}/tokenizer_config.json`, '<reply>', '<reply> ')],
];

describe('permix eval --out', () => {
  it('continues the same evaluation, and computes nothing twice', async () => {
    await evaluation();
    const [first, kept] = [await report(), await cells()];
    await evaluation();
    expect(await cells()).toBe(kept);
    expect(await report()).toEqual(first);
  });

  it('reads kept replies anew in another order of answers, and names the order', async () => {
    await evaluation();
    const [first, kept] = [await report(), await cells()];
    expect(first.asking).toMatchObject({ noSystem: 'template', systemPlace: 'refuse', instruction: 'Add.', answers: ['boxed', 'hashes'] });
    await evaluation('--answers', 'last-number');
    expect(await cells()).toBe(kept);
    const second = await report();
    expect(second.asking!.answers).toEqual(['last-number']);
    expect(second.notes.join(' ')).toContain('an answer is the last number');
    expect(second.policy.none.unanswered).toBeLessThanOrEqual(first.policy.none.unanswered);
  });

  it('does not continue where no persona is something else', async () => {
    await evaluation();
    const kept = await cells();
    expect(await refusal(evaluation('--no-persona', 'empty'))).toMatch(
      /: what "no persona" is was template, now empty; what "no persona" is of the base was template, now empty\./,
    );
    expect(await cells()).toBe(kept);
  });

  it.each(policyChanges)('does not continue when %s changed', async (part, make) => {
    await evaluation();
    const kept = await cells();
    await make('policy');
    expect(await refusal(evaluation())).toMatch(
      new RegExp(`began with something else: ${part.replace('.', '\\.')} (was|were) \\w+…, now \\w+…\\.`),
    );
    // Replies of two policies are never mixed.
    expect(await refusal(evaluation('--accept', 'weights,config,generation-config,tokenizer,tokenizer-config,template'))).toMatch(part);
    expect(await cells()).toBe(kept);
  });

  it('names what changed in the base', async () => {
    await evaluation();
    await change('base/tokenizer_config.json', '<reply>', '<reply> ');
    expect(await refusal(evaluation())).toMatch(/: the chat template of the base was/);
    await rm(join(at, 'out'), { recursive: true });
    await evaluation();
    await writeTinyWeights(join(at, 'base'), 10);
    expect(await refusal(evaluation())).toMatch(/: the weights of the base were/);
  });

  it('names changed personas, questions and settings', async () => {
    await evaluation();
    await writeFile(join(at, 'personas.json'), JSON.stringify([{ ...personas[0], text: 'You are a bard.' }, personas[1]]));
    expect(await refusal(evaluation())).toMatch(/: the personas were \w+…, now/);
    await writeFile(join(at, 'personas.json'), JSON.stringify(personas));
    await change('questions.jsonl', '"answer":4', '"answer":5');
    expect(await refusal(evaluation())).toMatch(/: the questions were \w+…, now/);
    await change('questions.jsonl', '"answer":5', '"answer":4');
    expect(await refusal(evaluation('--temperature', '0.5'))).toMatch(/: the setting temperature was 1, now 0\.5\. Go back/);
    await evaluation();
  });

  it('may be renamed and moved', async () => {
    await evaluation();
    const kept = await cells();
    const moved = at;
    at = join(scratch, `${made++}`);
    await cp(moved, at, { recursive: true });
    await rm(moved, { recursive: true });
    await evaluation();
    expect(await cells()).toBe(kept);
  });

  it('goes on with another backend where that is accepted, and its report says so', async () => {
    await evaluation();
    const portable = ['--engine', 'portable', '--backend', 'wasm'];
    expect(await refusal(evaluation(...portable))).toMatch(/: the backend was cpu, now wasm\. .* add --accept backend to take over/);
    await evaluation(...portable, '--accept', 'backend');
    expect((await report()).notes.join('\n')).toMatch(/Continued with something else at \d+ cells: the backend was cpu, now wasm\./);
    await evaluation(...portable);
    expect((await report()).notes.join('\n')).toMatch(/the backend was cpu, now wasm/);
  });
});

describe('permix judge --out', () => {
  it('continues the same judging, asking nobody anything', async () => {
    await judging();
    const asked = judge.asked.length;
    await judging();
    expect(judge.asked.length).toBe(asked);
  });

  it.each(policyChanges)('does not continue when %s changed', async (part, make) => {
    await judging();
    await make('policy');
    expect(await refusal(judging())).toMatch(new RegExp(`began with something else: ${part.replace('.', '\\.')} (was|were)`));
  });

  it('does not continue with another judge, benchmark or temperature', async () => {
    await judging();
    expect(await refusal(judging('--judge-model', 'two'))).toMatch(/: the model that judges was one, now two\. Go back/);
    expect(await refusal(judging('--judge', judge.url.replace('127.0.0.1', 'localhost')))).toMatch(/: the address of the judge was/);
    expect(await refusal(judging('--temperature', '0.5'))).toMatch(/: the setting temperature was 0\.9, now 0\.5/);
    await change('benchmark.json', 'What now?', 'What then?');
    expect(await refusal(judging())).toMatch(/: the questions were/);
    expect(await refusal(judging('--accept', 'questions'))).toMatch(/: the questions were/);
  });
});

const small = {
  tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
  promptsPerStep: 1,
  groupSize: 2,
  sampling: { maxNewTokens: 2 },
};

describe('permix train --resume', () => {
  const training = (...more: string[]) => run('train', ['--out', join(at, 'out'), ...more]);
  const begin = async () => {
    await writeFile(join(at, 'small.json'), JSON.stringify({ recipe: 'rlvr', steps: 1, objective: { beta: 0.1, kl: 'k3' }, ...small }));
    await training('--config', join(at, 'small.json'), '--model', join(at, 'policy'), '--backend', 'cpu');
  };
  const metrics = () => readFile(join(at, 'out', 'metrics.jsonl'), 'utf8');

  it('leaves what its split was for whoever evaluates it', async () => {
    await writeFile(join(at, 'questions.jsonl'), '{"question":"1+1","answer":2}\n{"question":"2+2","answer":4}\n');
    await writeFile(
      join(at, 'small.json'),
      JSON.stringify({ recipe: 'rlvr', steps: 1, ...small, instruction: '', answers: ['last-number'] }),
    );
    const own = ['--questions', join(at, 'questions.jsonl'), '--question-split', '0.5:7'];
    await training('--config', join(at, 'small.json'), '--model', join(at, 'policy'), '--backend', 'cpu', ...own);
    const sha256 = createHash('sha256').update(await readFile(join(at, 'questions.jsonl'))).digest('hex'); // prettier-ignore
    expect(await splitOfRun(join(at, 'out', 'policy'), sha256)).toEqual({ share: 0.5, seed: 7 });
    expect(await splitOfRun(join(at, 'out', 'policy'), '0'.repeat(64))).toBe(null);
    expect(await splitOfRun(join(at, 'policy'), sha256)).toBe(null);
  });

  it('finds a GGUF file under another name, and not another one', async () => {
    const [file, other] = ['x.gguf', 'y.gguf'].map((name) => join(at, name)) as [string, string];
    await cp('tests/fixtures/gguf/llama.gguf', file);
    await writeFile(join(at, 'small.json'), JSON.stringify({ recipe: 'rlvr', steps: 1, ...small }));
    await training('--config', join(at, 'small.json'), '--model', file, '--backend', 'cpu');
    await rm(file);
    await cp('tests/fixtures/gguf/qwen3.gguf', other);
    expect(await refusal(training('--resume', '--steps', '2'))).toMatch(
      /is no longer in .*x\.gguf\. Say where it is now: --model FILE\.gguf/,
    );
    await cp('tests/fixtures/gguf/llama.gguf', other);
    await training('--resume', '--steps', '2');
    expect((await metrics()).trim().split('\n')).toHaveLength(2);
  });

  it.runIf(process.platform === 'linux')('leaves no folder behind where the machine has no room for the run', async () => {
    // Enough for the policy, and for no row of it.
    const free = vi.spyOn(process, 'availableMemory').mockReturnValue(12 * 2 ** 20);
    try {
      const refused = training('--recipe', 'rlvr', '--model', 'public/models/permix-tiny', '--engine', 'wasm');
      await expect(refused).rejects.toThrow(/needs about \d+ MiB to .* this machine has 12 MiB free\. Use /);
    } finally {
      free.mockRestore();
    }
    expect(existsSync(join(at, 'out'))).toBe(false);
  });

  it('goes on where nothing changed, to another length too', async () => {
    await begin();
    await training('--resume', '--steps', '2');
    expect((await metrics()).trim().split('\n')).toHaveLength(2);
  });

  it.each(policyChanges)('does not go on when %s of its base changed', async (part, make) => {
    await begin();
    const before = await metrics();
    await make('policy');
    const sentence = await refusal(training('--resume', '--steps', '2'));
    expect(sentence).toMatch(new RegExp(`${part.replace('.', '\\.')} (was|were) \\w+…, now \\w+…|base policy`));
    expect(await metrics()).toBe(before);
  });

  it('goes on with another template where that is accepted', async () => {
    await begin();
    await change('policy/tokenizer_config.json', '<reply>', '<reply>1');
    expect(await refusal(training('--resume', '--steps', '2'))).toMatch(/the chat template was .* add --accept template to take over/);
    await training('--resume', '--steps', '2', '--accept', 'template');
    await training('--resume', '--steps', '3');
    expect((await metrics()).trim().split('\n')).toHaveLength(3);
  });

  it('does not go on with other rewards, be they given or written into its folder', async () => {
    const rewards = (weight: number) => [
      { name: 'correct', weight: 1 },
      { name: 'format', weight },
    ];
    const settings = (weight: number) => JSON.stringify({ recipe: 'rlvr', steps: 1, rewards: rewards(weight), ...small });
    await writeFile(join(at, 'small.json'), settings(0.5));
    await writeFile(join(at, 'other.json'), settings(0.25));
    await training('--config', join(at, 'small.json'), '--model', join(at, 'policy'), '--backend', 'cpu');
    const before = await metrics();
    expect(await refusal(training('--resume', '--steps', '2', '--config', join(at, 'other.json')))).toMatch(
      /A resumed run keeps its own configuration; leave out --config\. .*--from/,
    );
    const file = join(at, 'out', 'run.json');
    const stored = await readFile(file, 'utf8');
    const { seal: _, ...content } = JSON.parse(stored) as { seal: string; config: { rewards: unknown } };
    content.config.rewards = rewards(0.25);
    await writeFile(file, await sealedJson(content));
    expect(await refusal(training('--resume', '--steps', '2'))).toMatch(/the setting rewards was .*0\.5.*, now .*0\.25/);
    expect(await metrics()).toBe(before);
    await writeFile(file, stored);
    await training('--resume', '--steps', '2');
    const lines = (await metrics()).trim().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toContain('"rewards/format/mean"');
  });

  it('does not go on with another backend unless that is accepted', async () => {
    await begin();
    const file = join(at, 'out', 'run.json');
    const stored = await readFile(file, 'utf8');
    const { seal: _, ...content } = JSON.parse(stored) as { seal: string; origin: { identity: Record<string, string> } };
    content.origin.identity['backend'] = 'wasm';
    await writeFile(file, await sealedJson(content));
    expect(await refusal(training('--resume', '--steps', '2', '--backend', 'cpu'))).toMatch(
      /the backend was wasm, now cpu\. .* add --accept backend/,
    );
    await training('--resume', '--steps', '2', '--backend', 'cpu', '--accept', 'backend');
    expect(await readFile(file, 'utf8')).toMatch(/"takenOver": \[\s+\{\s+"part": "backend"/);
  });

  it('does not go on with another teacher, and learns from the one it began with wherever it went', async () => {
    await writeTinyPolicy(join(at, 'teacher'), 7);
    await writeFile(join(at, 'small.json'), JSON.stringify({ recipe: 'distill', steps: 1, ...small }));
    await training('--config', join(at, 'small.json'), '--model', join(at, 'policy'), '--teacher', join(at, 'teacher'), '--backend', 'cpu');
    const before = await metrics();
    await writeTinyWeights(join(at, 'teacher'), 8);
    const sentence = await refusal(training('--resume', '--steps', '2'));
    expect(sentence).toMatch(/teacher/);
    await refusal(training('--resume', '--steps', '2', '--accept', 'teacher.weights'));
    expect(await metrics()).toBe(before);
    await rm(join(at, 'teacher'), { recursive: true });
    await writeTinyPolicy(join(at, 'elsewhere'), 7);
    await training('--resume', '--steps', '2', '--teacher', join(at, 'elsewhere'));
    expect((await metrics()).trim().split('\n')).toHaveLength(2);
  });
});

describe('permix train --from', () => {
  it('computes as its origin did unless the reader names something else', async () => {
    await writeFile(join(at, 'small.json'), JSON.stringify({ recipe: 'rlvr', steps: 1, ...small }));
    const begin = ['--config', join(at, 'small.json'), '--model', join(at, 'policy')];
    await run('train', [...begin, '--backend', 'cpu', '--out', join(at, 'origin')]);
    const engineOf = async (folder: string) =>
      (JSON.parse(await readFile(join(at, folder, 'run.json'), 'utf8')) as { engine: { backend: string } }).engine.backend;
    const fork = (out: string, ...more: string[]) =>
      run('train', ['--from', join(at, 'origin'), '--steps', '2', '--out', join(at, out), ...more]);
    await fork('same');
    expect(await engineOf('same')).toBe('cpu');
    await fork('other', '--backend', 'wasm');
    expect(await engineOf('other')).toBe('wasm');
  });
});
