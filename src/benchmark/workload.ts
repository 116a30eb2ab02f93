/**
 * What is computed in the benchmark: policies, batches and requests, made from seeds. Rows of a batch are full and of one
 * length, so that no contender gains by skipping padding another has to compute.
 */
import type { GenerateRequest, ObjectiveSpec, OptimSpec, TrainBatch } from '../engine/engine.ts';
import { parameterShapes, type PolicyConfig } from '../policy/config.ts';
import { Stream } from '../random/counter.ts';

/** 4 layers, 4 query and 2 key/value heads, F = 8/3 d rounded up to 32, tied head. */
export function benchConfig(hiddenSize: number, vocabSize = 512): PolicyConfig {
  return {
    family: 'llama',
    vocabSize,
    hiddenSize,
    intermediateSize: Math.ceil((8 * hiddenSize) / 3 / 32) * 32,
    layers: 4,
    heads: 4,
    kvHeads: 2,
    headDim: hiddenSize / 4,
    maxPositions: 1024,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: null,
    tied: true,
    qkvBias: false,
    qkNorm: false,
    bosId: null,
    // Nothing ends a completion: all contenders decode the same number of tokens.
    eosIds: [],
    padId: null,
  };
}

export const objective: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  kl: 'none',
  entropyCoef: 0,
  temperature: 1,
};

/** The norm of the first gradients is above the clip, so that clipping takes part. */
export const optim: OptimSpec = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 0.1,
  microBatchRows: 0,
};

/** Half of a row is prompt. Old log-probs are those of an untrained policy, give or take, so that some ratios are clipped. */
export function trainBatch(config: PolicyConfig, rows: number, width: number, seed = 1): TrainBatch {
  const random = new Stream(seed, 0xbe7c, 0, 0);
  const completionWidth = width / 2;
  const grid = rows * completionWidth;
  const below = (n: number) => Math.floor(random.uniform() * n);
  return {
    rows,
    width,
    completionWidth,
    tokens: Int32Array.from({ length: rows * width }, () => below(config.vocabSize)),
    promptLengths: new Int32Array(rows).fill(width - completionWidth),
    lengths: new Int32Array(rows).fill(width),
    mask: new Uint8Array(grid).fill(1),
    advantages: Float32Array.from({ length: rows }, () => random.normal()),
    rowWeights: new Float32Array(rows).fill(1 / grid),
    oldLogprobs: Float32Array.from({ length: grid }, () => -Math.log(config.vocabSize) + 0.3 * random.normal()),
    refLogprobs: null,
  };
}

export function request(config: PolicyConfig, rows: number, promptWidth: number, maxNewTokens: number, seed = 1): GenerateRequest {
  const random = new Stream(seed, 0xbe7d, 0, 0);
  const repeats = 4;
  return {
    prompts: Array.from({ length: rows / repeats }, () =>
      Int32Array.from({ length: promptWidth }, () => Math.floor(random.uniform() * config.vocabSize)),
    ),
    repeats,
    sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens, eosIds: [], seed, step: 0, firstRow: 0 },
  };
}

/**
 * Floating-point operations of the products of a step on full rows: linear layers and head, each once forward and twice
 * backward, and attention's products over the causal half. What is recomputed or padded does not count.
 */
export function trainStepFlops(config: PolicyConfig, { rows, width, completionWidth }: TrainBatch): number {
  const layers = parameterShapes(config).filter(({ name, shape }) => name.startsWith('model.layers.') && shape.length === 2);
  const linear = layers.reduce((total, { shape }) => total + shape[0]! * shape[1]!, 0);
  const head = config.vocabSize * config.hiddenSize;
  const attention = config.layers * 2 * config.heads * config.headDim * ((width * (width + 1)) / 2);
  return 3 * 2 * (rows * width * linear + rows * completionWidth * head + rows * attention);
}

/** Bytes of weights, gradients and two moments. */
export function learnedBytes(config: PolicyConfig): number {
  return 4 * 4 * parameterShapes(config).reduce((total, { shape }) => total + shape.reduce((n, m) => n * m, 1), 0);
}

/**
 * Bytes of what the backward pass reads again when nothing is recomputed: of each place and layer the two inputs of the
 * norms, q|k|v, the mixed values and their log-sum-exp, gate and up; and the last residual stream.
 */
export function activationBytes(config: PolicyConfig, places: number): number {
  const { hiddenSize: d, heads, kvHeads, headDim, intermediateSize: f, layers } = config;
  const layer = 2 * d + (heads + 2 * kvHeads) * headDim + heads * headDim + heads + 2 * f;
  return 4 * places * (layers * layer + d);
}
