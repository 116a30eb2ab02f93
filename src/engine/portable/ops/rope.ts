/**
 * Rotary position embedding (Su et al. 2021) in Hugging Face's half-split convention: dimension i of a head turns with
 * dimension i + hd/2. Applied to the query and key part of the fused projection; values pass through.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../../policy/config.ts';
import { hostTensor, hostView, onHost } from '../host.ts';
import type { PackedRows } from '../rows.ts';

/** [positions, hd/2] each, row-major. */
export interface RopeTable {
  readonly positions: number;
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Angles per position and frequency, with the linear and llama3 scalings as transformers defines them. */
export function ropeTable(config: PolicyConfig, positions: number): RopeTable {
  const half = config.headDim / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let i = 0; i < half; i++) {
    const frequency = scaled(config.ropeTheta ** (-i / half), config);
    for (let position = 0; position < positions; position++) {
      cos[position * half + i] = Math.cos(position * frequency);
      sin[position * half + i] = Math.sin(position * frequency);
    }
  }
  return { positions, cos, sin };
}

function scaled(frequency: number, { ropeScaling: scaling }: PolicyConfig): number {
  if (!scaling) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const wavelength = (2 * Math.PI) / frequency;
  const turns = scaling.originalMaxPositions / wavelength;
  if (turns < scaling.lowFreqFactor) return frequency / scaling.factor;
  if (turns > scaling.highFreqFactor) return frequency;
  const smooth = (turns - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency;
}

/** qkv [N, (H + 2K)·hd] -> the same shape, queries and keys turned by the position of their place. */
export function rope(qkv: tf.Tensor2D, table: RopeTable, rows: Pick<PackedRows, 'positions'>, config: PolicyConfig): tf.Tensor2D {
  const op = tf.customGrad((qkv) => ({
    value: turn(qkv as tf.Tensor2D, table, rows.positions, config, 1),
    gradFunc: (dy) => turn(dy as tf.Tensor2D, table, rows.positions, config, -1),
  }));
  return op(qkv) as tf.Tensor2D;
}

/** Turns forwards (1) or backwards (-1): the gradient of a rotation is the opposite rotation. */
function turn(x: tf.Tensor2D, table: RopeTable, positions: Int32Array, config: PolicyConfig, direction: 1 | -1): tf.Tensor2D {
  const [places, width] = x.shape;
  const turning = config.heads + config.kvHeads;
  const { headDim } = config;
  const half = headDim / 2;
  if (!onHost()) {
    const gatherAngles = (values: Float32Array) => {
      const angles = new Float32Array(places * half);
      for (let i = 0; i < places; i++) angles.set(values.subarray(positions[i]! * half, positions[i]! * half + half), i * half);
      return tf.tensor3d(angles, [places, 1, half]);
    };
    const cos = gatherAngles(table.cos);
    const sin = gatherAngles(direction === 1 ? table.sin : table.sin.map((s) => -s));
    const heads = tf.reshape(tf.slice(x, [0, 0], [places, turning * headDim]), [places, turning, headDim]);
    const low = tf.slice(heads, [0, 0, 0], [places, turning, half]);
    const high = tf.slice(heads, [0, 0, half], [places, turning, half]);
    const turned = tf.concat([tf.sub(tf.mul(low, cos), tf.mul(high, sin)), tf.add(tf.mul(high, cos), tf.mul(low, sin))], 2);
    const values = tf.slice(x, [0, turning * headDim], [places, width - turning * headDim]);
    return tf.concat([tf.reshape(turned, [places, turning * headDim]), values], 1) as tf.Tensor2D;
  }
  const y = hostTensor<tf.Tensor2D>([places, width]);
  const [from, to] = [hostView(x), hostView(y)];
  const { cos, sin } = table;
  for (let place = 0; place < places; place++) {
    const angles = positions[place]! * half;
    let at = place * width;
    for (let head = 0; head < turning; head++, at += headDim) {
      for (let i = 0; i < half; i++) {
        const c = cos[angles + i]!;
        const s = sin[angles + i]! * direction;
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
