/**
 * Mutated files through whole commands: each is done or refused in a sentence, never for long, and what lies under a seal is never taken for
 * something else. Seeded; FUZZ=3000 makes it as many. Readers alone, many more of them, are in fuzz-files.test.ts.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parameterShapes } from '../../src/policy/config.ts';
import { writeSafetensors } from '../../src/policy/safetensors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { mutated } from '../helpers/mutate.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';
import { tinyConfig, tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

const times = Number(process.env['FUZZ'] ?? 16);
let scratch = '';
let seeds = '';

async function run(name: string, ...argv: string[]): Promise<void> {
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, argv), new Output(false));
}

const evaluation = (at: string) => {
  const files = ['--model', join(at, 'policy'), '--personas', join(at, 'personas.json'), '--data', join(at, 'questions.jsonl')];
  const asked = ['--instruction', 'Add.', '--max-new', '2', '--problems', '2', '--fidelity', '0', '--backend', 'cpu'];
  return run('eval', ...files, ...asked, '--out', join(at, 'out'));
};
const resuming = (at: string) => run('train', '--out', join(at, 'run'), '--resume', '--steps', '3', '--backend', 'cpu');
const forking = (at: string) => run('train', '--from', join(at, 'run'), '--config', join(at, 'fork.json'), '--out', join(at, 'fork'));
const judging = (at: string) => {
  const judge = ['--judge', 'http://127.0.0.1:9/v1', '--judge-model', 'm', '--max-new', '2', '--backend', 'cpu'];
  return run('judge', '--model', join(at, 'policy'), '--benchmark', join(at, 'benchmark.json'), ...judge);
};

/** In shards, with every companion file a policy may have. */
async function writeShardedPolicy(folder: string): Promise<void> {
  await writeTinyPolicy(folder);
  const weights = initialWeights(tinyConfig, 3);
  const tensors = parameterShapes(tinyConfig).map(({ name, shape }) => ({ name, shape: [...shape], data: weights[name]! }));
  const shardOf = (i: number) => `model-0000${(i % 2) + 1}-of-00002.safetensors`;
  for (const shard of [shardOf(0), shardOf(1)]) {
    const own = tensors.filter((_, i) => shardOf(i) === shard);
    await writeFile(join(folder, shard), writeSafetensors(own, { format: 'pt' }));
  }
  await rm(join(folder, 'model.safetensors'));
  const json = (name: string, content: object) => writeFile(join(folder, name), JSON.stringify(content));
  await json('model.safetensors.index.json', {
    metadata: {},
    weight_map: Object.fromEntries(tensors.map(({ name }, i) => [name, shardOf(i)])),
  });
  const { chat_template: template, ...settings } = tinyTokenizerFiles.config as Record<string, unknown>;
  await json('tokenizer_config.json', settings);
  await json('special_tokens_map.json', settings['eos_token'] === undefined ? {} : { eos_token: settings['eos_token'] });
  await writeFile(join(folder, 'chat_template.jinja'), template as string);
}

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  scratch = await mkdtemp(join(tmpdir(), 'permix-fuzz-'));
  seeds = join(scratch, 'seeds');
  await writeShardedPolicy(join(seeds, 'policy'));
  const json = (name: string, content: unknown) => writeFile(join(seeds, name), JSON.stringify(content));
  await json('personas.json', [
    { id: 'poet', text: 'You are a poet.', kind: 'expert' },
    { id: 'cook', name: 'Cook', text: 'You are a cook.' },
  ]);
  await writeFile(
    join(seeds, 'questions.jsonl'),
    '{"question":"What is 1+1?","answer":2}\n{"problem":"What is 2+2?","solution":"#### 4"}\n',
  );
  await json('benchmark.json', { 'A poet': { Toxicity: ['What now?'] }, 'A cook': { 'Expected Action': ['And then?'] } });
  await json('fork.json', { optim: { learningRate: 0.0001 }, steps: 3 });
  await json('train.json', {
    recipe: 'rlvr',
    steps: 2,
    promptsPerStep: 1,
    groupSize: 2,
    checkpointEvery: 1,
    sampling: { maxNewTokens: 2 },
  });
  await run(
    'train',
    '--model',
    join(seeds, 'policy'),
    '--config',
    join(seeds, 'train.json'),
    '--out',
    join(seeds, 'run'),
    '--backend',
    'cpu',
  );
  await evaluation(seeds);
}, 120_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(scratch, { recursive: true, force: true });
});

/** What a command leaves that no damage under a seal may change: all but times. */
const numbers = async (at: string, names: readonly string[]) =>
  Promise.all(
    names.map(
      async (name) =>
        [
          name,
          (await readFile(join(at, name), 'latin1')).replace(/"(step_time|tokens_per_second|timing_s\/\w+|seal)":[^,}]+/g, ''),
        ] as const,
    ),
  );

interface Attack {
  /** Of the folder's files. */
  readonly on: RegExp;
  readonly by: (at: string) => Promise<void>;
  /** What of its files then holds what it holds without the attack; where it is done at all. */
  readonly same?: readonly string[];
}

const attacks: readonly Attack[] = [
  { on: /^policy\/[^-]*$|^policy\/model-/, by: evaluation },
  { on: /^policy\//, by: resuming },
  { on: /^(personas\.json|questions\.jsonl)$/, by: evaluation },
  { on: /^out\/(evaluation\.json|cells\.jsonl)$/, by: evaluation, same: ['out/report.json'] },
  {
    on: /^run\/(run\.json|metrics\.jsonl|checkpoints\/)/,
    by: resuming,
    same: ['run/metrics.jsonl', 'run/checkpoints/step-3', 'run/policy/model.safetensors'],
  },
  { on: /^run\/(run\.json|checkpoints\/|metrics\.jsonl)/, by: forking },
  { on: /^fork\.json$/, by: forking },
  { on: /^benchmark\.json$/, by: judging },
];

it(
  `${times} mutated files are worked with or refused in a sentence`,
  async () => {
    const all = (await readdir(seeds, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(seeds, join(entry.parentPath, entry.name)))
      .sort();
    const wanted = new Map<Attack, unknown>();
    for (let i = 0; i < times; i++) {
      const draw = new Stream(13, Purpose.evaluation, i, 9);
      const attack = attacks[i % attacks.length]!;
      // Of one name, which is in the reports.
      const at = join(scratch, String(i), 'case');
      if (attack.same && !wanted.has(attack)) {
        const clean = join(scratch, 'clean', 'case');
        await cp(seeds, clean, { recursive: true });
        await attack.by(clean);
        wanted.set(attack, await numbers(clean, attack.same));
        await rm(clean, { recursive: true });
      }
      await cp(seeds, at, { recursive: true });
      const targets = all.filter((name) => attack.on.test(name));
      const name = targets[Math.floor(draw.uniform() * targets.length)]!;
      const whole = new Uint8Array(await readFile(join(at, name)));
      if (draw.uniform() < 0.03) {
        await rm(join(at, name));
        await mkdir(join(at, name));
      } else await writeFile(join(at, name), mutated(whole, draw));
      const began = process.cpuUsage();
      try {
        await attack.by(at);
        if (attack.same) expect(await numbers(at, attack.same), `file ${i}, ${name}`).toEqual(wanted.get(attack));
      } catch (error) {
        expect(labErrorCode(error), `file ${i}, ${name}: ${String((error as Error).stack)}`).not.toBeNull();
      }
      const { user, system } = process.cpuUsage(began);
      expect((user + system) / 1e6, `file ${i}, ${name}`).toBeLessThan(10);
      await rm(at, { recursive: true });
    }
  },
  60_000 + 10_000 * times,
);
