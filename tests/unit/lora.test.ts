/** LoRA in the portable engine on the host backends: what it computes, what it trains, and that it goes on bit for bit. */
import { answeringTensors } from '../../src/policy/merged.ts';
import 'fake-indexeddb/auto';
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import {
  untrained,
  type ObjectiveSpec,
  type OptimSpec,
  type PolicyEngine,
  type PolicyState,
  type TrainBatch,
} from '../../src/engine/engine.ts';
import { adaptedMatrices, adapterShapes, initialAdapters, plainPlaces, projections, type LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { readLayers, writeLayers } from '../../src/policy/layer-list.ts';
import { tensorsOf, type Weights, weightsOf } from '../../src/policy/weights.ts';
import { Stream } from '../../src/random/counter.ts';
import { parseRunConfig } from '../../src/rl/check.ts';
import { loraSetup } from '../../src/rl/config.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { expectClose, integers } from '../helpers/numbers.ts';
import { derivative, livelyWeights, referenceLogits, referenceScores, type Numbers } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const base: PolicyConfig = {
  ...tinyConfig,
  vocabSize: 19,
  hiddenSize: 12,
  intermediateSize: 14,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  maxPositions: 32,
  tied: true,
};
const lora: LoraSetup = { rank: 3, alpha: 5, seed: 7 };
const variants: Readonly<Record<string, { readonly config: PolicyConfig; readonly setup: LoraSetup }>> = {
  'grouped queries, tied head': { config: base, setup: lora },
  'Qwen2: q/k/v biases': { config: { ...base, family: 'qwen2', qkvBias: true }, setup: lora },
  'Qwen3: q/k norms, untied head': { config: { ...base, family: 'qwen3', qkNorm: true, tied: false }, setup: lora },
  'Gemma 3: norms around blocks, GELU, a window': {
    config: { ...base, family: 'gemma3_text', qkNorm: true, queryScalar: 9, window: { size: 2, sliding: [true, false], ropeTheta: 20 } },
    setup: lora,
  },
  'a part of what is multiplied at once': { config: base, setup: { ...lora, targets: ['k_proj', 'up_proj', 'down_proj'] } },
  'queries and gates of the second layer': { config: base, setup: { ...lora, targets: ['q_proj', 'gate_proj'], layers: [1] } },
};

const sft: ObjectiveSpec = {
  term: 'sft',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  kl: 'none',
  entropyCoef: 0,
  temperature: 1.25,
};
const optim: OptimSpec = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, microBatchRows: 0 };
/** With these the first moment after a step is the gradient. */
const showGradient: OptimSpec = { ...optim, learningRate: 0, beta1: 0, weightDecay: 0, maxGradNorm: 0 };

const [prompt, rows, width] = [3, 2, 8];

function batchOf({ vocabSize }: PolicyConfig): TrainBatch {
  const completion = width - prompt;
  return {
    rows,
    width,
    completionWidth: completion,
    tokens: Int32Array.from(integers(rows * width, 1, 0, vocabSize - 1)),
    promptLengths: new Int32Array(rows).fill(prompt),
    lengths: new Int32Array(rows).fill(width),
    mask: new Uint8Array(rows * completion).fill(1),
    advantages: Float32Array.of(1, -1),
    rowWeights: Float32Array.of(0.1, 0.2),
    oldLogprobs: null,
    refLogprobs: null,
  };
}

/** W + (alpha / rank) B A in float64, by its definition. */
function merged(config: PolicyConfig, weights: Weights, adapters: Numbers): Numbers {
  const sums: Record<string, Float64Array> = {};
  for (const matrix of adaptedMatrices(config)) {
    const [a, b] = [adapters[matrix.a], adapters[matrix.b]];
    if (!a || !b) continue;
    sums[matrix.name] = Float64Array.from(weights[matrix.name]!, (value, i) => {
      const [row, column] = [Math.floor(i / matrix.in), i % matrix.in];
      let product = 0;
      for (let r = 0; r < lora.rank; r++) product += b[row * lora.rank + r]! * a[r * matrix.in + column]!;
      return value + (lora.alpha / lora.rank) * product;
    });
  }
  return { ...weights, ...sums };
}

