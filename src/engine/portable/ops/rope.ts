/**
 * Rotary position embedding (Su et al. 2021) in Hugging Face's half-split convention: dimension i of a head turns with
 * dimension i + hd/2. Applied to the query and key part of the fused projection; values pass through.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../../policy/config.ts';
import { hostTensor, hostView, onHost } from '../host.ts';
import type { PackedRows } from '../rows.ts';
import { ropeTable } from '../../rope-table.ts';

export { ropeTable };

/**
 * qkv [N, (H + 2K)·hd] -> the same shape, queries and keys turned by the position of their place.
 * @param table `ropeTable` of at least as many positions as occur
 */
export function rope(qkv: tf.Tensor2D, table: Float32Array, rows: Pick<PackedRows, 'positions'>, config: PolicyConfig): tf.Tensor2D {
  const op = tf.customGrad((qkv) => ({
    value: turn(qkv as tf.Tensor2D, table, rows.positions, config, 1),
    gradFunc: (dy) => turn(dy as tf.Tensor2D, table, rows.positions, config, -1),
  }));
  return op(qkv) as tf.Tensor2D;
}

/** Turns forwards (1) or backwards (-1): the gradient of a rotation is the opposite rotation. */
function turn(x: tf.Tensor2D, table: Float32Array, positions: Int32Array, config: PolicyConfig, direction: 1 | -1): tf.Tensor2D {
  const [places, width] = x.shape;
  const turning = config.heads + config.kvHeads;
  const { headDim } = config;
  const half = headDim / 2;
  if (!onHost()) {
    const gatherAngles = (first: number, sign: 1 | -1) => {
      const angles = new Float32Array(places * half);
      for (let i = 0; i < places; i++) {
        for (let j = 0; j < half; j++) angles[i * half + j] = sign * table[positions[i]! * headDim + first + j]!;
      }
      return tf.tensor3d(angles, [places, 1, half]);
    };
    const cos = gatherAngles(0, 1);
    const sin = gatherAngles(half, direction);
    const heads = tf.reshape(tf.slice(x, [0, 0], [places, turning * headDim]), [places, turning, headDim]);
    const low = tf.slice(heads, [0, 0, 0], [places, turning, half]);
    const high = tf.slice(heads, [0, 0, half], [places, turning, half]);
    const turned = tf.concat([tf.sub(tf.mul(low, cos), tf.mul(high, sin)), tf.add(tf.mul(high, cos), tf.mul(low, sin))], 2);
    const values = tf.slice(x, [0, turning * headDim], [places, width - turning * headDim]);
    return tf.concat([tf.reshape(turned, [places, turning * headDim]), values], 1) as tf.Tensor2D;
  }
  const y = hostTensor<tf.Tensor2D>([places, width]);
  const [from, to] = [hostView(x), hostView(y)];
  for (let place = 0; place < places; place++) {
    const angles = positions[place]! * headDim;
    let at = place * width;
    for (let head = 0; head < turning; head++, at += headDim) {
      for (let i = 0; i < half; i++) {
        const c = table[angles + i]!;
        const s = table[angles + half + i]! * direction;
        const low = from[at + i]!;
        const high = from[at + half + i]!;
        to[at + i] = low * c - high * s;
        to[at + half + i] = high * c + low * s;
      }
    }
    to.set(from.subarray(at, (place + 1) * width), at);
  }
  return y;
}
