/**
 * A project that `permix export --to trl` writes, unzipped: TRL trains permix-tiny from it for two steps on the CPU. Once over the completions that
 * our trainer drew, step by step, so that prompts, rewards, advantages, losses and gradients can be laid beside ours; once as its README says,
 * with completions of TRL's own. What is not compared: how the two draw.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { run } from '../../scripts/install.mjs';
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import { personas } from '../../src/persona/world.ts';
import { zipEntries } from '../../src/policy/zip.ts';
import { completionMask, completionOf, policyBatch } from '../../src/rl/batch.ts';
import { parseRunConfig } from '../../src/rl/check.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { objectiveSpec } from '../../src/rl/objectives.ts';
import { PhaseClock } from '../../src/rl/phases.ts';
import { sampleStep } from '../../src/rl/sample.ts';
import { optimAt } from '../../src/rl/schedule.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { mean, sampleStd } from '../../src/statistics/moments.ts';
import { verify, verifyGold } from '../../src/verify/verify.ts';
import { taskById } from '../../src/tasks/index.ts';
import type { Row } from './main.ts';
import { bundled } from './policies.ts';
import type { Python } from './python.ts';
import { verdictPairs } from './verdict-pairs.ts';
import { known } from './verdicts.ts';

const steps = 2;

/** What a run may ask of TRL, two of them: the recipe as it is, and token means with longer replies punished. */
const runs: readonly { readonly of: string; readonly settings: object }[] = [
  { of: 'PerMix', settings: {} },
  {
    of: 'PerMix by DAPO, soft overlong, three rewards',
    settings: {
      objective: { name: 'dapo', dynamicSampling: 0, overlongBuffer: 12, beta: 0.02, kl: 'k3' },
      mix: { noneShare: 0.25 },
      rewards: [
        { name: 'correct', weight: 1 },
        { name: 'format', weight: 0.1 },
        { name: 'max_words', weight: 0.2, most: 6 },
      ],
    },
  },
];

interface Theirs {
  readonly loss: number;
  readonly gradientNorm: number;
  readonly reward: number;
  readonly prompts: readonly (readonly number[])[];
  readonly rewards: readonly number[];
  readonly advantages: readonly number[];
}

interface Ours extends Theirs {
  readonly completions: readonly (readonly number[])[];
}