function referenceLoss(config: PolicyConfig, weights: Numbers, batch: TrainBatch): number {
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const { logprobs } = referenceScores(config, weights, batch.tokens.subarray(row * width, (row + 1) * width), prompt, sft.temperature);
    for (const lp of logprobs) loss -= batch.rowWeights[row]! * lp;
  }
  return loss;
}

/** Adapters in which everything matters. */
function livelyAdapters(config: PolicyConfig, setup: LoraSetup): Weights {
  return Object.fromEntries(
    adapterShapes(config, setup).map(({ name, shape }, index) => {
      const stream = new Stream(3, 0x10a, 0, index);
      return [name, Float32Array.from({ length: shape[0]! * shape[1]! }, () => 0.3 * stream.normal())];
    }),
  );
}

function sameBits(actual: Weights, expected: Weights): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const name of Object.keys(expected))
    expect(new Uint32Array(actual[name]!.buffer), name).toEqual(new Uint32Array(expected[name]!.buffer));
}

function sameState(actual: PolicyState, expected: PolicyState): void {
  expect(actual.weights).toEqual(expected.weights);
  expect([actual.adapters!.rank, actual.adapters!.alpha]).toEqual([expected.adapters!.rank, expected.adapters!.alpha]);
  sameBits(actual.adapters!.tensors, expected.adapters!.tensors);
  sameBits(actual.moments!.first, expected.moments!.first);
  sameBits(actual.moments!.second, expected.moments!.second);
  expect([actual.optimSteps, actual.skippedSteps]).toEqual([expected.optimSteps, expected.skippedSteps]);
}

it('names adapters as PEFT does, and begins as PEFT begins', () => {
  const adapters = initialAdapters(base, lora);
  expect(Object.keys(adapters)).toHaveLength(2 * 7 * base.layers);
  const module = 'base_model.model.model.layers.1.mlp.down_proj';
  expect(adapters[`${module}.lora_A.weight`]).toHaveLength(lora.rank * base.intermediateSize);
  expect(adapters[`${module}.lora_B.weight`]).toHaveLength(base.hiddenSize * lora.rank);
  const bound = 1 / Math.sqrt(base.intermediateSize);
  const a = adapters[`${module}.lora_A.weight`]!;
  expect(a.every((value) => Math.abs(value) <= bound)).toBe(true);
  expect(Math.max(...a)).toBeGreaterThan(0.5 * bound);
  expect(Math.min(...a)).toBeLessThan(-0.5 * bound);
  expect(adapters[`${module}.lora_B.weight`]!.every((value) => value === 0)).toBe(true);
  expect(initialAdapters(base, lora)).toEqual(adapters);
  expect(initialAdapters(base, { ...lora, seed: 8 })).not.toEqual(adapters);
});

