/** The wasm engine against the portable one over thirty optimiser steps on given tokens; its rollouts; and that it goes on where it was stopped. */
import { describe, expect, it } from 'vitest';
import { answeringTensors } from '../../src/policy/merged.ts';
import { tensorsOf, weightsOf, type Weights } from '../../src/policy/weights.ts';
import type { PolicyEngine, Sampling } from '../../src/engine/engine.ts';
import { tokenDistribution } from '../../src/engine/sampler.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { counterUniform } from '../../src/random/counter.ts';
import { completionOf } from '../../src/rl/batch.ts';
import { createEngine } from '../helpers/engine.ts';
import {
  distance,
  expectSameUpdates,
  expectResumed,
  forcedBatch,
  forcedObjective,
  forcedOptim,
  trainForced,
} from '../helpers/forced-run.ts';
import { expectClose, integers } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

/** Rows are longer than its window. */
const gemma: PolicyConfig = {
  ...tinyConfig,
  ...{ family: 'gemma3_text', qkNorm: true, tied: true, layers: 2, queryScalar: 9 },
  window: { size: 4, sliding: [true, false], ropeTheta: 100 },
};

describe('thirty steps on given tokens: the same updates and losses', () => {
  it.each([
    ['the policy of the tests', tinyConfig, null, 1e-4],
    ['biases, an untied head', { ...tinyConfig, family: 'qwen2' as const, qkvBias: true, tied: false }, null, 1e-4],
    ['head norms', { ...tinyConfig, family: 'qwen3' as const, qkNorm: true }, null, 1e-4],
    // As loose as for the fused engine, for the same reason: tests/gpu/fused-trajectory.test.ts.
    ['Gemma 3', gemma, null, 5e-4],
    ['LoRA of Gemma 3', gemma, { rank: 3, alpha: 6, seed: 5 }, 5e-4],
  ] as const)('%s', async (_, config, lora, tolerance) => {
    expectSameUpdates(await trainForced('wasm', 'wasm', config, lora), await trainForced('portable', 'cpu', config, lora), tolerance);
  });

  it.each([
    ['everything', {}],
    ['a part of what is multiplied at once', { targets: ['k_proj', 'up_proj', 'down_proj'] }],
    ['queries and gates of the second layer', { targets: ['q_proj', 'gate_proj'], layers: [1] }],
  ] as const)('LoRA of %s', async (_, places) => {
    const lora = { rank: 3, alpha: 24, seed: 5, ...places };
    const config = { ...tinyConfig, layers: 2 };
    const wasm = await trainForced('wasm', 'wasm', config, lora);
    expectSameUpdates(wasm, await trainForced('portable', 'cpu', config, lora), 1e-4);
    // What has no adapter has not moved.
    for (const name of ['model.embed_tokens.weight', 'lm_head.weight', 'model.norm.weight'])
      expect(wasm.end[name], name).toEqual(wasm.start[name]);
  });
});

it.each([
  ['adapters', { rank: 2, alpha: 4, seed: 5 }],
  ['all parameters', null],
])('%s: a run goes on from its state bit for bit', async (_, lora) => {
  const weights = livelyWeights(tinyConfig, 5);
  const start = () => createEngine({ config: tinyConfig, weights, engine: 'wasm', backend: 'wasm', lora });
  await expectResumed(start, tinyConfig, 4);
});

it('a state of the portable engine is gone on with, and the other way round', async () => {
  const weights = livelyWeights(tinyConfig, 5);
  const ends = [];
  for (const names of [
    ['portable', 'wasm'],
    ['wasm', 'portable'],
  ] as const) {
    // prettier-ignore
    let engine: PolicyEngine | null = null;
    for (const [half, name] of names.entries()) {
      const next = await createEngine({ config: tinyConfig, weights, engine: name, backend: name === 'wasm' ? 'wasm' : 'cpu' });
      if (engine) await next.importState(await engine.exportState());
      engine?.dispose();
      engine = next;
      for (const step of [0, 1]) await engine.step(forcedBatch(2 * half + step, tinyConfig.vocabSize), forcedObjective, forcedOptim);
    }
    ends.push((await engine!.exportState()).weights!);
    engine!.dispose();
  }
  const [one, other] = ends as [Weights, Weights];
  const update = distance(one, weights);
  expect(update).toBeGreaterThan(0.1);
  expect(distance(one, other) / update).toBeLessThan(1e-3);
});

