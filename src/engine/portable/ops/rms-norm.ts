/** Root-mean-square norm over the last axis (Zhang and Sennrich 2019): y = (o + w) · x / sqrt(mean(x²) + eps), o 0 or 1, forward beside backward. */
import * as tf from '@tensorflow/tfjs';
import { hostTensor, hostView, onHost, scratch } from '../host.ts';

/** x [N, D], w [D] -> [N, D] */
export function rmsNorm(x: tf.Tensor2D, w: tf.Tensor1D, eps: number, offset: 0 | 1): tf.Tensor2D {
  const op = tf.customGrad((x, w, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor, w as tf.Tensor]);
    return {
      value: forward(x as tf.Tensor2D, w as tf.Tensor1D, eps, offset),
      gradFunc: (dy, saved) => backward(saved[0] as tf.Tensor2D, saved[1] as tf.Tensor1D, dy as tf.Tensor2D, eps, offset),
    };
  });
  return op(x, w) as tf.Tensor as tf.Tensor2D;
}

/** 1 / sqrt(mean(x²) + eps): [N, 1] */
function inverseRms(x: tf.Tensor2D, eps: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), eps));
}

function forward(x: tf.Tensor2D, w: tf.Tensor1D, eps: number, offset: 0 | 1): tf.Tensor2D {
  if (!onHost()) return tf.mul<tf.Tensor2D>(tf.mul(x, inverseRms(x, eps)), offset ? tf.add(w, offset) : w);
  const [rows, width] = x.shape;
  const y = hostTensor<tf.Tensor2D>([rows, width]);
  const [from, scale, to] = [hostView(x), hostView(w), hostView(y)];
  for (let row = 0, at = 0; row < rows; row++, at += width) {
    const r = inverseRmsAt(from, at, width, eps);
    for (let i = 0; i < width; i++) to[at + i] = from[at + i]! * r * (offset + scale[i]!);
  }
  return y;
}

/** With r = 1/rms and n = x·r: dx = r · ((o + w)·dy - n · mean(n·(o + w)·dy)), dw = sum over rows of n·dy. */
function backward(x: tf.Tensor2D, w: tf.Tensor1D, dy: tf.Tensor2D, eps: number, offset: 0 | 1): [tf.Tensor2D, tf.Tensor1D] {
  const [rows, width] = x.shape;
  if (!onHost()) {
    const r = inverseRms(x, eps);
    const normed = tf.mul(x, r);
    const dn = tf.mul(dy, offset ? tf.add(w, offset) : w);
    const dx = tf.mul(tf.sub(dn, tf.mul(normed, tf.mean(tf.mul(normed, dn), 1, true))), r);
    return [dx as tf.Tensor2D, tf.matMul(tf.ones([1, rows]), tf.mul(normed, dy) as tf.Tensor2D).as1D()];
  }
  const dx = hostTensor<tf.Tensor2D>([rows, width]);
  const dw = hostTensor<tf.Tensor1D>([width]);
  const [from, scale, dOut, dIn] = [hostView(x), hostView(w), hostView(dy), hostView(dx)];
  const sums = scratch(width, 0).fill(0, 0, width);
  for (let row = 0, at = 0; row < rows; row++, at += width) {
    const r = inverseRmsAt(from, at, width, eps);
    let projection = 0;
    for (let i = 0; i < width; i++) projection += from[at + i]! * (offset + scale[i]!) * dOut[at + i]!;
    const pull = (projection * r * r * r) / width;
    for (let i = 0; i < width; i++) {
      const d = dOut[at + i]!;
      const value = from[at + i]!;
      dIn[at + i] = r * (offset + scale[i]!) * d - pull * value;
      sums[i]! += value * r * d;
    }
  }
  hostView(dw).set(sums.subarray(0, width));
  return [dx, dw];
}

function inverseRmsAt(x: Float32Array, at: number, width: number, eps: number): number {
  let squares = 0;
  for (let i = at; i < at + width; i++) squares += x[i]! * x[i]!;
  return 1 / Math.sqrt(squares / width + eps);
}