describe('which matrices are adapted', () => {
  const some: LoraSetup = { ...lora, targets: ['q_proj', 'up_proj'], layers: [1] };

  it('is said by projections and layers, and a matrix begins as it does among all', () => {
    expect(adaptedMatrices(base, some).map(({ name }) => name)).toEqual([
      'model.layers.1.self_attn.q_proj.weight',
      'model.layers.1.mlp.up_proj.weight',
    ]);
    const [all, few] = [initialAdapters(base, lora), initialAdapters(base, some)];
    expect(Object.keys(few)).toEqual(adapterShapes(base, some).map(({ name }) => name));
    for (const [name, values] of Object.entries(few)) expect(values).toEqual(all[name]);
  });

  it('is said of layers as people write them', () => {
    expect(readLayers(' 7, 0-2,1 ,4-4')).toEqual([0, 1, 2, 4, 7]);
    expect(['', '3-1', '-1', '1;2', 'all', '0-'].map(readLayers)).toEqual(new Array(6).fill(null));
    for (const text of ['0', '0-3, 7', '1, 3, 5-6']) expect(writeLayers(readLayers(text)!)).toBe(text);
  });

  it('is said in one way', () => {
    expect(plainPlaces({ ...lora, targets: ['up_proj', 'q_proj'], layers: [1, 0, 1] })).toEqual({
      ...lora,
      targets: ['q_proj', 'up_proj'],
      layers: [0, 1],
    });
    expect(plainPlaces({ ...lora, targets: [...projections].reverse(), layers: [1, 0] }, 2)).toEqual(lora);
  });

  it('is one of the settings of a run, and of a policy that has such layers', async () => {
    const config = parseRunConfig({ recipe: 'rlvr', lora: { rank: 4, alpha: 8, targets: ['v_proj', 'q_proj'], layers: [2] } });
    expect(loraSetup(config)).toEqual({ rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'], layers: [2], seed: 1 });
    expect(loraSetup(parseRunConfig({ recipe: 'rlvr', lora: { rank: 4, alpha: 8 } }))).toEqual({ rank: 4, alpha: 8, seed: 1 });
    for (const wrong of [{ targets: ['lm_head'] }, { targets: [] }, { layers: [-1] }])
      expect(() => parseRunConfig({ recipe: 'rlvr', lora: { rank: 4, alpha: 8, ...wrong } })).toThrow('lora.');
    const making = createEngine({
      config: base,
      weights: livelyWeights(base, 5),
      engine: 'portable',
      backend: 'cpu',
      lora: { ...lora, layers: [0, 2] },
    });
    await expect(making).rejects.toThrow('The policy has 2 layers, 0 to 1, and LoRA is to adapt layer 2.');
  });
});

describe.each(['cpu', 'wasm'] as const)('LoRA on %s', (backend) => {
  let engines: PolicyEngine[] = [];
  const start = async (config = base, weights = livelyWeights(config, 5), setup: LoraSetup | null = lora) => {
    const engine = await createEngine({ config, weights, engine: 'portable', backend, lora: setup });
    engines.push(engine);
    return engine;
  };
  afterEach(() => {
    engines.forEach((engine) => engine.dispose());
    engines = [];
  });

  it('begins as the base policy, bit for bit', async () => {
    const engine = await start();
    const { weights, adapters, moments } = await engine.exportState();
    expect(weights).toBeNull();
    expect([adapters!.rank, adapters!.alpha]).toEqual([lora.rank, lora.alpha]);
    sameBits(adapters!.tensors, initialAdapters(base, lora));
    const tokens = Int32Array.of(3, 1, 4);
    expect(await engine.logits(tokens)).toEqual(await (await start(base, livelyWeights(base, 5), null)).logits(tokens));
    expect(moments).toBeNull();
  });

  describe.each(Object.entries(variants))('%s', (_, { config, setup }) => {
    it('computes with W + alpha/rank BA, and has the gradients of A and B', async () => {
      const weights = livelyWeights(config, 5);
      const adapters = livelyAdapters(config, setup);
      const engine = await start(config, weights, setup);
      await engine.importState({ ...untrained, adapters: { ...setup, tensors: adapters } });
      const expected = merged(config, weights, adapters);
      const state = await engine.exportState();
      const answering = await weightsOf(answeringTensors(config, tensorsOf(config, weights), state));
      for (const [name, values] of Object.entries(expected)) expectClose(answering[name]!, values, name);
      const tokens = Int32Array.from(integers(9, 2, 0, config.vocabSize - 1));
      const tolerance = { relative: 1e-4, absolute: 1e-4 };
      expectClose(await engine.logits(tokens), referenceLogits(config, expected, tokens).at(-1)!, 'logits', tolerance);

      const batch = batchOf(config);
      const metrics = await engine.step(batch, sft, showGradient);
      expectClose([metrics.loss], [referenceLoss(config, expected, batch)], 'loss', tolerance);
      const gradients = (await engine.exportState()).moments!.first;
      expect(Object.keys(gradients)).toEqual(adapterShapes(config, setup).map(({ name }) => name));
      const pick = new Stream(9, 0);
      for (const name of Object.keys(gradients)) {
        const index = pick.integer(0, adapters[name]!.length - 1);
        const slope = derivative(adapters, name, index, (moved) => referenceLoss(config, merged(config, weights, moved), batch));
        expectClose([gradients[name]![index]!], [slope], `d loss / d ${name}[${index}]`, { relative: 1e-3, absolute: 2e-5 });
      }
      const norm = Math.sqrt(Object.values(gradients).reduce((sum, g) => sum + g.reduce((s, v) => s + v * v, 0), 0));
      expectClose([metrics.gradNorm], [norm], 'gradient norm', tolerance);
    });
  });

  it('trains the adapters and nothing else; weight decay is theirs', async () => {
    const weights = livelyWeights(base, 5);
    const engine = await start();
    const begin = (await engine.exportState()).adapters!.tensors;
    await engine.step(batchOf(base), sft, optim);
    const adapters = (await engine.exportState()).adapters?.tensors;
    const [first] = adaptedMatrices(base);
    // B is zero, so A has no gradient yet, and only shrinks.
    const shrunk = begin[first!.a]!.map((value) => value * (1 - optim.learningRate * optim.weightDecay));
    expectClose(adapters![first!.a]!, shrunk, 'A after one step', { relative: 1e-6, absolute: 1e-9 });
    expect(adapters![first!.b]!.some((value) => value !== 0)).toBe(true);

    const losses: number[] = [];
    for (let step = 0; step < 8; step++) losses.push((await engine.step(batchOf(base), sft, optim)).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    const state = await engine.exportState();
    expect(state.weights).toBeNull();
    const after = await weightsOf(answeringTensors(base, tensorsOf(base, weights), state));
    const adapted = new Set(adaptedMatrices(base).map(({ name }) => name));
    for (const [name, values] of Object.entries(weights)) {
      if (adapted.has(name)) expect(after[name]).not.toEqual(values);
      else expect(after[name], name).toEqual(values);
    }
    const expected = merged(base, weights, state.adapters!.tensors);
    for (const name of adapted) expectClose(after[name]!, expected[name]!, name);
  });

  it('goes on from an exported state bit for bit, also after other weights were borrowed', async () => {
    const run = async (interruption: 'none' | 'another engine' | 'other weights') => {
      let engine = await start();
      for (let step = 0; step < 4; step++) {
        await engine.step(batchOf(base), { ...sft, term: 'reinforce' }, { ...optim, microBatchRows: 1 });
        if (step !== 1 || interruption === 'none') continue;
        const state = await engine.exportState();
        if (interruption === 'another engine') {
          engine.dispose();
          engine = await start(base, livelyWeights(base, 5), { ...lora, seed: 99 });
        } else {
          const weights = livelyWeights(base, 77);
          await engine.importState({ ...untrained, weights });
          const other = await engine.exportState();
          sameBits(other.weights!, weights);
          sameBits(other.adapters!.tensors, initialAdapters(base, lora));
          await engine.step(batchOf(base), sft, optim); // trains adapters on those
        }
        await engine.importState(state);
      }
      const rollouts = await engine.generate({
        prompts: [Int32Array.of(3, 5)],
        repeats: 2,
        sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 5, eosIds: [], seed: 1, step: 1, firstRow: 0 },
      });
      return { state: await engine.exportState(), rollouts };
    };
    const expected = await run('none');
    for (const interruption of ['another engine', 'other weights'] as const) {
      const { state, rollouts } = await run(interruption);
      sameState(state, expected.state);
      expect(rollouts).toEqual(expected.rollouts);
    }
  });

  it('computes with whatever a state says: adapters of another rank, whole weights, and its own again', async () => {
    const tokens = Int32Array.from(integers(9, 2, 0, base.vocabSize - 1));
    const weights = livelyWeights(base, 5);
    const other = livelyWeights(base, 77);
    const small = { rank: 2, alpha: 6, tensors: initialAdapters(base, { rank: 2, alpha: 6, seed: 4 }) };
    for (const { b } of adaptedMatrices(base)) small.tensors[b]!.fill(0.05);
    const trained = await start();
    await trained.step(batchOf(base), sft, optim);
    const held = await trained.exportState();
    for (const engine of [await start(), await start(base, weights, null)]) {
      const own = await engine.logits(tokens);
      for (const state of [
        { ...untrained, adapters: small },
        { ...untrained, weights: other },
        { ...untrained, weights: other, adapters: small },
        held,
      ]) {
        await engine.importState(state);
        const answering = await weightsOf(answeringTensors(base, tensorsOf(base, weights), state));
        const plain = await start(base, answering, null);
        expectClose(await engine.logits(tokens), await plain.logits(tokens), 'logits', { relative: 1e-4, absolute: 1e-4 });
        const back = await engine.exportState();
        expect(back.adapters?.rank ?? null).toBe(state.adapters?.rank ?? (engine === engines[1] ? lora.rank : null));
        expect(back.weights).toEqual(state.weights);
      }
      await engine.importState(untrained);
      expect(await engine.logits(tokens)).toEqual(own);
    }
  });

  it('refuses adapters of other shapes, and stays as it was', async () => {
    const engine = await start();
    await engine.step(batchOf(base), sft, optim);
    const before = await engine.exportState();
    const { rank, ...others } = before.adapters!;
    await expect(engine.importState({ ...before, adapters: { ...others, rank: rank + 1 } })).rejects.toThrow(
      /not those of this policy at rank/,
    );
    sameState(await engine.exportState(), before);
  });

  it('keeps the base as the reference, and leaves no tensors behind', async () => {
    const before = tf.memory().numTensors;
    const engine = await start();
    await engine.setReference();
    const batch = batchOf(base);
    const reference = await engine.score(batch, { temperature: 1, policy: 'current' });
    await engine.step(batch, sft, optim);
    const held = tf.memory().numTensors;
    await engine.step(batch, sft, optim);
    await engine.importState(await engine.exportState());
    expect(tf.memory().numTensors).toBe(held);
    expect(await engine.score(batch, { temperature: 1, policy: 'reference' })).toEqual(reference);
    expect(await engine.score(batch, { temperature: 1, policy: 'current' })).not.toEqual(reference);
    engine.dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1); // the rotary table stays with the decoder
  });
});

describe('a run with LoRA', () => {
  const config = { ...smallRun, steps: 4, checkpointEvery: 2, lora: { rank: 2, alpha: 4 } };

  it('carries its adapters through checkpoints into a new session', async () => {
    const first = new SessionProbe(await database('lora-run'));
    await first.boot('wasm');
    const id = await first.train(config);
    const storage = await database('lora-run');
    const checkpoints = await storage.checkpoints(id);
    const newest = await storage.checkpoint(checkpoints[0]!.id);
    expect(newest.step).toBe(4);
    expect(newest.state.weights).toBeNull();
    expect(Object.keys(newest.state.moments!.first)).toEqual(Object.keys(newest.state.adapters!.tensors));

    // A new session forks from step 2 and has to arrive at the same place.
    const halfway = checkpoints.find(({ step }) => step === 2)!;
    const probe = new SessionProbe(storage);
    await probe.boot('wasm');
    const finished = probe.phase('finished', 'failed', 'paused');
    const fork = await probe.session.resume(id, halfway.id);
    await finished;
    const [again] = await storage.checkpoints(fork);
    sameState((await storage.checkpoint(again!.id)).state, newest.state);
  });

  it('is a setting: checked, and absent from older configurations', () => {
    expect(parseRunConfig({ recipe: 'rlvr' }).lora).toBeNull();
    expect(parseRunConfig({ recipe: 'rlvr', lora: { rank: 8, alpha: 16 } }).lora).toEqual({ rank: 8, alpha: 16 });
    expect(() => parseRunConfig({ lora: { rank: 0, alpha: 16 } })).toThrow(/lora.rank must be at least 1/);
    expect(() => parseRunConfig({ lora: { rank: 8 } })).toThrow(/lora.alpha must be a number/);
  });
});
