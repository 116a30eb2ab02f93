/**
 * Causal grouped-query attention as loops over host memory: no [W, W] tensor of a whole batch is ever made, what is
 * beyond the window, the upper triangle and the padding cost nothing, sums are in double precision. The backward pass recomputes the weights from the
 * saved log-sum-exp (Dao et al. 2022). Four accumulators per loop keep the CPU's adders busy.
 */
import type * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../../policy/config.ts';
import { attentionScale } from '../../../policy/layers.ts';
import { hostTensor, hostView, scratch } from '../host.ts';
import type { PackedRows } from '../rows.ts';

/**
 * @param window tokens that a place looks at, its own included; infinite: all before it
 * @returns output [N, H·hd] and the log-sum-exp of each place's scores [N, H]
 */
export function attentionForward(qkv: tf.Tensor2D, { rows, places, offsets, lengths }: PackedRows, config: PolicyConfig, window: number) {
  const { heads, kvHeads, headDim } = config;
  const width = (heads + 2 * kvHeads) * headDim;
  const output = hostTensor<tf.Tensor2D>([places, heads * headDim]);
  const logSumExp = hostTensor<tf.Tensor2D>([places, heads]);
  const [x, y, lse] = [hostView(qkv), hostView(output), hostView(logSumExp)];
  y.fill(0);
  const longest = lengths.reduce((max, n) => Math.max(max, n), 0);
  const [q, k, v] = [scratch(longest * headDim, 0), scratch(longest * headDim, 1), scratch(longest * headDim, 2)];
  const weights = scratch(longest, 3);
  const scale = attentionScale(config);
  for (let row = 0; row < rows; row++) {
    const length = lengths[row]!;
    const start = offsets[row]!;
    for (let head = 0; head < heads; head++) {
      if (head % (heads / kvHeads) === 0) {
        const kvHead = (head * kvHeads) / heads;
        load(k, x, start, length, width, (heads + kvHead) * headDim, headDim, 1);
        load(v, x, start, length, width, (heads + kvHeads + kvHead) * headDim, headDim, 1);
      }
      load(q, x, start, length, width, head * headDim, headDim, scale);
      for (let i = 0; i < length; i++) {
        const first = Math.max(0, i + 1 - window);
        const count = i + 1 - first;
        dots(weights, 0, q, i * headDim, k, first * headDim, count, headDim);
        let max = weights[0]!;
        for (let j = 1; j < count; j++) if (weights[j]! > max) max = weights[j]!;
        let sum = 0;
        for (let j = 0; j < count; j++) sum += weights[j] = Math.exp(weights[j]! - max);
        const inverse = 1 / sum;
        lse[(start + i) * heads + head] = max + Math.log(sum);
        combine(y, ((start + i) * heads + head) * headDim, weights, 0, 1, v, first * headDim, count, headDim, inverse);
      }
    }
  }
  return { output, logSumExp };
}

