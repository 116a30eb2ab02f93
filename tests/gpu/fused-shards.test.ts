/**
 * The fused engine on a GPU that binds less than the policy's larger matrices, which lie in shards of their rows: it says, draws and learns
 * what it does where they lie in one piece, and what the portable engine does.
 */
import { describe, expect, it } from 'vitest';
import type { PolicyEngine, Sampling } from '../../src/engine/engine.ts';
import type { FusedEngine } from '../../src/engine/fused/engine.ts';
import { policyLayout } from '../../src/engine/fused/layout.ts';
import { initialAdapters, type LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { tensorsOf, weightsOf, type PolicyTensors } from '../../src/policy/weights.ts';
import { createEngine } from '../helpers/engine.ts';
import { expectResumed, forcedBatch, forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { expectClose } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { onDeviceThatBinds } from '../helpers/small-device.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

/** Logits and inputs of 64 cells are just what the GPU binds; embedding and head, and q|k|v, gate|up and down in float32, are more. */
const bound = 64 * 132 * 4;
const tied: PolicyConfig = {
  ...tinyConfig,
  vocabSize: 131,
  hiddenSize: 132,
  intermediateSize: 100,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  layers: 1,
  tied: true,
};
const untied: PolicyConfig = { ...tied, family: 'qwen2', qkvBias: true, tied: false };
const gemma: PolicyConfig = {
  ...tied,
  ...{ family: 'gemma3_text', qkNorm: true, queryScalar: 9, layers: 2 },
  window: { size: 4, sliding: [true, false], ropeTheta: 100 },
};
const lora: LoraSetup = { rank: 2, alpha: 8, seed: 5 };

/** The lively policy, its matrices in a format. */
function stored(config: PolicyConfig, format: 'bf16' | 'f16' | 'f32'): PolicyTensors {
  const weights = livelyWeights(config, 5);
  const tensors = new Map(tensorsOf(config, weights));
  if (format === 'f32') return tensors;
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length < 2) continue;
    const bytes = encode(format, weights[name]!);
    const read = (from: number, to: number) => Promise.resolve(bytes.subarray(from, to));
    tensors.set(name, { ...tensor, dtype: format, format, byteLength: bytes.length, read });
  }
  return tensors;
}

/** All that an engine says of itself before and after two steps, by what it is called. */
async function transcript(engine: PolicyEngine, config: PolicyConfig, setup: LoraSetup | null): Promise<Record<string, ArrayLike<number>>> {
  const said: Record<string, ArrayLike<number>> = {};
  if (setup) {
    // With B = 0, A would not learn.
    const tensors = initialAdapters(config, setup);
    for (const [name, values] of Object.entries(tensors)) if (name.includes('lora_B')) values.fill(0.02);
    await engine.importState({ weights: null, adapters: { ...setup, tensors }, moments: null, optimSteps: 0, skippedSteps: 0 });
  }
  const sampling: Sampling = { temperature: 0.9, topK: 0, topP: 1, minP: 0, maxNewTokens: 7, eosIds: [0], seed: 3, step: 1, firstRow: 0 };
  const prompts = [[1, 2, 3], [130], [64, 63, 44, 88, 87]].map((prompt) => Int32Array.from(prompt));
  const say = async (when: string) => {
    said[`logits ${when}`] = await engine.logits(Int32Array.of(3, 130, 0, 63, 64, 43, 44, 127, 128));
    const { tokens, lengths, logprobs } = await engine.generate({ prompts, repeats: 2, sampling });
    Object.assign(said, { [`tokens ${when}`]: tokens, [`lengths ${when}`]: lengths, [`log-probs drawn ${when}`]: logprobs });
    for (const policy of ['current', 'reference'] as const) {
      const { logprobs, entropies } = await engine.score(forcedBatch(9, config.vocabSize), { temperature: 0.8, policy });
      Object.assign(said, { [`log-probs of ${policy} ${when}`]: logprobs, [`entropies of ${policy} ${when}`]: entropies });
    }
  };
  await engine.setReference();
  await say('before');
  for (let step = 0; step < 2; step++) {
    const optim = { ...forcedOptim, learningRate: 1e-3, ...(step === 0 ? { beta1: 0, learningRate: 0, weightDecay: 0 } : {}) };
    const { loss, gradNorm } = await engine.step(forcedBatch(step, config.vocabSize), forcedObjective, optim);
    said[`loss and norm of step ${step}`] = [loss, gradNorm];
    const state = await engine.exportState();
    // Of the first step the first moment is the gradient.
    const [what, numbers] = step === 0 ? ['d', state.moments!.first] : ['trained', state.adapters?.tensors ?? state.weights!];
    for (const [name, values] of Object.entries(numbers)) said[`${what} ${name}`] = values;
  }
  await say('after');
  return said;
}

function expectSame(actual: Record<string, ArrayLike<number>>, expected: Record<string, ArrayLike<number>>, tolerance: number): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [what, values] of Object.entries(expected)) {
    if (/^(tokens|lengths)/.test(what)) expect([...Array.from(actual[what]!)], what).toEqual([...Array.from(values)]);
    else {
      const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expectClose(actual[what]!, values, what, { relative: tolerance, absolute: tolerance * largest });
    }
  }
}

async function of(engine: 'fused' | 'portable', config: PolicyConfig, weights: PolicyTensors, setup: LoraSetup | null) {
  const backend = engine === 'fused' ? 'webgpu' : 'cpu';
  const made = await createEngine({ config, weights, engine, backend, lora: setup });
  const said = await transcript(made, config, setup);
  made.dispose();
  return said;
}

describe.each([
  ['all parameters, a tied head', tied, 'f32', null],
  ['all parameters, biases and a head of its own, from bf16', untied, 'bf16', null],
  ['adapters over bf16, biases and a head of its own', untied, 'bf16', lora],
  ['adapters of queries alone, over f16', tied, 'f16', { ...lora, targets: ['q_proj'] }],
  ['adapters of Gemma 3', gemma, 'f32', lora],
] as const)('%s', (_, config, format, setup) => {
  it('in shards as in one piece, and as the portable engine', async () => {
    const tensors = stored(config, format);
    const { result, buffers } = await onDeviceThatBinds(bound, () => of('fused', config, tensors, setup));
    expect(buffers.filter((label) => label === 'parameters').length).toBeGreaterThan(4);
    expectSame(result, await of('fused', config, tensors, setup), 1e-4);
    expectSame(result, await of('portable', config, tensorsOf(config, await weightsOf(tensors)), setup), 1e-3);
  });
});

it('cuts what the tests above say, at rows that are not those of whole tiles', () => {
  const rows = [...policyLayout(untied, bound).shards].map(([name, shards]) => [name, shards.map(({ shape }) => shape[0])]);
  expect(Object.fromEntries(rows)).toEqual({
    embedding: [64, 64, 3],
    '0.qkv': [64, 64],
    '0.gateUp': [64, 64, 64, 8],
    '0.down': [68, 64],
    head: [64, 64, 3],
  });
});

it('goes on from a state bit for bit, whose matrices no buffer holds', async () => {
  const weights = livelyWeights(untied, 5);
  await onDeviceThatBinds(bound, async () => {
    const start = async () => (await createEngine({ config: untied, weights, engine: 'fused', backend: 'webgpu' })) as FusedEngine;
    await expectResumed(start, untied, 3);
  });
});
