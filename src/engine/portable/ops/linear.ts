/**
 * Linear layers and the tied head, with gradients whose matrix products all take tfjs-wasm's fast path
 * (un-batched, no transpose flags: 30 to 40 GFLOP/s a core against 3 on the other path).
 */
import * as tf from '@tensorflow/tfjs';
import { transpose } from './transpose.ts';

/** x [N, in] · w [in, out] + b [out] -> [N, out] */
export function linear(x: tf.Tensor2D, w: tf.Tensor2D, b?: tf.Tensor1D): tf.Tensor2D {
  const product = multiply(x, w);
  return b ? addBias(product, b) : product;
}

const multiply = tf.customGrad((x, w, save) => {
  (save as tf.GradSaveFunc)([x as tf.Tensor, w as tf.Tensor]);
  return {
    value: tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D),
    gradFunc: (dy, saved) => {
      const [x, w] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [tf.matMul(dy as tf.Tensor2D, transpose(w)), weightGradient(x, dy as tf.Tensor2D)];
    },
  };
}) as (x: tf.Tensor2D, w: tf.Tensor2D) => tf.Tensor2D;

/** xᵀ·dy [in, out]; the narrower of the two long matrices is the one that is transposed. */
function weightGradient(x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  if (x.shape[1] <= dy.shape[1]) return tf.matMul(transpose(x), dy);
  return transpose(tf.matMul(transpose(dy), x));
}

const addBias = tf.customGrad((x, b) => ({
  value: tf.add(x as tf.Tensor2D, b as tf.Tensor1D),
  gradFunc: (dy) => [dy as tf.Tensor2D, tf.matMul(tf.ones([1, dy.shape[0]!]), dy as tf.Tensor2D).as1D()],
})) as (x: tf.Tensor2D, b: tf.Tensor1D) => tf.Tensor2D;

/** The head that shares the embedding matrix: x [N, D] · embeddingᵀ, embedding [V, D] -> [N, V] */
export const tiedHead = tf.customGrad((x, embedding, save) => {
  (save as tf.GradSaveFunc)([x as tf.Tensor, embedding as tf.Tensor]);
  return {
    value: tf.matMul(x as tf.Tensor2D, transpose(embedding as tf.Tensor2D)),
    gradFunc: (dy, saved) => {
      const [x, embedding] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [tf.matMul(dy as tf.Tensor2D, embedding), transpose(weightGradient(x, dy as tf.Tensor2D))];
    },
  };
}) as (x: tf.Tensor2D, embedding: tf.Tensor2D) => tf.Tensor2D;
