/**
 * Causal grouped-query attention, of all places before or of the nearest ones, over the fused, already turned projection. On webgpu it is composed from tf ops;
 * on host backends it is the loops of `attention-host.ts`, because tfjs-wasm's batched product takes a slow path.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../../policy/config.ts';
import { attentionScale, windowOf } from '../../../policy/layers.ts';
import { onHost } from '../host.ts';
import type { PackedRows } from '../rows.ts';
import { attentionBackward, attentionForward } from './attention-host.ts';

/** qkv [N, (H + 2K)·hd] of a layer -> [N, H·hd] */
export function attention(qkv: tf.Tensor2D, rows: PackedRows, config: PolicyConfig, layer: number): tf.Tensor2D {
  const window = windowOf(config, layer);
  if (!onHost()) return composed(qkv, rows, config, window);
  const op = tf.customGrad((qkv, save) => {
    const { output, logSumExp } = attentionForward(qkv as tf.Tensor2D, rows, config, window);
    (save as tf.GradSaveFunc)([qkv as tf.Tensor, output, logSumExp]);
    return {
      value: output,
      gradFunc: (dy, saved) => {
        const [qkv, output, logSumExp] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
        return attentionBackward(qkv, output, logSumExp, dy as tf.Tensor2D, rows, config, window);
      },
    };
  });
  return op(qkv) as tf.Tensor2D;
}

/** Right-padded rows need no padding mask: a place never looks right, and nobody reads what padding computes. */
function composed(qkv: tf.Tensor2D, { rows, width }: PackedRows, config: PolicyConfig, window: number): tf.Tensor2D {
  const { heads, kvHeads, headDim } = config;
  const split = (first: number, count: number) =>
    tf.transpose(
      tf.reshape(tf.slice(qkv, [0, first * headDim], [rows * width, count * headDim]), [rows, width, count, headDim]),
      [0, 2, 1, 3],
    ) as tf.Tensor4D; // [R, count, W, hd]
  const q = split(0, heads);
  const k = repeatHeads(split(heads, kvHeads), heads / kvHeads);
  const v = repeatHeads(split(heads + kvHeads, kvHeads), heads / kvHeads);
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), attentionScale(config)), causalMask(width, window));
  const mixed = tf.matMul(tf.softmax(scores), v); // [R, H, W, hd]
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows * width, heads * headDim]);
}

/** [R, K, W, hd] -> [R, K·times, W, hd], each head `times` times in a row. */
export function repeatHeads(x: tf.Tensor4D, times: number): tf.Tensor4D {
  if (times === 1) return x;
  const [rows, heads, width, headDim] = x.shape;
  const repeated = tf.tile(tf.reshape(x, [rows * heads, 1, width * headDim]), [1, times, 1]);
  return tf.reshape(repeated, [rows, heads * times, width, headDim]);
}

function causalMask(width: number, window: number): tf.Tensor2D {
  const mask = new Float32Array(width * width);
  for (let i = 0; i < width; i++) {
    mask.fill(-1e9, i * width, i * width + Math.max(0, i + 1 - window));
    mask.fill(-1e9, i * width + i + 1, (i + 1) * width);
  }
  return tf.tensor2d(mask, [width, width]);
}
