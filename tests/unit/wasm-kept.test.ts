/**
 * What a generation computed is not computed again by the step that trains on it, and the step is the same, bit for bit: for every family, with all
 * parameters and with adapters, on one thread and on two, and where the rows are others, the policy is, or memory is short.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PolicyEngine, Rollouts, Sampling, TrainBatch } from '../../src/engine/engine.ts';
import { WasmMemory } from '../../src/engine/wasm/memory-plan.ts';
import type { LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { createEngine } from '../helpers/engine.ts';
import { variants } from '../helpers/engine-suite.ts';
import { forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { integers } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { testThreads } from '../helpers/threads.ts';

/** Places that any module of this test has looked up in its embedding: all that a forward pass computes. */
let read = 0;
vi.mock(import('../../src/engine/wasm/module.ts'), async (original) => {
  const real = await original();
  return {
    startModule: async (relaxed?: boolean) => {
      const module = await real.startModule(relaxed);
      const embed: typeof module.kernels.embed = (places, ...rest) => {
        read += places;
        module.kernels.embed(places, ...rest);
      };
      return { ...module, kernels: { ...module.kernels, embed } };
    },
  };
});

const engines: PolicyEngine[] = [];
beforeEach(() => (read = 0));
afterEach(() => {
  vi.restoreAllMocks();
  engines.splice(0).forEach((engine) => engine.dispose());
});

async function start(config: PolicyConfig, lora: LoraSetup | null, threads = 1): Promise<PolicyEngine> {
  const { startThread } = testThreads();
  const weights = livelyWeights(config, 5);
  const engine = await createEngine({ config, weights, engine: 'wasm', backend: 'wasm', lora, threads, startThread });
  engines.push(engine);
  return engine;
}

const sampling = (step: number): Sampling => ({
  ...{ temperature: 0.9, topK: 0, topP: 1, minP: 0, maxNewTokens: 9 },
  ...{ eosIds: [0, 1, 2], seed: 3, step, firstRow: 0 },
});

const promptsOf = ({ vocabSize }: PolicyConfig) => [3, 1, 9, 4].map((n, i) => Int32Array.from(integers(n, 40 + i, 3, vocabSize - 1)));

/** Of the third row nothing counts, of the fifth not the end. */
function batchOf(rollouts: Rollouts): TrainBatch {
  const { rows, completionWidth, promptLengths, lengths, logprobs } = rollouts;
  const mask = new Uint8Array(rows * completionWidth);
  for (let row = 0; row < rows; row++) {
    const length = row === 2 ? 0 : lengths[row]! - promptLengths[row]! - (row === 4 ? 1 : 0);
    mask.fill(1, row * completionWidth, row * completionWidth + length);
  }
  const tokens = mask.reduce((sum, counts) => sum + counts, 0);
  return {
    ...rollouts,
    ...{ mask, oldLogprobs: logprobs, refLogprobs: logprobs.map((value) => value - 0.1) },
    advantages: Float32Array.from({ length: rows }, (_, row) => Math.sin(row + 1)),
    rowWeights: new Float32Array(rows).fill(1 / tokens),
  };
}

/** @returns what three steps end with, and the places that each of them computed */
async function course(engine: PolicyEngine, config: PolicyConfig, forStep: boolean) {
  const said = [];
  const computed = [];
  await engine.setReference();
  for (let step = 0; step < 3; step++) {
    const rollouts = await engine.generate({ prompts: promptsOf(config), repeats: 3, sampling: sampling(step), forStep });
    said.push(rollouts, await engine.score(rollouts, { temperature: 0.9, policy: 'reference' }));
    const before = read;
    said.push(await engine.step(batchOf(rollouts), { ...forcedObjective, temperature: 0.9 }, { ...forcedOptim, microBatchRows: 0 }));
    computed.push(read - before);
  }
  return { said: [...said, await engine.exportState()], computed };
}

const adapters: LoraSetup = { rank: 2, alpha: 4, seed: 5 };

describe.each(Object.entries(variants))('%s', (_, config) => {
  it.each([
    ['all parameters', null],
    ['adapters', adapters],
  ] as const)('%s', async (_, lora) => {
    const again = await course(await start(config, lora), config, false);
    const kept = await course(await start(config, lora), config, true);
    expect(kept.said).toEqual(again.said);
    expect(Math.min(...again.computed)).toBeGreaterThan(20);
    // What is trained whole lies otherwise before its first step.
    expect(kept.computed).toEqual([lora ? 0 : again.computed[0], 0, 0]);
    const two = await course(await start(config, lora, 2), config, true);
    expect(two.said).toEqual(again.said);
    expect(two.computed).toEqual(kept.computed);
  });
});

describe('is computed where it was not kept', () => {
  const config = Object.values(variants)[0]!;

  it('for rows of another generation, for a second step on the same rows, and after another state', async () => {
    const engine = await start(config, adapters);
    const generate = (step: number) => engine.generate({ prompts: promptsOf(config), repeats: 3, sampling: sampling(step), forStep: true });
    const places = async (rollouts: Rollouts) => {
      const before = read;
      await engine.step(batchOf(rollouts), { ...forcedObjective, temperature: 0.9 }, { ...forcedOptim, microBatchRows: 0 });
      return read - before;
    };
    const older = await generate(0);
    await generate(1);
    expect(await places(older)).toBeGreaterThan(20);
    const newer = await generate(2);
    expect(await places(newer)).toBe(0);
    expect(await places(newer)).toBeGreaterThan(20);
    const newest = await generate(3);
    await engine.importState(await engine.exportState());
    expect(await places(newest)).toBeGreaterThan(20);
  });

  it('where there is no memory for it beside a pass any more, to the same bits', async () => {
    const { said } = await course(await start(config, adapters), config, true);
    const engine = await start(config, adapters);
    const step = engine.step.bind(engine);
    engine.step = async (...asked) => {
      const { hasRoom } = WasmMemory.prototype;
      const short = vi.spyOn(WasmMemory.prototype, 'hasRoom').mockImplementation(function (this: WasmMemory, ...of) {
        return this.held === 0 && hasRoom.apply(this, of);
      });
      const metrics = await step(...asked);
      short.mockRestore();
      return metrics;
    };
    const short = await course(engine, config, true);
    expect(short.said).toEqual(said);
    expect(Math.min(...short.computed)).toBeGreaterThan(20);
  });

  it('where it would take more than there is', async () => {
    const engine = await start(config, adapters);
    const { hasRoom } = WasmMemory.prototype;
    let refused = 0;
    vi.spyOn(WasmMemory.prototype, 'hasRoom').mockImplementation(function (this: WasmMemory, scratch, ...of) {
      // Only the room that is wanted beyond the generation itself.
      const few = hasRoom.call(this, scratch, ...of) && (refused > 0 || ++refused === 0);
      return few;
    });
    const { computed } = await course(engine, config, true);
    expect(computed[0]).toBeGreaterThan(20);
    expect(computed[1]).toBe(0);
  });
});
