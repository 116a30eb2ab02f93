/**
 * Draws one token from one row of logits, on the host. shaders/decode/sampler.wgsl is the same on the GPU: same float32
 * operations in the same order, and one counter-based uniform per token, so that the draws agree up to the last bit of
 * `exp`. It is used by the `cpu` and `wasm` backends, and wherever a distribution is shown.
 *
 * Filters in transformers' order: temperature, top-k (ties with the k-th are kept), top-p (the smallest set whose
 * probability reaches p, ties kept, at least one token), min-p (at least minP times the largest probability).
 * Then the inverse of the cumulative distribution in vocabulary order. log-prob and entropy are those of the tempered
 * full distribution, before the filters; at temperature 0 (greedy, lowest id wins ties) those of temperature 1.
 */
import workgroup from '../../shaders/lib/workgroup.wgsl';
import type { Sampling } from './engine.ts';

/** Sums run over this many consecutive chunks of the vocabulary, then over the chunks: the lanes of a workgroup. */
export const samplerLanes = workgroup.constants.LANES;

export type Filters = Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP'>;

export interface TokenDistribution {
  /** [V] exp of the shifted, tempered logits; 0 where filtered away. Not normalised. */
  readonly weights: Float32Array;
  /** Index of the largest logit, the lowest of equals. */
  readonly argmax: number;
  /** [V] log-probs over the full vocabulary. */
  readonly logprobs: Float32Array;
  /** nats, over the full vocabulary */
  readonly entropy: number;
}

/** What a row of logits [V] may become under the filters. */
export function tokenDistribution(logits: Float32Array, filters: Filters): TokenDistribution {
  const size = logits.length;
  let argmax = 0;
  for (let i = 1; i < size; i++) if (logits[i]! > logits[argmax]!) argmax = i;
  const max = logits[argmax]!;
  const inverse = Math.fround(filters.temperature > 0 ? 1 / filters.temperature : 1);
  const z = logits.map((x) => Math.fround(x - max) * inverse);
  const weights = z.map((value) => Math.exp(value));
  const total = chunkedSum(size, (i) => weights[i]!);
  const logSum = Math.fround(Math.log(total));
  const weighted = chunkedSum(size, (i) => Math.fround(weights[i]! * z[i]!));
  const entropy = Math.fround(logSum - Math.fround(weighted / total));
  const logprobs = z.map((value) => value - logSum);

  if (filters.topK > 0 && filters.topK < size) {
    const keys = orderedKeys(logits);
    dropBelow(weights, keys, topKThreshold(keys, filters.topK));
  }
  if (filters.topP < 1) {
    const keys = orderedKeys(logits);
    dropBelow(weights, keys, Math.min(topPThreshold(weights, keys, filters.topP), keys[argmax]!));
  }
  const least = Math.fround(filters.minP);
  if (least > 0) for (let i = 0; i < size; i++) if (weights[i]! < least && i !== argmax) weights[i] = 0;
  return { weights, argmax, logprobs, entropy };
}

/** The token whose stretch of the cumulative distribution holds `uniform`, in [0, 1). Tokens of weight 0 are never drawn. */
export function drawToken(weights: Float32Array, uniform: number): number {
  const size = weights.length;
  const chunk = Math.ceil(size / samplerLanes);
  const target = Math.fround(uniform * chunkedSum(size, (i) => weights[i]!));
  let before = 0;
  let last = 0;
  for (let start = 0; start < size; start += chunk) {
    const end = Math.min(start + chunk, size);
    let sum = 0;
    for (let i = start; i < end; i++) {
      sum = Math.fround(sum + weights[i]!);
      if (weights[i]! > 0) last = i;
    }
    if (Math.fround(before + sum) > target) {
      let reached = before;
      for (let i = start; i < end; i++) {
        reached = Math.fround(reached + weights[i]!);
        if (weights[i]! > 0 && reached > target) return i;
      }
      return last;
    }
    before = Math.fround(before + sum);
  }
  return last; // rounding put the target on the very end
}

/** Sum in float32: each chunk from its start, then the chunks. */
function chunkedSum(size: number, value: (index: number) => number): number {
  const chunk = Math.ceil(size / samplerLanes);
  let total = 0;
  for (let start = 0; start < size; start += chunk) {
    let sum = 0;
    for (let i = start; i < Math.min(start + chunk, size); i++) sum = Math.fround(sum + value(i));
    total = Math.fround(total + sum);
  }
  return total;
}

/** Unsigned integers that order as the floats do. */
function orderedKeys(values: Float32Array): Uint32Array {
  const floats = values.map((value) => (value === 0 ? 0 : value)); // one zero, not two
  return new Uint32Array(floats.buffer).map((bits) => (bits & 0x80000000 ? ~bits : bits | 0x80000000));
}

function dropBelow(weights: Float32Array, keys: Uint32Array, threshold: number): void {
  for (let i = 0; i < weights.length; i++) if (keys[i]! < threshold) weights[i] = 0;
}

/** The k-th largest key. */
function topKThreshold(keys: Uint32Array, k: number): number {
  return keys.slice().sort()[keys.length - k]!;
}

/** The largest key below which at most 1 - p of the weight lies, bit by bit from the top as on the GPU. */
function topPThreshold(weights: Float32Array, keys: Uint32Array, p: number): number {
  const size = keys.length;
  const outside = Math.fround(Math.fround(1 - Math.fround(p)) * chunkedSum(size, (i) => weights[i]!));
  let key = 0;
  for (let bit = 31; bit >= 0; bit--) {
    const candidate = (key | (1 << bit)) >>> 0;
    if (chunkedSum(size, (i) => (keys[i]! < candidate ? weights[i]! : 0)) <= outside) key = candidate;
  }
  return key;
}
