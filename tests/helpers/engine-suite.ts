/**
 * What an engine promises: the portable one on every backend, and the fused one.
 * Everything is compared with the float64 reference decoder; shapes are tiny because software WebGPU is slow.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './engine.ts';
import type { BackendName, EngineName, ObjectiveSpec, OptimSpec, PolicyEngine, Sampling, TrainBatch } from '../../src/engine/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { Stream } from '../../src/random/counter.ts';
import { expectClose, integers } from './numbers.ts';
import { derivative, livelyWeights, referenceLogits, referenceScores, type Numbers } from './reference-decoder.ts';

const base: PolicyConfig = {
  family: 'llama',
  vocabSize: 19,
  hiddenSize: 12,
  intermediateSize: 14,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  maxPositions: 32,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tied: true,
  qkvBias: false,
  qkNorm: false,
  bosId: null,
  eosIds: [0],
  padId: null,
};

/** The family, member by member. */
export const variants: Readonly<Record<string, PolicyConfig>> = {
  'grouped queries, tied head': base,
  'one key head per query head, untied head, linear rope scaling': {
    ...base,
    kvHeads: 4,
    headDim: 4,
    tied: false,
    ropeScaling: { type: 'linear', factor: 2 },
  },
  'one key head for all, llama3 rope scaling': {
    ...base,
    kvHeads: 1,
    ropeTheta: 50,
    ropeScaling: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 },
  },
  'Qwen2: q/k/v biases': { ...base, family: 'qwen2', qkvBias: true, rmsNormEps: 1e-6 },
  'Qwen3: q/k norms': { ...base, family: 'qwen3', qkNorm: true, tied: false },
  // Rows are longer than the window.
  'Gemma 3: norms around blocks, GELU, a window': {
    ...base,
    family: 'gemma3_text',
    qkNorm: true,
    layers: 3,
    ropeTheta: 100,
    ropeScaling: { type: 'linear', factor: 8 },
    window: { size: 3, sliding: [true, false], ropeTheta: 20 },
    queryScalar: 9,
  },
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

const sampling: Sampling = { temperature: 0.9, topK: 0, topP: 1, minP: 0, maxNewTokens: 8, eosIds: [0], seed: 3, step: 1, firstRow: 0 };

/** By row, lengths of prompt and completion; a row that begins with the prompt of the row before says null. */
const apart = { prompts: [3, 1, 5, 2, 4], completions: [4, 6, 1, 3, 0] };
const grouped = { prompts: [5, null, null, 2, null], completions: [2, 6, 1, 3, 1] };

/** Five rows of different lengths; some tokens do not count; `padding` more columns of garbage. */
function batchOf(config: PolicyConfig, padding = 0, { prompts: given, completions }: typeof apart | typeof grouped = apart): TrainBatch {
  const promptOf = (row: number): number => given[row] ?? promptOf(row - 1);
  const firstOf = (row: number): number => (given[row] === null ? firstOf(row - 1) : row);
  const prompts = given.map((_, row) => promptOf(row));
  const rows = prompts.length;
  const width = Math.max(...prompts.map((prompt, row) => prompt + completions[row]!)) + padding;
  const completionWidth = 6 + padding;
  const tokens = Int32Array.from(integers(rows * width, 1 + padding, 0, config.vocabSize - 1));
  const mask = new Uint8Array(rows * completionWidth);
  for (let row = 0; row < rows; row++) {
    const length = prompts[row]! + completions[row]!;
    tokens.set(integers(length, 100 + row, 0, config.vocabSize - 1), row * width);
    tokens.copyWithin(row * width, firstOf(row) * width, firstOf(row) * width + prompts[row]!);
    for (let t = 0; t < completions[row]!; t++) mask[row * completionWidth + t] = row === 1 && t === 2 ? 0 : 1;
  }
  return {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(prompts),
    lengths: Int32Array.from(prompts, (n, row) => n + completions[row]!),
    mask,
    advantages: Float32Array.from([1, -0.5, 2, 0.25, 1]),
    rowWeights: Float32Array.from([0.1, 0.05, 0.2, 0.15, 0.3]),
    oldLogprobs: null,
    refLogprobs: null,
  };
}

