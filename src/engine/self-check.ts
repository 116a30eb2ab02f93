/**
 * Whether an engine computes what it should, on this machine: a fixed tiny policy with every part of the family in it, its logits, two
 * sampled rows and one training step, against stored numbers. A driver or a compiler with a fault gives wrong numbers without an error,
 * and nobody would see it in a curve. It takes well under a second, and is done once for an adapter and a version of the program.
 *
 * The numbers in `self-check.json` are those of the float64 reference and, where it has none (the gradient's norm, parameters after the
 * step), of the portable engine on `cpu`; tests/unit/self-check.test.ts makes them again and compares.
 */
import type { PolicyConfig } from '../policy/config.ts';
import { parameterShapes } from '../policy/config.ts';
import type { Weights } from '../policy/weights.ts';
import { Stream } from '../random/counter.ts';
import type { BackendName, EngineName, GenerateRequest, ObjectiveSpec, OptimSpec, PolicyEngine, TrainBatch } from './engine.ts';
import references from './self-check.json';

/** Grouped queries, biases, q/k norms, a tied head; no size is a power of two that hides an edge. */
export const checkConfig: PolicyConfig = {
  family: 'qwen3',
  vocabSize: 37,
  hiddenSize: 24,
  intermediateSize: 40,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  maxPositions: 48,
  rmsNormEps: 1e-5,
  ropeTheta: 100,
  ropeScaling: null,
  tied: true,
  qkvBias: true,
  qkNorm: true,
  bosId: null,
  eosIds: [0],
  padId: null,
};

/** Weights in which everything matters: matrices wide enough to move the softmaxes, norms away from 1, biases away from 0. */
export function checkWeights(): Weights {
  return Object.fromEntries(
    parameterShapes(checkConfig).map(({ name, shape }, index) => {
      const stream = new Stream(7, 0x5e1f, 0, index);
      const size = shape.reduce((total, n) => total * n, 1);
      const [centre, spread] = name.endsWith('norm.weight') ? [1, 0.2] : shape.length === 1 ? [0, 0.5] : [0, 1 / Math.sqrt(shape[1]!)];
      return [name, Float32Array.from({ length: size }, () => centre + spread * stream.normal())];
    }),
  );
}

const prompt = Int32Array.of(3, 31, 8, 22, 17, 5, 36, 12, 9, 28, 1);

export const checkRequest: GenerateRequest = {
  prompts: [prompt],
  repeats: 2,
  sampling: { temperature: 0.9, topK: 0, topP: 1, minP: 0, maxNewTokens: 6, eosIds: [0], seed: 35, step: 3, firstRow: 0 },
};

const rows = [
  { prompt: 5, tokens: [4, 19, 33, 7, 26, 14, 2, 30, 11] },
  { prompt: 5, tokens: [4, 19, 33, 7, 26, 8, 12, 5] },
  { prompt: 3, tokens: [21, 6, 35, 16, 24, 10] },
];
const width = 9;
const completionWidth = 4;

/** Three rows of different lengths, two with one prompt, which some engines compute once; one token masked away, ratios on both sides of the clip. */
export function checkBatch(): TrainBatch {
  const tokens = new Int32Array(rows.length * width);
  rows.forEach((row, r) => tokens.set(row.tokens, r * width));
  return {
    rows: rows.length,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(rows, (row) => row.prompt),
    lengths: Int32Array.from(rows, (row) => row.tokens.length),
    mask: Uint8Array.of(1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0),
    advantages: Float32Array.of(0.75, 1.5, -1.25),
    rowWeights: new Float32Array(3).fill(1 / 9),
    oldLogprobs: Float32Array.of(-3.9, -3.1, -4, -2.8, -4.2, -3, -3.8, 0, -4.6, -3.3, -4.1, 0),
    refLogprobs: Float32Array.of(-3.5, -3.4, -4, -3.2, -3.9, -3.3, -3.6, 0, -4.1, -3.8, -3.7, 0),
  };
}

export const checkObjective: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.28,
  beta: 0.05,
  kl: 'k3',
  entropyCoef: 0.01,
  temperature: 0.9,
};

/** An epsilon as large as the gradients, so that the first step of AdamW tells their sizes and not their signs alone. */
export const checkOptim: OptimSpec = {
  learningRate: 0.05,
  beta1: 0.9,
  beta2: 0.95,
  eps: 0.02,
  weightDecay: 0.1,
  maxGradNorm: 0.5,
  microBatchRows: 0,
};

/** What an engine computes of all that, by name. */
export type CheckNumbers = Readonly<Record<keyof typeof references, readonly number[]>>;

/** Which parameters are looked at after the step: [tensor, index]. */
export const checkedParameters: readonly (readonly [string, number])[] = parameterShapes(checkConfig).map(({ name, shape }, i) => [
  name,
  (i * 13 + 5) % shape.reduce((total, n) => total * n, 1),
]);

