/**
 * Draws one token from a row of logits [V]: src/engine/sampler.ts (the definition) in WebAssembly, with the same float32 operations in the same order
 * except that exp is this folder's, so that draws agree up to its last bits. Filters: temperature, top-k, top-p, min-p; then the inverse of the
 * cumulative distribution in vocabulary order. log-prob and entropy are those of the tempered, unfiltered distribution.
 * Test: tests/unit/wasm-kernels.test.ts
 */
import { exp4, log1 } from './math';

/** Sums run over so many consecutive chunks of the vocabulary, then over the chunks. */
const lanes: i32 = 64;

/** Of the chunks, as they were last summed. */
const sums: usize = memory.data(64 * 4, 16);

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
  let weighted: f32 = 0;
  for (let start = 0; start < v; start += chunk) {
    const end = min(start + chunk, v);
    let zs: f32 = 0;
    for (let i = start; i < end; i++) {
      zs += load<f32>(weights + ((<usize>i) << 2)) * ((load<f32>(logits + ((<usize>i) << 2)) - most) * inverse);
    }
    weighted += zs;
  }
  let total = chunkedSum(v, chunk, weights);
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
  if (byK || outside > 0 || minP > 0) total = chunkedSum(v, chunk, weights);
  const token = greedy === 1 ? argmax : draw(v, chunk, weights, uniform * total);
  store<f32>(logprob, (load<f32>(logits + ((<usize>token) << 2)) - most) * inverse - logSum);
  return token;
}

/** The token whose stretch of the cumulative distribution holds `target`. Tokens of weight 0 are never drawn. Reads the chunks' sums. */
function draw(v: i32, chunk: i32, weights: usize, target: f32): i32 {
  let before: f32 = 0;
  let at = sums;
  for (let start = 0; start < v; start += chunk) {
    const end = min(start + chunk, v);
    const sum = load<f32>(at);
    if (before + sum > target) {
      let reached = before;
      for (let i = start; i < end; i++) {
        const w = load<f32>(weights + ((<usize>i) << 2));
        reached += w;
        if (w > 0 && reached > target) return i;
      }
      return lastWithWeight(end, weights);
    }
    before += sum;
    at += 4;
  }
  return lastWithWeight(v, weights); // rounding put the target on the very end
}

function lastWithWeight(end: i32, weights: usize): i32 {
  let i = end - 1;
  while (i > 0 && !(load<f32>(weights + ((<usize>i) << 2)) > 0)) i--;
  return i;
}

/** Keeps the chunks' sums too. Four chunks at a time: one alone would wait for its own sum. */
function chunkedSum(v: i32, chunk: i32, weights: usize): f32 {
  let total: f32 = 0;
  let at = sums;
  const step = (<usize>chunk) << 2;
  let start = 0;
  for (; start + 4 * chunk <= v; start += 4 * chunk) {
    let s0: f32 = 0;
    let s1: f32 = 0;
    let s2: f32 = 0;
    let s3: f32 = 0;
    let w = weights + ((<usize>start) << 2);
    const end = w + step;
    for (; w < end; w += 4) {
      s0 += load<f32>(w);
      s1 += load<f32>(w + step);
      s2 += load<f32>(w + 2 * step);
      s3 += load<f32>(w + 3 * step);
    }
    store<f32>(at, s0);
    store<f32>(at, s1, 4);
    store<f32>(at, s2, 8);
    store<f32>(at, s3, 12);
    at += 16;
    total += s0;
    total += s1;
    total += s2;
    total += s3;
  }
  for (; start < v; start += chunk) {
    let sum: f32 = 0;
    for (let i = start; i < min(start + chunk, v); i++) sum += load<f32>(weights + ((<usize>i) << 2));
    store<f32>(at, sum);
    at += 4;
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
