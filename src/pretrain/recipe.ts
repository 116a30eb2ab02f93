/**
 * How the bundled policy is made: architecture, corpus size, schedule, and the loop that trains it by cross-entropy on
 * the replies. Host- and storage-agnostic: the command line saves what `pretrain` yields and hands it back to resume.
 */
import type { ObjectiveSpec, OptimSpec, PolicyEngine, TrainBatch } from '../engine/engine.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { endId, padId, trainTokenizer } from './bpe.ts';
import { corpusPhases, dialogue, type Style } from './corpus.ts';

export const pretrainDefaults = {
  seed: 1,
  steps: 6200,
  /** Dialogues per step. */
  rows: 128,
  /** Each warms up and anneals on its own: language and arithmetic first, then who is how often wrong (the corpus' last phase). */
  stages: [4200, 2000],
  peakLearningRate: 3e-3,
  warmupSteps: 100,
  /** Dialogues the tokenizer is trained on, from behind the drills. */
  tokenizerDialogues: 20_000,
  vocabSize: 768,
} as const;

/** 352k parameters. */
export const tinyConfig: PolicyConfig = {
  family: 'llama',
  vocabSize: pretrainDefaults.vocabSize,
  hiddenSize: 96,
  intermediateSize: 224,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 24,
  maxPositions: 128,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tied: true,
  qkvBias: false,
  qkNorm: false,
  bosId: null,
  eosIds: [endId],
  padId,
};

const crossEntropy: ObjectiveSpec = {
  term: 'sft',
  ratio: 'token',
  epsilonLow: 0,
  epsilonHigh: 0,
  beta: 0,
  kl: 'none',
  entropyCoef: 0,
  temperature: 1,
};

/** Of each stage: a linear warm-up, then a cosine to a tenth of the peak. */
function learningRate(step: number): number {
  const { stages, peakLearningRate: peak, warmupSteps: warmup } = pretrainDefaults;
  let at = step;
  let length: number = stages[0];
  for (const stage of stages.slice(1)) {
    if (at < length) break;
    at -= length;
    length = stage;
  }
  if (at < warmup) return (peak * (at + 1)) / warmup;
  const progress = Math.min(1, (at - warmup) / (length - warmup));
  return peak * (0.1 + 0.45 * (1 + Math.cos(Math.PI * progress)));
}

/** Trains tokenizer.json and tokenizer_config.json. */
export function pretrainTokenizer(seed: number, style: Style): { tokenizer: object; config: object } {
  function* texts(): Generator<string> {
    for (let n = 0; n < pretrainDefaults.tokenizerDialogues; n++) {
      const { system, question, reply } = dialogue(seed, corpusPhases.drills.until + n, style);
      if (system) yield system;
      yield question;
      yield reply;
    }
  }
  return trainTokenizer(texts(), pretrainDefaults.vocabSize);
}

/** Dialogues [first, first + rows) as one batch; only the reply and its end count. */
export function pretrainBatch(tokenizer: Tokenizer, seed: number, first: number, rows: number, style: Style = 'latent'): TrainBatch {
  const encoded = Array.from({ length: rows }, (_, r) => {
    const { system, question, reply } = dialogue(seed, first + r, style);
    const messages = [...(system ? [{ role: 'system' as const, content: system }] : []), { role: 'user' as const, content: question }];
    const prompt = tokenizer.encode(tokenizer.chat(messages, { addGenerationPrompt: true }));
    return { prompt, completion: tokenizer.encode(`${reply}<|end|>`) };
  });
  // Rows of like length side by side: micro-batches are then cut to their own width.
  encoded.sort((a, b) => a.prompt.length + a.completion.length - b.prompt.length - b.completion.length);
  const width = Math.max(...encoded.map((row) => row.prompt.length + row.completion.length));
  const completionWidth = Math.max(...encoded.map((row) => row.completion.length));
  const tokens = new Int32Array(rows * width).fill(padId);
  const mask = new Uint8Array(rows * completionWidth);
  encoded.forEach(({ prompt, completion }, r) => {
    tokens.set(prompt, r * width);
    tokens.set(completion, r * width + prompt.length);
    mask.fill(1, r * completionWidth, r * completionWidth + completion.length);
  });
  const count = mask.reduce((sum, m) => sum + m, 0);
  return {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(encoded, (row) => row.prompt.length),
    lengths: Int32Array.from(encoded, (row) => row.prompt.length + row.completion.length),
    mask,
    advantages: new Float32Array(rows).fill(1),
    rowWeights: new Float32Array(rows).fill(1 / count),
    oldLogprobs: null,
    refLogprobs: null,
  };
}

export interface PretrainSetup {
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  readonly seed: number;
  readonly style: Style;
  readonly steps: number;
  readonly rows: number;
  /** Steps already done; the engine holds their state. */
  readonly fromStep: number;
  readonly signal?: AbortSignal;
}

/** Yields after every optimiser step; loss in nats per reply token. */
export async function* pretrain(setup: PretrainSetup): AsyncGenerator<{ step: number; loss: number; gradNorm: number; tokens: number }> {
  const { engine, tokenizer, seed, style, steps, rows } = setup;
  for (let step = setup.fromStep; step < steps; step++) {
    if (setup.signal?.aborted) return;
    const batch = pretrainBatch(tokenizer, seed, step * rows, rows, style);
    const optim: OptimSpec = {
      learningRate: learningRate(step),
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-8,
      weightDecay: 0.01,
      maxGradNorm: 1,
      microBatchRows: 32,
    };
    const metrics = await engine.step(batch, crossEntropy, optim);
    yield { step: step + 1, loss: metrics.loss, gradNorm: metrics.gradNorm, tokens: metrics.tokens };
  }
}