it('LoRA: the reference is the base without adapters, and rollouts come from what is trained', async () => {
  const weights = livelyWeights(tinyConfig, 5);
  const lora = { rank: 2, alpha: 8, seed: 5 };
  const make = (own = weights, setup: typeof lora | null = lora) =>
    createEngine({ config: tinyConfig, weights: own, engine: 'wasm', backend: 'wasm', lora: setup });
  const batch = forcedBatch(7, tinyConfig.vocabSize);
  const scores = async (engine: PolicyEngine, policy: 'current' | 'reference') =>
    (await engine.score(batch, { temperature: 1, policy })).logprobs;
  const engine = await make();
  const base = await scores(engine, 'current');
  await engine.setReference();
  for (let step = 0; step < 3; step++) await engine.step(forcedBatch(step, tinyConfig.vocabSize), forcedObjective, forcedOptim);
  expect(await scores(engine, 'reference')).toEqual(base);
  expect(await scores(engine, 'current')).not.toEqual(base);

  // The merged policy answers as base and adapters do: greedily, token for token.
  const prompts = [Int32Array.of(1, 2, 3), Int32Array.of(4)];
  const sampling: Sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: 12, eosIds: [], seed: 1, step: 0, firstRow: 0 };
  const state = await engine.exportState();
  const merged = await weightsOf(answeringTensors(tinyConfig, tensorsOf(tinyConfig, weights), state));
  const said = await engine.generate({ prompts, repeats: 2, sampling });
  engine.dispose();
  const plain = await make(merged, null);
  expect((await plain.generate({ prompts, repeats: 2, sampling })).tokens).toEqual(said.tokens);
  // A state with another base: the reference is still the policy that the engine was made with.
  const moved = await make();
  await moved.setReference();
  await moved.importState({ ...state, weights: livelyWeights(tinyConfig, 9) });
  expect(await scores(moved, 'reference')).toEqual(base);
});

describe('rollouts', () => {
  const weights = livelyWeights(tinyConfig, 5);
  const prompts = [1, 4, 2, 9].map((n, i) => Int32Array.from(integers(n, 40 + i, 1, tinyConfig.vocabSize - 1)));
  const sampling: Sampling = {
    temperature: 0.9,
    topK: 0,
    topP: 0.95,
    minP: 0.01,
    maxNewTokens: 20,
    eosIds: [0],
    seed: 3,
    step: 1,
    firstRow: 8,
  };
  const start = (engine: 'wasm' | 'portable') =>
    createEngine({ config: tinyConfig, weights, engine, backend: engine === 'wasm' ? 'wasm' : 'cpu' });

  it('are those of the portable engine, up to draws that fall on the border of two tokens', async () => {
    const [wasm, portable] = [await start('wasm'), await start('portable')];
    const actual = await wasm.generate({ prompts, repeats: 8, sampling });
    const expected = await portable.generate({ prompts, repeats: 8, sampling });
    let ties = 0;
    for (let row = 0; row < expected.rows; row++) {
      const [is, should] = [completionOf(actual, row), completionOf(expected, row)];
      const at = should.findIndex((token, t) => is[t] !== token);
      if (at < 0) {
        expect(is).toEqual(should);
        continue;
      }
      const context = Int32Array.of(...prompts[Math.floor(row / 8)]!, ...should.subarray(0, at));
      const { weights: stretch } = tokenDistribution(await portable.logits(context), sampling);
      const total = stretch.reduce((sum, w) => sum + w, 0);
      const goal = counterUniform(sampling.seed, sampling.step, sampling.firstRow + row, at);
      const border = stretch.subarray(0, Math.max(is[at]!, should[at]!)).reduce((sum, w) => sum + w, 0) / total;
      expect(Math.abs(border - goal), `row ${row}, position ${at}: ${is[at]} for ${should[at]}`).toBeLessThan(1e-4);
      ties++;
    }
    expect(ties).toBeLessThan(3);
    expect(new Set(expected.lengths).size).toBeGreaterThan(3);
  });

  it('have the bits of their scores, whoever they were made with', async () => {
    const engine = await start('wasm');
    const all = await engine.generate({ prompts, repeats: 8, sampling: { ...sampling, topP: 1, minP: 0 } });
    const scores = await engine.score(all, { temperature: sampling.temperature, policy: 'current' });
    // The sums of a softmax are taken in another order by the sampler.
    expectClose(all.logprobs, scores.logprobs, 'log-probs', { relative: 1e-6, absolute: 2e-6 });
    const alone = await engine.generate({
      prompts: [prompts[2]!],
      repeats: 8,
      sampling: { ...sampling, topP: 1, minP: 0, firstRow: 8 + 16 },
    });
    for (let row = 0; row < 8; row++) {
      const length = alone.lengths[row]! - alone.promptLengths[row]!;
      const of = ({ logprobs, completionWidth }: typeof all, at: number) =>
        logprobs.slice(at * completionWidth, at * completionWidth + length);
      expect(completionOf(alone, row)).toEqual(completionOf(all, 16 + row));
      expect(of(alone, row)).toEqual(of(all, 16 + row));
    }
  });
});
