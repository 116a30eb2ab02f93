/** The transpose of a matrix; on host backends in cache-sized blocks, because tfjs-wasm's own takes 18 ns an element. No gradient: used inside custom gradients. */
import * as tf from '@tensorflow/tfjs';
import { hostTensor, hostView, onHost } from '../host.ts';

const block = 16;

/** [n, m] -> [m, n] */
export function transpose(x: tf.Tensor2D): tf.Tensor2D {
  if (!onHost()) return tf.transpose(x);
  const [rows, columns] = x.shape;
  const y = hostTensor<tf.Tensor2D>([columns, rows]);
  const from = hostView(x);
  const to = hostView(y);
  for (let rowBlock = 0; rowBlock < rows; rowBlock += block) {
    const rowEnd = Math.min(rows, rowBlock + block);
    for (let columnBlock = 0; columnBlock < columns; columnBlock += block) {
      const columnEnd = Math.min(columns, columnBlock + block);
      for (let column = columnBlock; column < columnEnd; column++) {
        for (let row = rowBlock; row < rowEnd; row++) to[column * rows + row] = from[row * columns + column]!;
      }
    }
  }
  return y;
}
