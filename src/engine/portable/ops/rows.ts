/** Picking rows of a matrix: the embedding table and the positions that reach the head, with reproducible gradients (tf.gather's own uses float atomics on webgpu and is missing on wasm). */
import * as tf from '@tensorflow/tfjs';
import { hostTensor, hostView, onHost } from '../host.ts';

/** table [V, D], ids int [N], repeats allowed -> [N, D] */
export function embed(table: tf.Tensor2D, ids: Int32Array): tf.Tensor2D {
  const op = tf.customGrad((table) => ({
    value: tf.gather(table as tf.Tensor2D, tf.tensor1d(ids, 'int32')),
    gradFunc: (dy) => embedGradient(dy as tf.Tensor2D, ids, (table as tf.Tensor2D).shape[0]),
  }));
  return op(table) as tf.Tensor2D;
}

/** The sum of the rows of dy [N, D] that belong to each id: [V, D]. */
function embedGradient(dy: tf.Tensor2D, ids: Int32Array, vocabSize: number): tf.Tensor2D {
  const width = dy.shape[1];
  if (onHost()) {
    const table = hostTensor<tf.Tensor2D>([vocabSize, width]);
    const [from, to] = [hostView(dy), hostView(table)];
    to.fill(0);
    for (let row = 0; row < ids.length; row++) {
      const at = ids[row]! * width;
      for (let i = 0; i < width; i++) to[at + i]! += from[row * width + i]!;
    }
    return table;
  }
  // A one-hot product over the distinct ids only, spread over the table by a gather: never [N, V].
  const slots = new Map<number, number>();
  const slotOfRow = Int32Array.from(ids, (id) => {
    if (!slots.has(id)) slots.set(id, slots.size);
    return slots.get(id)!;
  });
  const oneHot = tf.oneHot(tf.tensor1d(slotOfRow, 'int32'), slots.size, 1, 0, 'float32');
  const sums = tf.matMul(oneHot as tf.Tensor2D, dy, true, false) as tf.Tensor as tf.Tensor2D;
  return spread(sums, Uint32Array.from(slots.keys()), vocabSize);
}

/** Rows of x [N, D] at `indices` [M], which must be distinct -> [M, D] */
export function gatherRows(x: tf.Tensor2D, indices: Int32Array): tf.Tensor2D {
  const op = tf.customGrad((x) => ({
    value: tf.gather(x as tf.Tensor2D, tf.tensor1d(indices, 'int32')),
    gradFunc: (dy) => tf.tidy(() => spread(dy as tf.Tensor2D, indices, (x as tf.Tensor2D).shape[0])),
  }));
  return op(x) as tf.Tensor2D;
}

/** [M, D] -> [size, D] with row m at `places[m]` and zeros elsewhere; places are distinct, so this is a gather, too. */
function spread(x: tf.Tensor2D, places: ArrayLike<number>, size: number): tf.Tensor2D {
  const [rows, width] = x.shape;
  const source = new Int32Array(size).fill(rows);
  for (let row = 0; row < places.length; row++) source[places[row]!] = row;
  return tf.gather(tf.concat([x, tf.zeros<tf.Rank.R2>([1, width])], 0), tf.tensor1d(source, 'int32'));
}

/** Row m of x [M, D], for the first `places.length` rows, at `places[m]` of a matrix of zeros [size, D]; places are distinct. */
export function placeRows(x: tf.Tensor2D, places: Int32Array, size: number): tf.Tensor2D {
  const op = tf.customGrad((x) => ({
    value: spread(x as tf.Tensor2D, places, size),
    gradFunc: (dy) => {
      const rows = (x as tf.Tensor2D).shape[0];
      const source = new Int32Array(rows).fill(size);
      source.set(places);
      return tf.gather(tf.concat([dy as tf.Tensor2D, tf.zeros<tf.Rank.R2>([1, dy.shape[1]!])], 0), tf.tensor1d(source, 'int32'));
    },
  }));
  return op(x) as tf.Tensor2D;
}
