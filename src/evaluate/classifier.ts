/**
 * A text classifier: TF-IDF of character n-grams and multinomial logistic regression, for guessing who is speaking. As in
 * scikit-learn's TfidfVectorizer(sublinear_tf) and LogisticRegression, small and deterministic: the same texts give the same
 * classifier, bit for bit, in any browser. It is not made for large corpora.
 */
import { breathe } from '../engine/breathe.ts';
import { LabError } from '../errors.ts';
import { stopped } from './replies.ts';

export interface Classifier {
  /** In the order of their first appearance. */
  readonly classes: readonly string[];
  /** [classes] that sum to 1; equal for all of them but for the prior where the text has no known n-gram. */
  probabilities(text: string): Float64Array;
  predict(text: string): string;
}

export interface ClassifierOptions {
  /** Shortest and longest n-gram, in characters. */
  readonly shortest: number;
  readonly longest: number;
  /** n-grams kept, those of most texts first; all are in at least two texts. */
  readonly features: number;
  /** Weight of |W|²/2 beside the mean cross-entropy; the biases are free. */
  readonly decay: number;
  /** At most so many, and no more once no slope is steeper than `tolerance`. */
  readonly iterations: number;
  readonly tolerance: number;
}

export const classifierDefaults: ClassifierOptions = {
  shortest: 2,
  longest: 4,
  features: 3000,
  decay: 1e-3,
  iterations: 200,
  tolerance: 1e-4,
};

/** A long text is known by its beginning: 44 classes of 16 texts are learnt in seconds then. */
const maxCharacters = 500;

/** A text as its features: ascending indices and weights of length 1 together. */
interface Sparse {
  readonly indices: Int32Array;
  readonly values: Float64Array;
}

/**
 * Lets messages in while it learns, which takes a second or more.
 * @throws LabError 'config' where there are not two classes to tell apart, 'cancelled' when the signal is aborted
 */
export async function trainClassifier(
  samples: readonly { readonly text: string; readonly label: string }[],
  options: Partial<ClassifierOptions> = {},
  signal?: AbortSignal,
): Promise<Classifier> {
  const settings = { ...classifierDefaults, ...options };
  const classes = [...new Set(samples.map(({ label }) => label))];
  if (classes.length < 2) {
    const there = classes.length === 0 ? 'there is no text' : 'all texts are of one class';
    throw new LabError('config', `A classifier has to tell classes apart, and ${there}.`, 'Give texts of at least two classes.');
  }
  const vectoriser = new Vectoriser(
    samples.map(({ text }) => text),
    settings,
  );
  const rows = samples.map(({ text }) => vectoriser.vector(text));
  const labels = samples.map(({ label }) => classes.indexOf(label));
  const fitted = await fit(rows, labels, classes.length, vectoriser.size, settings, signal);
  const probabilities = (text: string) => softmax(logits(vectoriser.vector(text), fitted, classes.length));
  return {
    classes,
    probabilities,
    predict(text) {
      const p = probabilities(text);
      return classes[p.indexOf(Math.max(...p))]!;
    },
  };
}

class Vectoriser {
  readonly #index = new Map<string, number>();
  /** ln((1 + texts) / (1 + texts with it)) + 1 */
  readonly #idf: Float64Array;
  readonly #settings: ClassifierOptions;