/** d(qkv) [N, (H + 2K)·hd] from d(output) [N, H·hd] */
export function attentionBackward(
  qkv: tf.Tensor2D,
  output: tf.Tensor2D,
  logSumExp: tf.Tensor2D,
  dOutput: tf.Tensor2D,
  { rows, places, offsets, lengths }: PackedRows,
  config: PolicyConfig,
  window: number,
): tf.Tensor2D {
  const { heads, kvHeads, headDim } = config;
  const width = (heads + 2 * kvHeads) * headDim;
  const dQkv = hostTensor<tf.Tensor2D>([places, width]);
  const [x, y, lse, dy, dx] = [hostView(qkv), hostView(output), hostView(logSumExp), hostView(dOutput), hostView(dQkv)];
  dx.fill(0);
  const longest = lengths.reduce((max, n) => Math.max(max, n), 0);
  const size = longest * headDim;
  const [q, k, v, dOut] = [scratch(size, 0), scratch(size, 1), scratch(size, 2), scratch(size, 3)];
  const weights = scratch(longest * longest, 4); // p[i, j]
  const slopes = scratch(longest * longest, 5); // d(loss)/d(score[i, j])
  const scale = attentionScale(config);
  for (let row = 0; row < rows; row++) {
    const length = lengths[row]!;
    const start = offsets[row]!;
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const keyColumn = (heads + kvHead) * headDim;
      const valueColumn = (heads + kvHeads + kvHead) * headDim;
      if (head % (heads / kvHeads) === 0) {
        load(k, x, start, length, width, keyColumn, headDim, 1);
        load(v, x, start, length, width, valueColumn, headDim, 1);
      }
      load(q, x, start, length, width, head * headDim, headDim, scale);
      load(dOut, dy, start, length, heads * headDim, head * headDim, headDim, 1);
      for (let i = 0; i < length; i++) {
        const first = Math.max(0, i + 1 - window);
        const count = i + 1 - first;
        const at = i * length + first;
        const place = (start + i) * heads + head;
        dots(weights, at, q, i * headDim, k, first * headDim, count, headDim);
        dots(slopes, at, dOut, i * headDim, v, first * headDim, count, headDim);
        let delta = 0;
        for (let d = 0; d < headDim; d++) delta += dOut[i * headDim + d]! * y[place * headDim + d]!;
        const shift = lse[place]!;
        for (let j = at; j < at + count; j++) {
          const p = Math.exp(weights[j]! - shift);
          weights[j] = p;
          slopes[j] = p * (slopes[j]! - delta);
        }
        combine(dx, (start + i) * width + head * headDim, slopes, at, 1, k, first * headDim, count, headDim, scale);
      }
      // Keys and values of place j were seen by the places i >= j, as far as their window goes; q already carries the scale.
      for (let j = 0; j < length; j++) {
        const at = j * length + j;
        const place = (start + j) * width;
        const count = Math.min(window, length - j);
        combine(dx, place + keyColumn, slopes, at, length, q, j * headDim, count, headDim, 1);
        combine(dx, place + valueColumn, weights, at, length, dOut, j * headDim, count, headDim, 1);
      }
    }
  }
  return dQkv;
}

/** to[i, d] = from[start + i, column + d] · factor */
function load(
  to: Float64Array,
  from: Float32Array,
  start: number,
  length: number,
  width: number,
  column: number,
  headDim: number,
  factor: number,
) {
  for (let i = 0, at = 0; i < length; i++) {
    const source = (start + i) * width + column;
    for (let d = 0; d < headDim; d++) to[at++] = from[source + d]! * factor;
  }
}

/** out[outAt + j] = a[aAt …] · b[bAt + j·hd …] for j < count */
function dots(
  out: Float64Array,
  outAt: number,
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  bAt: number,
  count: number,
  headDim: number,
) {
  let j = 0;
  for (; j + 4 <= count; j += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    const b0 = bAt + j * headDim;
    const b1 = b0 + headDim;
    const b2 = b1 + headDim;
    const b3 = b2 + headDim;
    for (let d = 0; d < headDim; d++) {
      const value = a[aAt + d]!;
      s0 += value * b[b0 + d]!;
      s1 += value * b[b1 + d]!;
      s2 += value * b[b2 + d]!;
      s3 += value * b[b3 + d]!;
    }
    out[outAt + j] = s0;
    out[outAt + j + 1] = s1;
    out[outAt + j + 2] = s2;
    out[outAt + j + 3] = s3;
  }
  for (; j < count; j++) {
    let s = 0;
    for (let d = 0; d < headDim; d++) s += a[aAt + d]! * b[bAt + j * headDim + d]!;
    out[outAt + j] = s;
  }
}

/** out[outAt + d] += factor · sum over j < count of weight[weightAt + j·weightStride] · b[bAt + j·hd + d]; `out` starts at 0 or holds other heads' share. */
function combine(
  out: Float32Array,
  outAt: number,
  weight: Float64Array,
  weightAt: number,
  weightStride: number,
  b: Float64Array,
  bAt: number,
  count: number,
  headDim: number,
  factor: number,
) {
  let d = 0;
  for (; d + 4 <= headDim; d += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let at = bAt + d;
    let w = weightAt;
    for (let j = 0; j < count; j++, at += headDim, w += weightStride) {
      const value = weight[w]!;
      s0 += value * b[at]!;
      s1 += value * b[at + 1]!;
      s2 += value * b[at + 2]!;
      s3 += value * b[at + 3]!;
    }
    out[outAt + d]! += s0 * factor;
    out[outAt + d + 1]! += s1 * factor;
    out[outAt + d + 2]! += s2 * factor;
    out[outAt + d + 3]! += s3 * factor;
  }
  for (; d < headDim; d++) {
    let s = 0;
    for (let j = 0; j < count; j++) s += weight[weightAt + j * weightStride]! * b[bAt + j * headDim + d]!;
    out[outAt + d]! += s * factor;
  }
}
