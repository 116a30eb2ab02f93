/**
 * AdamW (Loshchilov and Hutter 2019) on device tensors: bias correction, decoupled weight decay on matrices only.
 * The moments stay on the device; the decision to skip a step is the caller's.
 */
import * as tf from '@tensorflow/tfjs';
import type { OptimSpec } from '../engine.ts';

export interface Moments {
  readonly first: readonly tf.Tensor[];
  readonly second: readonly tf.Tensor[];
}

/** Both moments of every parameter, in its shape; the caller disposes them. */
export function zeroMoments(parameters: readonly tf.Tensor[]): Moments {
  return { first: parameters.map((p) => tf.zerosLike(p)), second: parameters.map((p) => tf.zerosLike(p)) };
}

/** The global L2 norm, accumulated in double precision over the tensors; NaN or infinite where a gradient is. */
export async function globalNorm(gradients: readonly tf.Tensor[]): Promise<number> {
  const squares = tf.tidy(() => tf.stack(gradients.map((g) => tf.tidy(() => tf.sum(tf.square(g))))));
  const values = (await squares.data()) as Float32Array;
  squares.dispose();
  return Math.sqrt(values.reduce((sum, value) => sum + value, 0));
}

/**
 * One update, parameter by parameter: every tensor is disposed as soon as it is not needed, so that beside parameters, gradients and
 * moments there are never more than four of the size of one parameter.
 * @param step optimiser steps taken, this one included  @param gradientScale the clip factor
 */
export function adamW(
  parameters: readonly tf.Tensor[],
  gradients: readonly tf.Tensor[],
  moments: Moments,
  optim: OptimSpec,
  step: number,
  gradientScale: number,
): { parameters: tf.Tensor[]; moments: Moments } {
  const { learningRate, beta1, beta2, eps, weightDecay } = optim;
  const updated: tf.Tensor[] = [];
  const first: tf.Tensor[] = [];
  const second: tf.Tensor[] = [];
  tf.tidy(() => {
    const decay1 = tf.scalar(beta1);
    const decay2 = tf.scalar(beta2);
    const gain1 = tf.scalar((1 - beta1) * gradientScale);
    const gain2 = tf.scalar((1 - beta2) * gradientScale * gradientScale);
    // lr · m̂ / (sqrt(v̂) + eps) = rate · m / (sqrt(v) + epsilon) with the corrections moved into the constants
    const correction2 = Math.sqrt(1 - beta2 ** step);
    const rate = tf.scalar((learningRate * correction2) / (1 - beta1 ** step));
    const epsilon = tf.scalar(eps * correction2);
    const shrink = tf.scalar(1 - learningRate * weightDecay);
    const lasting = (make: () => tf.Tensor) => tf.keep(tf.tidy(make));
    parameters.forEach((p, i) => {
      const g = gradients[i]!;
      const m = lasting(() => tf.add(tf.mul(moments.first[i]!, decay1), tf.mul(g, gain1)));
      moments.first[i]!.dispose();
      const v = lasting(() => {
        const square = tf.tidy(() => tf.mul(tf.square(g), gain2));
        return tf.add(tf.mul(moments.second[i]!, decay2), square);
      });
      tf.dispose([moments.second[i]!, g]);
      const next = lasting(() => {
        const scale = tf.tidy(() => tf.add(tf.sqrt(v), epsilon));
        const update = tf.tidy(() => tf.mul(tf.div(m, scale), rate));
        return tf.sub(weightDecay !== 0 && p.rank > 1 ? tf.mul(p, shrink) : p, update);
      });
      p.dispose();
      updated.push(next);
      first.push(m);
      second.push(v);
    });
  });
  return { parameters: updated, moments: { first, second } };
}