/** The SFT loss of a batch by its definition in the contract. */
function referenceLoss(config: PolicyConfig, weights: Numbers, batch: TrainBatch): number {
  let loss = 0;
  for (let row = 0; row < batch.rows; row++) {
    const tokens = batch.tokens.subarray(row * batch.width, row * batch.width + batch.lengths[row]!);
    const { logprobs } = referenceScores(config, weights, tokens, batch.promptLengths[row]!, sft.temperature);
    logprobs.forEach((lp, t) => (loss -= batch.rowWeights[row]! * batch.mask[row * batch.completionWidth + t]! * lp));
  }
  return loss;
}

function sameBits(actual: Weights, expected: Weights): void {
  for (const name of Object.keys(expected))
    expect(new Uint32Array(actual[name]!.buffer), name).toEqual(new Uint32Array(expected[name]!.buffer));
}

export function engineSuite(name: EngineName, backend: BackendName): void {
  const tolerance = { relative: 1e-4, absolute: 1e-4 };
  let engines: PolicyEngine[] = [];
  const start = async (config: PolicyConfig = base, weights: Weights = livelyWeights(config, 5)) => {
    const engine = await createEngine({ config, weights, engine: name, backend });
    engines.push(engine);
    return engine;
  };
  // One engine stays, so that the device and its compiled pipelines do.
  let anchor: PolicyEngine;
  beforeAll(async () => {
    anchor = await createEngine({ config: base, weights: livelyWeights(base, 1), engine: name, backend });
  });
  afterAll(() => anchor.dispose());
  afterEach(() => {
    engines.forEach((engine) => engine.dispose());
    engines = [];
  });

  describe.each(Object.entries(variants))('%s', (_, config) => {
    const weights = livelyWeights(config, 5);

    it('gives the logits, log-probs and entropies of the reference', async () => {
      const engine = await start(config, weights);
      const tokens = Int32Array.from(integers(11, 2, 0, config.vocabSize - 1));
      expectClose(await engine.logits(tokens), referenceLogits(config, weights, tokens).at(-1)!, 'logits', tolerance);
      for (const batch of [batchOf(config), batchOf(config, 2, grouped)]) {
        const scores = await engine.score(batch, { temperature: 0.7, policy: 'current' });
        for (let row = 0; row < batch.rows; row++) {
          const own = batch.tokens.subarray(row * batch.width, row * batch.width + batch.lengths[row]!);
          const expected = referenceScores(config, weights, own, batch.promptLengths[row]!, 0.7);
          const at = row * batch.completionWidth;
          const { length } = expected.logprobs;
          expectClose(scores.logprobs.subarray(at, at + length), expected.logprobs, `log-probs of row ${row}`, tolerance);
          expectClose(scores.entropies.subarray(at, at + length), expected.entropies, `entropies of row ${row}`, tolerance);
        }
      }
    });

    it.each([
      ['each its own prompt', apart],
      ['some with one prompt', grouped],
    ])('has the gradients of the reference in every tensor, of rows %s', async (_, rows) => {
      const engine = await start(config, weights);
      const batch = batchOf(config, 0, rows);
      const metrics = await engine.step(batch, sft, showGradient);
      expectClose([metrics.loss], [referenceLoss(config, weights, batch)], 'loss', tolerance);
      const gradients = (await engine.exportState()).moments!.first;
      const pick = new Stream(9, 0);
      for (const { name } of parameterShapes(config)) {
        for (let i = 0; i < 2; i++) {
          const index = pick.integer(0, weights[name]!.length - 1);
          const expected = derivative(weights, name, index, (moved) => referenceLoss(config, moved, batch));
          expectClose([gradients[name]![index]!], [expected], `d loss / d ${name}[${index}]`, { relative: 1e-3, absolute: 2e-5 });
        }
      }
      const norm = Math.sqrt(Object.values(gradients).reduce((sum, g) => sum + g.reduce((s, v) => s + v * v, 0), 0));
      expectClose([metrics.gradNorm], [norm], 'gradient norm', tolerance);
    });

    it('generates what it scores', async () => {
      const engine = await start(config, weights);
      const prompts = [1, 4, 2].map((n, i) => Int32Array.from(integers(n, 40 + i, 1, config.vocabSize - 1)));
      const rollouts = await engine.generate({ prompts, repeats: 2, sampling });
      const scores = await engine.score(rollouts, { temperature: sampling.temperature, policy: 'current' });
      expectClose(rollouts.logprobs, scores.logprobs, 'log-probs', tolerance);
      expectClose(rollouts.entropies, scores.entropies, 'entropies', tolerance);
      expect(new Set(rollouts.lengths).size).toBeGreaterThan(1); // rows do end at different places
    });
  });

  it('gives the same update whatever the micro-batches', async () => {
    const states = [];
    for (const microBatchRows of [0, 1, 2]) {
      const engine = await start();
      // Passes of all rows, of one, and of two, which part the replies to one prompt.
      const batch = batchOf(base, 0, grouped);
      const metrics = await engine.step(batch, { ...sft, term: 'reinforce', entropyCoef: 0.1 }, { ...optim, microBatchRows });
      states.push({ metrics, gradients: (await engine.exportState()).moments!.first });
      engine.dispose();
    }
    const [whole, ...split] = states;
    for (const { metrics, gradients } of split) {
      expectClose(
        [metrics.loss, metrics.gradNorm, metrics.entropy],
        [whole!.metrics.loss, whole!.metrics.gradNorm, whole!.metrics.entropy],
        'metrics',
      );
      expect(metrics.tokens).toBe(whole!.metrics.tokens);
      for (const [name, expected] of Object.entries(whole!.gradients))
        expectClose(gradients[name]!, expected, name, { relative: 1e-4, absolute: 1e-7 });
    }
  });

  it('does not look at the padding', async () => {
    const engine = await start();
    const [narrow, wide] = [batchOf(base), batchOf(base, 9)];
    const expected = await engine.score(narrow, { temperature: 1, policy: 'current' });
    const actual = await engine.score(wide, { temperature: 1, policy: 'current' });
    for (let row = 0; row < narrow.rows; row++) {
      const own = (values: Float32Array, width: number) =>
        values.subarray(row * width, row * width + narrow.lengths[row]! - narrow.promptLengths[row]!);
      expectClose(own(actual.logprobs, wide.completionWidth), own(expected.logprobs, narrow.completionWidth), `row ${row}`);
    }
    const first = await engine.step(narrow, sft, showGradient);
    const second = await engine.step(wide, sft, showGradient);
    expectClose([second.loss, second.gradNorm], [first.loss, first.gradNorm], 'step');
  });

  it('leaves everything as it was when a step is not finite, and counts it', async () => {
    const engine = await start();
    await engine.step(batchOf(base), sft, optim);
    const before = await engine.exportState();
    const metrics = await engine.step({ ...batchOf(base), rowWeights: new Float32Array(5).fill(Infinity) }, sft, optim);
    expect(metrics.skipped).toBe(true);
    const after = await engine.exportState();
    expect([after.optimSteps, after.skippedSteps]).toEqual([1, 1]);
    sameBits(after.weights!, before.weights!);
    sameBits(after.moments!.first, before.moments!.first);
  });

  it('goes on from an exported state bit for bit, and repeats itself bit for bit', async () => {
    const prompts = [Int32Array.of(3, 5, 8), Int32Array.of(2)];
    const run = async (interrupted: boolean) => {
      let engine = await start();
      let rollouts;
      for (let step = 0; step < 3; step++) {
        rollouts = await engine.generate({ prompts, repeats: 2, sampling: { ...sampling, step } });
        await engine.step(batchOf(base), { ...sft, term: 'reinforce' }, optim);
        if (!interrupted || step !== 1) continue;
        const state = await engine.exportState();
        engine.dispose();
        engine = await start(base, livelyWeights(base, 77));
        await engine.importState(state);
      }
      const state = await engine.exportState();
      engine.dispose();
      return { rollouts, state };
    };
    const first = await run(false);
    for (const again of [await run(false), await run(true)]) {
      expect(again.rollouts).toEqual(first.rollouts);
      sameBits(again.state.weights!, first.state.weights!);
      sameBits(again.state.moments!.second, first.state.moments!.second);
      expect(again.state.optimSteps).toBe(3);
    }
  });

  it('draws the same for a row alone and among others, and goes on alone when others have ended', async () => {
    const engine = await start();
    const prompts = [Int32Array.of(3, 5, 8), Int32Array.of(2), Int32Array.of(7, 7)];
    const all = await engine.generate({ prompts, repeats: 3, sampling });
    const seen: number[] = [];
    const alone = await engine.generate({ prompts: [prompts[1]!], repeats: 1, sampling: { ...sampling, firstRow: 4 } }, ({ tokens }) =>
      seen.push(tokens[0]!),
    );
    const completion = (r: typeof all, row: number) => [
      ...r.tokens.subarray(row * r.width + r.promptLengths[row]!, row * r.width + r.lengths[row]!),
    ];
    expect(completion(alone, 0)).toEqual(completion(all, 4));
    expect(seen).toEqual(completion(alone, 0));
    for (let row = 0; row < all.rows; row++) {
      const tokens = completion(all, row);
      expect(all.ended[row], `row ${row} ended`).toBe(tokens.at(-1) === 0 ? 1 : 0);
      expect(tokens.slice(0, -1)).not.toContain(0);
      if (!all.ended[row]) expect(tokens.length).toBe(sampling.maxNewTokens);
    }
  });

  it('decodes greedily what the reference ranks first, and stops at the last position', async () => {
    const engine = await start({ ...base, maxPositions: 9 });
    const prompt = Int32Array.of(3, 5, 8);
    const greedy = await engine.generate({
      prompts: [prompt],
      repeats: 1,
      sampling: { ...sampling, temperature: 0, maxNewTokens: 50, eosIds: [] },
    });
    expect([greedy.lengths[0], greedy.ended[0]]).toEqual([9, 0]);
    const tokens = [...prompt];
    while (tokens.length < 9) {
      const logits = referenceLogits(base, livelyWeights(base, 5), tokens).at(-1)!;
      tokens.push(logits.indexOf(Math.max(...logits)));
    }
    expect([...greedy.tokens]).toEqual(tokens);
  });

  it('keeps the reference while the policy moves', async () => {
    const engine = await start();
    const batch = batchOf(base);
    await expect(engine.score(batch, { temperature: 1, policy: 'reference' })).rejects.toThrow(/setReference/);
    await expect(engine.advantages(Float32Array.of(1, 0), 1, 'group-std')).rejects.toThrow(/group size to 2/);
    await engine.setReference();
    const before = await engine.score(batch, { temperature: 1, policy: 'current' });
    await engine.step(batch, sft, optim);
    expect(await engine.score(batch, { temperature: 1, policy: 'reference' })).toEqual(before);
    expect(await engine.score(batch, { temperature: 1, policy: 'current' })).not.toEqual(before);
  });

  it('takes calls one after the other', async () => {
    const engine = await start();
    const request = { prompts: [Int32Array.of(3, 5)], repeats: 2, sampling: { ...sampling, eosIds: [] } };
    const expected = await engine.generate(request);
    const [rollouts, , moved] = await Promise.all([
      engine.generate(request),
      engine.step(batchOf(base), sft, optim),
      engine.generate(request),
    ]);
    expect(rollouts).toEqual(expected);
    expect(moved.logprobs).not.toEqual(expected.logprobs);
  });

  it('stops when asked to', async () => {
    const engine = await start();
    const stop = new AbortController();
    const generation = engine.generate(
      { prompts: [Int32Array.of(1)], repeats: 1, sampling: { ...sampling, eosIds: [], maxNewTokens: 20 }, signal: stop.signal },
      ({ position }) => {
        if (position === 1) stop.abort();
      },
    );
    const error: unknown = await generation.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(labErrorCode(error)).toBe('cancelled');
    expect(await engine.logits(Int32Array.of(1))).toHaveLength(base.vocabSize); // still usable
  });
}