export async function* projectRowsOf(peer: Python): AsyncGenerator<Row> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  try {
    for (const [index, { of, settings }] of runs.entries()) {
      const at = (name: string) => join(scratch, `${index}-${name}`);
      const said = { recipe: 'permix', steps, heldOut: { questions: 0, every: 1 }, ...settings };
      writeFileSync(at('run.json'), JSON.stringify(said));
      await permix('train', '--config', at('run.json'), '--model', bundled, '--backend', 'wasm', '--out', at('run'));
      await permix('export', at('run'), '--to', 'trl', '--out', at('project.zip'));
      const folder = await unzipped(at('project.zip'), at('project'));
      const ours = await ownSteps(parseRunConfig(said));
      const completions = ours.map((step) => step.completions);
      const theirs = await peer.ask<readonly Theirs[]>('project', { folder, completions, out: at('forced'), threads });
      yield* beside(`project of ${of}, ${ours[0]!.rewards.length} rollouts`, ours, theirs);
      if (index > 0) continue;
      yield* readmeRow(await peer.ask<readonly number[]>('readme', { folder, steps, out: at('trained') }), ours);
      yield* verdictRow(peer, folder);
      yield* goldRow(peer, folder);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const permix = async (...args: string[]) => {
  const code = await run(process.execPath, ['scripts/permix.mjs', ...args], { stdio: ['ignore', 'ignore', 2] });
  if (code !== 0) throw new Error(`permix ${args.join(' ')} failed.`);
};

/** @returns the folder that all of it lies in */
async function unzipped(zip: string, to: string): Promise<string> {
  const files = await zipEntries(zip, new Blob([await readFile(zip)]));
  for (const { path, open } of files) {
    const file = await open(path);
    await mkdir(dirname(join(to, path)), { recursive: true });
    await writeFile(join(to, path), await file.read(0, file.size));
  }
  return join(to, files[0]!.path.split('/')[0]!);
}

/** Our trainer's steps, with what a report leaves out. */
async function ownSteps(config: RunConfig): Promise<readonly Ours[]> {
  const policy = await readPolicy(bundled);
  const { eosIds } = policy.config;
  const engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm', wasmPath });
  await engine.setReference();
  const source = new GroupSource(config, personas, 0);
  const setup = { engine, tokenizer: policy.tokenizer!, eosIds, personas, config, state: initialTrainerState };
  const out: Ours[] = [];
  for (let step = 0; step < steps; step++) {
    const { rows, rollouts } = await sampleStep(setup, new PhaseClock(), source, step);
    const mask = completionMask(rollouts, eosIds, config.objective.maskTruncated);
    const { logprobs } = await engine.score(rollouts, { temperature: config.sampling.temperature, policy: 'reference' });
    const rewards = rows.map(({ reward }) => reward);
    const advantages = await engine.advantages(Float32Array.from(rewards), config.groupSize, config.objective.advantage);
    const update = await engine.step(
      policyBatch(rollouts, mask, advantages, logprobs, config),
      objectiveSpec(config),
      optimAt(config, step),
    );
    out.push({
      loss: update.loss,
      gradientNorm: update.gradNorm,
      reward: mean(rewards),
      rewards,
      advantages: [...advantages],
      prompts: rows.map(({ prompt }) => [...prompt.tokens]),
      completions: rows.map((_, row) => [...completionOf(rollouts, row)]),
    });
  }
  engine.dispose();
  return out;
}

function* beside(of: string, ours: readonly Ours[], theirs: readonly Theirs[]): Generator<Row> {
  const apart = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) : NaN;
  for (const [step, own] of ours.entries()) {
    const other = theirs[step]!;
    const which = `${of}, step ${step + 1}`;
    const values = (one: number, two: number) => `${one.toPrecision(6)} here, ${two.toPrecision(6)} there`;
    const asked = own.prompts.filter((prompt, row) => prompt.join() !== other.prompts[row]?.join()).length;
    yield { what: 'prompts whose tokens differ', of: which, difference: asked, tolerance: 0 };
    yield { what: 'rewards', of: which, difference: apart(own.rewards, other.rewards), tolerance: 1e-6 };
    yield { what: 'advantages', of: which, difference: apart(own.advantages, other.advantages), tolerance: 1e-5 };
    const [one, two] = [own.loss, other.loss];
    yield { what: 'loss', of: which, difference: Math.abs(one - two), tolerance: 1e-5, said: values(one, two) };
    const [mine, its] = [own.gradientNorm, other.gradientNorm];
    yield { what: 'gradient norm', of: which, difference: Math.abs(mine / its - 1), tolerance: 1e-3, said: values(mine, its) };
  }
}

/** Two means of as many rollouts of the same questions; the draws are each side's own. */
function* readmeRow(theirs: readonly number[], ours: readonly Ours[]): Generator<Row> {
  if (theirs.length !== steps) throw new Error(`TRL took ${theirs.length} steps, not ${steps}.`);
  const { rewards, reward } = ours[0]!;
  const error = Math.SQRT2 * (sampleStd(rewards) / Math.sqrt(rewards.length));
  const said = `${reward.toFixed(3)} here, ${theirs[0]!.toFixed(3)} there`;
  const of = 'project of PerMix, the README’s command, step 1 of 2';
  yield { what: 'mean reward', of, difference: Math.abs(reward - theirs[0]!), tolerance: 4 * error, said };
}

/** Boxes that say the same in other words, or nearly. */
async function* verdictRow(peer: Python, folder: string): AsyncGenerator<Row> {
  const boxes = ['42', '42.0', '\\frac{84}{2}', '42\\text{ apples}', '17+25', '41', '\\frac{42}{1}', '4.2\\times10', '42\\%', '042'];
  const cases = boxes.flatMap((one) => boxes.map((other) => `\\boxed{${one}} so \\boxed{${other}}`));
  const completions = [...cases, ...boxes.map((one) => `\\boxed{${one}}`)];
  const ask = completions.map((completion) => ({ completion, answer: '42', rule: 'integer', opened: '' }));
  const theirs = await peer.ask<readonly number[]>('judged', { folder, cases: ask });
  const question = { id: '', task: 'addition', text: '', answer: '42' };
  const ours = await Promise.all(completions.map((completion) => verify(completion, question, taskById('addition'))));
  const differing = completions.filter((_, i) => ours[i]!.reward !== theirs[i]);
  for (const completion of differing) console.error(`  judged otherwise: ${completion}`);
  yield {
    what: 'verdicts that differ',
    of: `project, ${completions.length} replies with boxes in other words`,
    difference: differing.length,
    tolerance: 0,
  };
}

/** Answers to imported questions, which the project has Math-Verify compare where they are no numbers. */
async function* goldRow(peer: Python, folder: string): AsyncGenerator<Row> {
  const pairs = verdictPairs(2, 1000);
  const cases = pairs.map(({ gold, answer }) => ({ completion: `\\boxed{${answer}}`, answer: gold, rule: 'gold', opened: '' }));
  const theirs = await peer.ask<readonly number[]>('judged', { folder, cases });
  const ours = await Promise.all(cases.map(({ completion, answer }) => verifyGold(completion, answer)));
  const differing = pairs
    .map((pair, i) => ({ ...pair, ours: ours[i]?.correct ?? null, theirs: theirs[i] === 1 }))
    .filter((one) => one.ours !== one.theirs);
  const unknown = differing.filter((one) => !known(one));
  for (const { gold, answer, ours: right, how } of unknown)
    console.error(`  right only ${right ? 'here' : 'there'} (${how}): ${gold}   ${answer}`);
  const of = `project, ${pairs.length} pairs, of which ${differing.length - unknown.length} differ with one`;
  yield { what: 'verdicts that differ without a reason', of, difference: unknown.length, tolerance: 0 };
}