  constructor(texts: readonly string[], settings: ClassifierOptions) {
    this.#settings = settings;
    const seenIn = new Map<string, number>();
    for (const text of texts) for (const gram of this.#grams(text).keys()) seenIn.set(gram, (seenIn.get(gram) ?? 0) + 1);
    const kept = [...seenIn]
      .filter(([, count]) => count > 1)
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, settings.features);
    this.#idf = Float64Array.from(kept, ([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1);
    kept.forEach(([gram], i) => this.#index.set(gram, i));
  }

  get size(): number {
    return this.#idf.length;
  }

  vector(text: string): Sparse {
    const entries: [number, number][] = [];
    for (const [gram, count] of this.#grams(text)) {
      const i = this.#index.get(gram);
      if (i !== undefined) entries.push([i, (1 + Math.log(count)) * this.#idf[i]!]);
    }
    entries.sort(([a], [b]) => a - b);
    const length = Math.sqrt(entries.reduce((sum, [, value]) => sum + value ** 2, 0));
    return { indices: Int32Array.from(entries, ([i]) => i), values: Float64Array.from(entries, ([, value]) => value / length) };
  }

  #grams(text: string): Map<string, number> {
    const { shortest, longest } = this.#settings;
    const counts = new Map<string, number>();
    const padded = ` ${text.slice(0, maxCharacters).toLowerCase().replace(/\s+/g, ' ').trim()} `;
    for (let n = shortest; n <= longest; n++) {
      for (let i = 0; i + n <= padded.length; i++) {
        const gram = padded.slice(i, i + n);
        counts.set(gram, (counts.get(gram) ?? 0) + 1);
      }
    }
    return counts;
  }
}

/**
 * Minimises mean cross-entropy + decay |W|²/2, which is convex: Nesterov's accelerated descent, started again whenever the momentum
 * points uphill (O'Donoghue and Candès 2015). The Hessian of softmax is at most 1/2, hence the step.
 */
async function fit(
  rows: readonly Sparse[],
  labels: readonly number[],
  classes: number,
  features: number,
  settings: ClassifierOptions,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const size = classes * (features + 1);
  const step = 1 / (largestEigenvalue(rows, features) / 2 + settings.decay);
  let current = new Float64Array(size);
  let ahead = current.slice();
  let momentum = 1;
  for (let iteration = 0; iteration < settings.iterations; iteration++) {
    await breathe();
    if (signal?.aborted) throw stopped();
    const slope = gradient(rows, labels, classes, features, ahead, settings.decay);
    const next = ahead.map((value, i) => value - step * slope[i]!);
    let uphill = 0;
    let steepest = 0;
    for (let i = 0; i < size; i++) {
      uphill += slope[i]! * (next[i]! - current[i]!);
      steepest = Math.max(steepest, Math.abs(slope[i]!));
    }
    const faster = uphill > 0 ? 1 : (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2;
    const carry = uphill > 0 ? 0 : (momentum - 1) / faster;
    ahead = next.map((value, i) => value + carry * (value - current[i]!));
    current = next;
    momentum = faster;
    if (steepest < settings.tolerance) break;
  }
  return current;
}

/** Of X'X / n, each row of X with a 1 for the bias: by power iteration, and a tenth more because that comes from below. */
function largestEigenvalue(rows: readonly Sparse[], features: number): number {
  let vector = new Float64Array(features + 1).fill(1);
  let value = 1;
  for (let iteration = 0; iteration < 30; iteration++) {
    const image = new Float64Array(features + 1);
    for (const { indices, values } of rows) {
      let product = vector[features]!;
      for (let j = 0; j < indices.length; j++) product += vector[indices[j]!]! * values[j]!;
      for (let j = 0; j < indices.length; j++) image[indices[j]!]! += product * values[j]!;
      image[features]! += product;
    }
    value = Math.sqrt(image.reduce((sum, x) => sum + x * x, 0));
    vector = image.map((x) => x / value);
    value /= rows.length;
  }
  return 1.1 * value;
}

/**
 * @param at [features + 1, classes] the weights, then the biases: the classes of a feature side by side, which is what the loops run over
 * @returns the same shape
 */
function gradient(
  rows: readonly Sparse[],
  labels: readonly number[],
  classes: number,
  features: number,
  at: Float64Array,
  decay: number,
): Float64Array {
  const slope = at.map((value, i) => (i < features * classes ? decay * value : 0));
  rows.forEach((row, r) => {
    const error = softmax(logits(row, at, classes));
    error[labels[r]!]! -= 1;
    for (let c = 0; c < classes; c++) error[c]! /= rows.length;
    const { indices, values } = row;
    for (let j = 0; j < indices.length; j++) {
      const first = indices[j]! * classes;
      const value = values[j]!;
      for (let c = 0; c < classes; c++) slope[first + c] = slope[first + c]! + error[c]! * value;
    }
    for (let c = 0; c < classes; c++) slope[features * classes + c]! += error[c]!;
  });
  return slope;
}

/** @param at as in `gradient` @returns [classes] */
function logits({ indices, values }: Sparse, at: Float64Array, classes: number): Float64Array {
  const out = at.slice(at.length - classes);
  for (let j = 0; j < indices.length; j++) {
    const first = indices[j]! * classes;
    const value = values[j]!;
    for (let c = 0; c < classes; c++) out[c] = out[c]! + at[first + c]! * value;
  }
  return out;
}

/** In place. */
function softmax(values: Float64Array): Float64Array {
  const max = Math.max(...values);
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] = Math.exp(values[i]! - max);
  for (let i = 0; i < values.length; i++) values[i]! /= total;
  return values;
}