/** @param engine made of `checkConfig` and `checkWeights` */
export async function checkNumbers(engine: PolicyEngine): Promise<CheckNumbers> {
  const logits = await engine.logits(prompt);
  const rollouts = await engine.generate(checkRequest);
  const metrics = await engine.step(checkBatch(), checkObjective, checkOptim);
  const { weights } = await engine.exportState();
  return {
    logits: [...logits],
    tokens: [...rollouts.tokens],
    logprobs: [...rollouts.logprobs],
    loss: [metrics.loss],
    gradientNorm: [metrics.gradNorm],
    parameters: checkedParameters.map(([name, index]) => weights![name]![index]!),
  };
}

/** How far a GPU's float32 may be from the reference; a kernel with a fault is further away by far. */
const tolerances: Readonly<Record<keyof CheckNumbers, number>> = {
  logits: 2e-3,
  tokens: 0,
  logprobs: 2e-3,
  loss: 1e-3,
  gradientNorm: 5e-3,
  parameters: 1e-3,
};

const words: Readonly<Record<keyof CheckNumbers, string>> = {
  logits: 'logits',
  tokens: 'sampled tokens',
  logprobs: 'log-probs of the sampled tokens',
  loss: 'loss of a training step',
  gradientNorm: 'gradient norm of a training step',
  parameters: 'parameters after a training step',
};

export interface Finding {
  readonly what: string;
  readonly passed: boolean;
  /** Largest difference from the reference, and what is allowed; null where a number is missing or not finite. */
  readonly difference: number | null;
  readonly tolerance: number;
  /** The number that is furthest away. */
  readonly expected: number;
  readonly found: number | null;
}

export interface SelfCheck {
  readonly engine: EngineName;
  readonly backend: BackendName;
  readonly adapter: string | null;
  readonly passed: boolean;
  readonly milliseconds: number;
  readonly findings: readonly Finding[];
  /** What was thrown on the way; null where all was computed. */
  readonly failure: string | null;
}

/**
 * Each group of numbers against its reference: passed where the largest absolute difference is within the tolerance and none is missing.
 */
export function compare(found: CheckNumbers): Finding[] {
  return (Object.keys(tolerances) as (keyof CheckNumbers)[]).map((name) => {
    const expected: readonly number[] = references[name];
    const differences = expected.map((value, i) => Math.abs((found[name][i] ?? NaN) - value));
    const worst = differences.reduce((at, difference, i) => (difference > differences[at]! || Number.isNaN(difference) ? i : at), 0);
    const difference = Number.isFinite(differences[worst]) ? differences[worst]! : null;
    const complete = found[name].length === expected.length && difference !== null;
    const passed = complete && difference <= tolerances[name];
    const value = found[name][worst];
    return {
      what: words[name],
      passed,
      difference,
      tolerance: tolerances[name],
      expected: expected[worst]!,
      found: Number.isFinite(value) ? value! : null,
    };
  });
}

/** @param make an engine of the kind that is checked; it is disposed here */
export async function selfCheck(
  { engine, backend, adapter }: { readonly engine: EngineName; readonly backend: BackendName; readonly adapter: string | null },
  make: (config: PolicyConfig, weights: Weights) => Promise<PolicyEngine>,
): Promise<SelfCheck> {
  const started = performance.now();
  let findings: Finding[] = [];
  let failure: string | null = null;
  let made: PolicyEngine | null = null;
  try {
    made = await make(checkConfig, checkWeights());
    findings = compare(await checkNumbers(made));
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  try {
    made?.dispose();
  } catch {
    // What failed cannot always be tidied up.
  }
  const passed = failure === null && findings.every((finding) => finding.passed);
  return { engine, backend, adapter, passed, milliseconds: performance.now() - started, findings, failure };
}

/** One sentence: what was checked and how it came out. */
export function checkSentence({ engine, backend, adapter, passed, milliseconds, findings, failure }: SelfCheck): string {
  const subject = `The self-check of ${engine} on ${backend}${adapter ? ` (${adapter})` : ''}`;
  if (passed) return `${subject} passed in ${(milliseconds / 1000).toFixed(2)} s.`;
  if (failure !== null) return `${subject} failed: ${failure}`;
  const wrong = findings.find((finding) => !finding.passed)!;
  return `${subject} failed: ${wrong.what} should be ${wrong.expected.toPrecision(6)} and came out as ${wrong.found?.toPrecision(6) ?? 'no number'}.`;
}

/** Everything that is known about it, to be sent to the project. */
export function checkReport(check: SelfCheck, program: string): string {
  const about = { program, agent: (globalThis.navigator as Navigator | undefined)?.userAgent ?? 'none' };
  return `${checkSentence(check)}\n\n${JSON.stringify({ ...about, ...check }, null, 2)}\n`;
}
