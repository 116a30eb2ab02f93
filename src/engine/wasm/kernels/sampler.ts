/**
 * Draws one token from a row of logits [V]: src/engine/sampler.ts (the definition) in WebAssembly, with the same float32 operations in the same order
 * except that exp is this folder's, so that draws agree up to its last bits. Filters: temperature, top-k, top-p, min-p; then the inverse of the
 * cumulative distribution in vocabulary order. log-prob and entropy are those of the tempered, unfiltered distribution.
 * Test: tests/unit/wasm-kernels.test.ts
 */
import { exp4, log1 } from './math';

/** Sums run over so many consecutive chunks of the vocabulary, then over the chunks. */
const lanes: i32 = 64;

/**
 * @param weights @param keys scratch [V], readable and writable up to three numbers beyond  @param greedy 1: the likeliest, the lowest of equals
 * @param inverse 1 / temperature, rounded to float32  @param outside 1 - top-p, rounded after either step; 0: off
 * @param logprob where log-prob and entropy are stored
 * @returns the token
 */
export function sample(
  v: i32,
  logits: usize,
  weights: usize,
  keys: usize,
  greedy: i32,
  inverse: f32,
  topK: i32,
  outside: f32,
  minP: f32,
  uniform: f32,
  logprob: usize,
): i32 {
  let argmax = 0;
  let most = load<f32>(logits);
  for (let i = 1; i < v; i++) {
    const x = load<f32>(logits + ((<usize>i) << 2));
    if (x > most) {
      most = x;
      argmax = i;
    }
  }
  const m = f32x4.splat(most);
  const t = f32x4.splat(inverse);
  for (let i: usize = 0; i < <usize>v; i += 4)
    v128.store(weights + (i << 2), exp4(f32x4.mul(f32x4.sub(v128.load(logits + (i << 2)), m), t)));

  const chunk = (v + lanes - 1) / lanes;
  let total: f32 = 0;
  let weighted: f32 = 0;
  for (let start = 0; start < v; start += chunk) {
    const end = min(start + chunk, v);
    let sum: f32 = 0;
    let zs: f32 = 0;
    for (let i = start; i < end; i++) {
      const w = load<f32>(weights + ((<usize>i) << 2));
      sum += w;
      zs += w * ((load<f32>(logits + ((<usize>i) << 2)) - most) * inverse);
    }
    total += sum;
    weighted += zs;
  }
  const logSum = <f32>log1(<f64>total);
  store<f32>(logprob, logSum - weighted / total, 4);

  const byK = topK > 0 && topK < v;
  if (byK || outside > 0) {
    for (let i = 0; i < v; i++) {
      let bits = reinterpret<u32>(load<f32>(logits + ((<usize>i) << 2)));
      if (bits === 0x80000000) bits = 0; // one zero, not two
      store<u32>(keys + ((<usize>i) << 2), bits & 0x80000000 ? ~bits : bits | 0x80000000);
    }
  }
  if (byK) dropBelow(v, weights, keys, keyOfRank(v, keys, topK));
  if (outside > 0) {
    const kept = keyOfWeight(v, weights, keys, outside * chunkedSum(v, chunk, weights), chunk);
    dropBelow(v, weights, keys, min(kept, load<u32>(keys + ((<usize>argmax) << 2))));
  }
  if (minP > 0) {
    for (let i = 0; i < v; i++) {
      const at = weights + ((<usize>i) << 2);
      if (load<f32>(at) < minP && i !== argmax) store<f32>(at, 0);
    }
  }
  const token = greedy === 1 ? argmax : draw(v, chunk, weights, uniform);
  store<f32>(logprob, (load<f32>(logits + ((<usize>token) << 2)) - most) * inverse - logSum);
  return token;
}

/** The token whose stretch of the cumulative distribution holds `uniform`, in [0, 1). Tokens of weight 0 are never drawn. */
function draw(v: i32, chunk: i32, weights: usize, uniform: f32): i32 {
  const target = uniform * chunkedSum(v, chunk, weights);
  let before: f32 = 0;
  let last = 0;
  for (let start = 0; start < v; start += chunk) {
    const end = min(start + chunk, v);
    let sum: f32 = 0;
    for (let i = start; i < end; i++) {
      const w = load<f32>(weights + ((<usize>i) << 2));
      sum += w;
      if (w > 0) last = i;
    }
    if (before + sum > target) {
      let reached = before;
      for (let i = start; i < end; i++) {
        const w = load<f32>(weights + ((<usize>i) << 2));
        reached += w;
        if (w > 0 && reached > target) return i;
      }
      return last;
    }
    before += sum;
  }
  return last; // rounding put the target on the very end
}

function chunkedSum(v: i32, chunk: i32, weights: usize): f32 {
  let total: f32 = 0;
  for (let start = 0; start < v; start += chunk) {
    let sum: f32 = 0;
    for (let i = start; i < min(start + chunk, v); i++) sum += load<f32>(weights + ((<usize>i) << 2));
    total += sum;
  }
  return total;
}

function dropBelow(v: i32, weights: usize, keys: usize, threshold: u32): void {
  for (let i: usize = 0; i < <usize>v; i++) if (load<u32>(keys + (i << 2)) < threshold) store<f32>(weights + (i << 2), 0);
}

/** The k-th largest key, bit by bit from the top. */
function keyOfRank(v: i32, keys: usize, k: i32): u32 {
  let key: u32 = 0;
  for (let bit = 31; bit >= 0; bit--) {
    const candidate = key | (1 << bit);
    let above = 0;
    for (let i: usize = 0; i < <usize>v; i++) above += load<u32>(keys + (i << 2)) >= candidate ? 1 : 0;
    if (above >= k) key = candidate;
  }
  return key;
}

/** The largest key below which at most `most` of the weight lies. */
function keyOfWeight(v: i32, weights: usize, keys: usize, most: f32, chunk: i32): u32 {
  let key: u32 = 0;
  for (let bit = 31; bit >= 0; bit--) {
    const candidate = key | (1 << bit);
    let total: f32 = 0;
    for (let start = 0; start < v; start += chunk) {
      let sum: f32 = 0;
      for (let i = start; i < min(start + chunk, v); i++) {
        if (load<u32>(keys + ((<usize>i) << 2)) < candidate) sum += load<f32>(weights + ((<usize>i) << 2));
      }
      total += sum;
    }
    if (total <= most) key = candidate;
  }
  return key;
}
