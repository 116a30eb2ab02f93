/**
 * What the wasm engine takes for a policy of SmolLM2-135M's shape (random weights in bfloat16): a token of one row and of 32 on one thread, and a LoRA
 * step of 4 questions × 8 replies of 32 tokens, and one of 4 × 4 replies of 120, on all of them, rollouts and update. Rewards are drawn, so that every
 * token teaches.
 */
import { resolve } from 'node:path';
import { startsThreads } from '../../src/cli/start-thread.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { GenerateRequest, PolicyEngine, Rollouts, TrainBatch } from '../../src/engine/engine.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { threadsFor } from '../../src/engine/parallel/cores.ts';
import { realPolicies } from '../../src/benchmark/real-policies.ts';
import { randomTensors } from './real-policy.ts';
import { objective, optim, request } from '../../src/benchmark/workload.ts';

export const startThread = startsThreads(resolve(import.meta.dirname, '../../dist-cli/engine-thread.js'));

const policy = 'SmolLM2-135M';
/** About what a sum and a persona are in its chat template. */
const promptWidth = 60;
const replyWidth = 32;
/** Of prompts and replies of a long step. */
const longWidth = 120;

export interface HostPolicy {
  /** Seconds of a token of one row, and of 32, on one thread. */
  readonly decode: readonly [one: number, many: number];
  /** Seconds of a step on all threads. */
  readonly step: number;
  /** The same of long texts, and bytes of this process at its peak above what it had before. */
  readonly long: { readonly seconds: number; readonly bytes: number };
  readonly threads: number;
}

export async function measureHostPolicy(): Promise<HostPolicy> {
  const { config } = realPolicies[policy];
  const weights = new Map(randomTensors(config).map((tensor) => [tensor.name, tensor]));
  const lora = { rank: 16, alpha: 32, seed: 1 };
  const create = (threads: number) =>
    createEngine({ config, weights, engine: 'wasm', backend: 'wasm', lora, threads, ...(startThread ? { startThread } : {}) });
  const threads = startThread ? threadsFor() : 1;
  const long = await longStep(() => create(threads), config);
  const alone = await create(1);
  const four = request(config, 32, promptWidth, replyWidth);
  const one = { ...four, prompts: four.prompts.slice(0, 1), repeats: 1 };
  const many = { ...four, prompts: four.prompts.slice(0, 4), repeats: 8 };
  const decode = [await secondsOfToken(alone, one), await secondsOfToken(alone, many)] as const;
  alone.dispose();
  const engine = await create(threads);
  const step = await secondsOfStep(engine, { ...many, forStep: true });
  engine.dispose();
  return { decode, step, long, threads };
}

async function secondsOfStep(engine: PolicyEngine, wanted: GenerateRequest): Promise<number> {
  const start = performance.now();
  const rollouts = await engine.generate(wanted);
  await engine.step(drawnRewards(rollouts), objective, { ...optim, microBatchRows: 0 });
  return (performance.now() - start) / 1000;
}

/** A step of 4 questions × 4 replies, and what the process takes for it, threads and weights included. */
async function longStep(create: () => Promise<PolicyEngine>, config: PolicyConfig): Promise<HostPolicy['long']> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = () => void (peak = Math.max(peak, process.memoryUsage.rss()));
  const looking = setInterval(look, 5);
  try {
    const engine = await create();
    const four = request(config, 16, longWidth, longWidth);
    const seconds = await secondsOfStep(engine, { ...four, prompts: four.prompts.slice(0, 4), repeats: 4, forStep: true });
    look();
    engine.dispose();
    return { seconds, bytes: peak - before };
  } finally {
    clearInterval(looking);
  }
}

/** Reading the prompts does not count. */
async function secondsOfToken(engine: PolicyEngine, wanted: GenerateRequest): Promise<number> {
  const seconds = async (maxNewTokens: number) => {
    const start = performance.now();
    await engine.generate({ ...wanted, sampling: { ...wanted.sampling, maxNewTokens } });
    return (performance.now() - start) / 1000;
  };
  await seconds(2);
  const [few, more] = [await seconds(1), await seconds(13)];
  return (more - few) / 12;
}

function drawnRewards(rollouts: Rollouts): TrainBatch {
  const { rows, completionWidth } = rollouts;
  const cells = rows * completionWidth;
  return {
    ...rollouts,
    mask: new Uint8Array(cells).fill(1),
    advantages: Float32Array.from({ length: rows }, (_, row) => (row % 2 ? 1 : -1)),
    rowWeights: new Float32Array(rows).fill(1 / cells),
    oldLogprobs: null,
    refLogprobs: null,
  };
}
