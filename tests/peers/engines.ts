/**
 * Our engines among themselves on a real policy: its logits, and one batch of RLVR and one of PerMix with LoRA: loss, gradient norm, and what
 * both are after a step of the optimiser. All are held to the portable engine in plain JavaScript, which computes with float32 whatever the
 * file has; where a file is quantised the others compute with float16, and how far that goes is a row of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import { untrained, type BackendName, type EngineName, type PolicyEngine, type TrainBatch } from '../../src/engine/engine.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { memoryTensor, numbersOf } from '../../src/policy/tensor.ts';
import type { PolicyTensors } from '../../src/policy/weights.ts';
import { completionMask, policyBatch } from '../../src/rl/batch.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { constantGroups } from '../../src/rl/groups.ts';
import { objectiveSpec } from '../../src/rl/objectives.ts';
import { PhaseClock } from '../../src/rl/phases.ts';
import { policyDefaults } from '../../src/rl/policy-defaults.ts';
import { recipes, recipeTitles } from '../../src/rl/recipes.ts';
import { sampleStep } from '../../src/rl/sample.ts';
import { suited } from '../../src/rl/suited.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';
import { moved } from './batch.ts';
import { backendOf, contenders } from './contenders.ts';
import { folderOf, isGguf } from './exports.ts';
import type { Row, Skipped } from './main.ts';

const tolerance = 1e-3;
const lora = { rank: 8, alpha: 16, seed: 1 };
/** 2 questions × 2 short replies to short prompts: plain JavaScript needs a second for a token. */
const few = { promptsPerStep: 2, groupSize: 2, lora, library: 'world', noPersona: 'empty' } as const;

interface Task {
  readonly run: RunConfig;
  readonly batch: TrainBatch;
}

interface Pass {
  readonly loss: number;
  readonly gradNorm: number;
  /** After a step of the optimiser: of the same batch. */
  readonly next: { readonly loss: number; readonly logprobs: Float32Array };
}

interface Answers {
  readonly logits: Float32Array;
  readonly passes: readonly Pass[];
}

