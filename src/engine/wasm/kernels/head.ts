/**
 * log-probs of target tokens and entropies of rows of logits x [M, V], and back, in place.
 *   z = (x - max x) / T   L = log sum exp z   logprob = z[target] - L   entropy = L - sum softmax(z) z   (nats)
 *   dx = (dlogprob (onehot - p) - dentropy p (log p + entropy)) / T
 * Sums are in float32 over 256 numbers, and in float64 over those. Test: tests/unit/wasm-kernels.test.ts
 */
import { exp4, log1, max4, some4, sum4, storeSome } from './math';

const block: i32 = 256;

/** @param stats [M, 2] max x, L  @param inverse 1 / T */
export function tokenLogprob(
  rows: i32,
  v: i32,
  logits: usize,
  targets: usize,
  inverse: f32,
  logprob: usize,
  entropy: usize,
  stats: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const most = largest(v, logits);
    const m = f32x4.splat(most);
    const t = f32x4.splat(inverse);
    let total: f64 = 0;
    let weighted: f64 = 0;
    for (let first = 0; first < v; first += block) {
      const end = min(v, first + block);
      let sum = f32x4.splat(0);
      let zs = f32x4.splat(0);
      let at = logits + ((<usize>first) << 2);
      let i = first;
      for (; i + 4 <= end; i += 4) {
        const z = f32x4.mul(f32x4.sub(v128.load(at), m), t);
        const e = exp4(z);
        sum = f32x4.add(sum, e);
        zs = f32x4.add(zs, f32x4.mul(e, z));
        at += 16;
      }
      if (i < end) {
        const z = some4(f32x4.mul(f32x4.sub(v128.load(at), m), t), end - i);
        const e = some4(exp4(z), end - i);
        sum = f32x4.add(sum, e);
        zs = f32x4.add(zs, f32x4.mul(e, z));
      }
      total += <f64>sum4(sum);
      weighted += <f64>sum4(zs);
    }
    const logSum = log1(total);
    const target = load<f32>(logits + ((<usize>load<i32>(targets)) << 2));
    store<f32>(logprob, <f32>(<f64>((target - most) * inverse) - logSum));
    store<f32>(entropy, <f32>(logSum - weighted / total));
    store<f32>(stats, most);
    store<f32>(stats, <f32>logSum, 4);
    logits += (<usize>v) << 2;
    targets += 4;
    logprob += 4;
    entropy += 4;
    stats += 8;
  }
}

/** @param logits afterwards their gradient */
export function tokenLogprobBackward(
  rows: i32,
  v: i32,
  logits: usize,
  targets: usize,
  inverse: f32,
  entropy: usize,
  stats: usize,
  dLogprob: usize,
  dEntropy: usize,
): void {
  const t = f32x4.splat(inverse);
  for (let row = 0; row < rows; row++) {
    const m = f32x4.splat(load<f32>(stats));
    const l = f32x4.splat(load<f32>(stats, 4));
    const dLp = load<f32>(dLogprob) * inverse;
    const dH = load<f32>(dEntropy) * inverse;
    // p (-dLp - dH (logp + H)) = p (a logp + b)
    const a = f32x4.splat(-dH);
    const b = f32x4.splat(-dLp - dH * load<f32>(entropy));
    const target = logits + ((<usize>load<i32>(targets)) << 2);
    for (let i = 0; i < v; i += 4) {
      const lp = f32x4.sub(f32x4.mul(f32x4.sub(v128.load(logits), m), t), l);
      const d = f32x4.mul(exp4(lp), f32x4.add(f32x4.mul(a, lp), b));
      const count = min(4, v - i);
      if (count === 4) v128.store(logits, d);
      else storeSome(logits, d, count);
      logits += (<usize>count) << 2;
    }
    store<f32>(target, load<f32>(target) + dLp);
    targets += 4;
    entropy += 4;
    stats += 8;
    dLogprob += 4;
    dEntropy += 4;
  }
}

function largest(n: i32, x: usize): f32 {
  let most = f32x4.splat(load<f32>(x));
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    most = f32x4.max(most, v128.load(x));
    x += 16;
  }
  let found = max4(most);
  for (; i < n; i++) {
    found = max(found, load<f32>(x));
    x += 4;
  }
  return found;
}
