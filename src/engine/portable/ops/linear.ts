/**
 * Linear layers, with gradients whose matrix products all take tfjs-wasm's fast path
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
  // What outlives the tape is not saved, because on wasm that is a copy.
  const lasting = (w as tf.Tensor2D).kept;
  (save as tf.GradSaveFunc)(lasting ? [x as tf.Tensor] : [x as tf.Tensor, w as tf.Tensor]);
  return {
    value: tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D),
    gradFunc: (dy, saved) => {
      const [x, own] = saved as [tf.Tensor2D, tf.Tensor2D?];
      const weights = own ?? (w as tf.Tensor2D);
      // tfjs tidies nothing that a custom gradient leaves behind before the whole backward pass is over.
      return tf.tidy(() => [tf.matMul(dy as tf.Tensor2D, transpose(weights)), weightGradient(x, dy as tf.Tensor2D)]);
    },
  };
}) as (x: tf.Tensor2D, w: tf.Tensor2D) => tf.Tensor2D;

/** xᵀ·dy [in, out]; the narrower of the two long matrices is the one that is transposed. */
export function weightGradient(x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  if (x.shape[1] <= dy.shape[1]) return tf.matMul(transpose(x), dy);
  return transpose(tf.matMul(transpose(dy), x));
}

const addBias = tf.customGrad((x, b) => ({
  value: tf.add(x as tf.Tensor2D, b as tf.Tensor1D),
  gradFunc: (dy) => [dy as tf.Tensor2D, tf.tidy(() => tf.matMul(tf.ones([1, dy.shape[0]!]), dy as tf.Tensor2D).as1D())],
})) as (x: tf.Tensor2D, b: tf.Tensor1D) => tf.Tensor2D;

/**
 * The embedding as the head multiplies by it, for as long as it is the same tensor. To turn it, and to pack what was turned for the
 * matrix product, costs five times as much as a decoded token of a 135M policy.
 */
export class TurnedEmbedding {
  private of: tf.Tensor2D | null = null;
  private turned: tf.Tensor2D | null = null;

  /** [V, D] -> [D, V], to be left to this object */
  get(embedding: tf.Tensor2D): tf.Tensor2D {
    if (this.of !== embedding || this.turned === null) {
      this.dispose();
      this.turned = tf.keep(tf.tidy(() => transpose(embedding)));
      this.of = embedding;
    }
    return this.turned;
  }

  /** Before the embedding changes, so that the memory is free for what replaces it. */
  dispose(): void {
    this.turned?.dispose();
    this.turned = null;
    this.of = null;
  }
}