/** @param path of the policy, a folder or a GGUF file, of which the folder is made */
export async function* engineRows(path: string): AsyncGenerator<Row | Skipped> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  try {
    yield* policyRows('SmolLM2, the folder', await folderOf(path, scratch));
    if (isGguf(path)) yield* policyRows('SmolLM2, the GGUF', resolve(path));
    else yield { skipped: 'engines, the rows of the GGUF of SmolLM2; --smollm2 FILE.gguf has both.' };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function* policyRows(name: string, path: string): AsyncGenerator<Row | Skipped> {
  const policy = await readPolicy(path, { noSystem: few.noPersona });
  const open = (engine: EngineName, backend: BackendName, weights = policy.weights) =>
    createEngine({ config: policy.config, weights, lora, engine, backend, wasmPath });
  const tasks = await using(await open('wasm', 'wasm'), (engine) => drawn(policy, engine));
  const exact = await using(await open('portable', 'cpu'), (engine) => answers(engine, tasks));
  const quantised = [...policy.weights.values()].some(({ format }) => !['f32', 'f16', 'bf16'].includes(format!));
  // Of a quantised file the others are not to be expected to agree as closely with what is not rounded.
  const rounded = quantised
    ? await using(await open('portable', 'wasm', await inFloat16(policy.weights)), (engine) => promptLogits(engine, tasks))
    : null;
  let first: Answers | null = null;
  for await (const contender of contenders()) {
    if (typeof contender !== 'string') {
      yield contender;
      continue;
    }
    const own = await using(await open(contender, backendOf(contender)), (engine) => answers(engine, tasks));
    const of = `${name}, ${contender} engine`;
    const logits = (expected: Float32Array) => ({ of, difference: furthest(own.logits, expected) });
    if (rounded) yield { what: 'logits, from weights in float16', ...logits(rounded), tolerance };
    yield rounded
      ? { what: 'logits, what float16 makes of them', ...logits(exact.logits), tolerance: 0.05 }
      : { what: 'logits', ...logits(exact.logits), tolerance };
    for (const [i, { run }] of tasks.entries()) {
      const title = `${recipeTitles[run.recipe]} with LoRA of ${of}`;
      const pass = own.passes[i]!;
      yield* lossRows(title, pass, exact.passes[i]!);
      const logprobs = ({ passes }: Answers) => ({ of: title, difference: furthest(pass.next.logprobs, passes[i]!.next.logprobs) });
      yield rounded
        ? { what: 'log-probs after a step, what float16 makes of them', ...logprobs(exact), tolerance: 0.02 }
        : { what: 'log-probs after a step', ...logprobs(exact), tolerance };
      if (rounded && first) yield { what: 'log-probs after a step, against the wasm engine', ...logprobs(first), tolerance };
    }
    first ??= own;
  }
}

async function using<T>(engine: PolicyEngine, work: (engine: PolicyEngine) => Promise<T>): Promise<T> {
  try {
    return await work(engine);
  } finally {
    engine.dispose();
  }
}

/** Replies and rewards are the policy's; old and reference log-probs are moved so far that ratios are clipped and the KL is none of 0. */
async function drawn({ config, tokenizer }: Policy, engine: PolicyEngine): Promise<Task[]> {
  const tasks: Task[] = [];
  for (const recipe of ['rlvr', 'permix'] as const) {
    const usual = suited(recipes[recipe], policyDefaults(config));
    // Groups of one reward are drawn again.
    const objective = { ...usual.objective, beta: 0.02, dynamicSampling: 9 };
    const run: RunConfig = { ...usual, ...few, objective, sampling: { ...usual.sampling, maxNewTokens: 8 } };
    const { personas } = libraryOf(run.library);
    const setup = { engine, tokenizer: tokenizer!, eosIds: config.eosIds, personas, config: run, state: initialTrainerState };
    const { rows, rollouts } = await sampleStep(setup, new PhaseClock(), new GroupSource(run, personas, 0), 0);
    const rewards = rows.map(({ reward }) => reward);
    if (constantGroups(rewards, run.groupSize).every(Boolean))
      throw new Error(`${recipe}: ten rounds of questions brought nothing to learn from.`);
    const advantages = await engine.advantages(Float32Array.from(rewards), run.groupSize, run.objective.advantage);
    const mask = completionMask(rollouts, config.eosIds, false);
    const { device: _, ...batch } = policyBatch(rollouts, mask, advantages, moved(rollouts.logprobs, mask, 0.7), run);
    tasks.push({ run, batch: { ...batch, oldLogprobs: moved(rollouts.logprobs, mask, 0.4) } });
  }
  return tasks;
}

/** After the first prompt. */
function promptLogits(engine: PolicyEngine, tasks: readonly Task[]): Promise<Float32Array> {
  const { tokens, promptLengths } = tasks[0]!.batch;
  return engine.logits(tokens.slice(0, promptLengths[0]));
}

async function answers(engine: PolicyEngine, tasks: readonly Task[]): Promise<Answers> {
  const logits = await promptLogits(engine, tasks);
  const passes: Pass[] = [];
  for (const { run, batch } of tasks) {
    await engine.importState(untrained);
    const { loss, gradNorm } = await engine.step(batch, objectiveSpec(run), run.optim);
    const { logprobs } = await engine.score(batch, { temperature: run.sampling.temperature, policy: 'current' });
    passes.push({ loss, gradNorm, next: { loss: lossOf(batch, logprobs, run), logprobs } });
  }
  return { logits, passes };
}

/** A pass without its gradients, which take plain JavaScript twice as long again. */
function lossOf(
  { mask, oldLogprobs, refLogprobs, advantages, rowWeights, rows }: TrainBatch,
  logprobs: Float32Array,
  run: RunConfig,
): number {
  const grid = (values: ArrayLike<number>) => {
    const columns = values.length / rows;
    return Array.from({ length: rows }, (_, row) => Array.from(values).slice(row * columns, (row + 1) * columns));
  };
  return referenceObjective(
    {
      ...{ logprob: grid(logprobs), old: grid(oldLogprobs!), ref: grid(refLogprobs!), mask: grid(mask) },
      ...{ advantage: advantages, rowWeight: rowWeights },
    },
    objectiveSpec(run),
  ).loss;
}

/** The same policy with its matrices in the 16 bits that the fused and the wasm engine give them. */
async function inFloat16(tensors: PolicyTensors): Promise<PolicyTensors> {
  const rounded = new Map(tensors);
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length < 2) continue;
    const numbers = await numbersOf(tensor);
    decode('f16', encode('f16', numbers), numbers);
    rounded.set(name, memoryTensor(name, tensor.shape, numbers));
  }
  return rounded;
}

const furthest = (one: Float32Array, other: Float32Array) => one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);

function* lossRows(of: string, own: Pass, other: Pass): Generator<Row> {
  const both = ({ loss, next }: Pass) => `${loss.toPrecision(6)} → ${next.loss.toPrecision(6)}`;
  yield {
    what: 'loss, before and after a step',
    of,
    difference: Math.max(Math.abs(own.loss - other.loss), Math.abs(own.next.loss - other.next.loss)),
    tolerance,
    said: `${both(own)}, portable ${both(other)}`,
  };
  yield { what: 'gradient norm, of its size', of, difference: Math.abs(own.gradNorm / other.gradNorm - 1), tolerance };
}
