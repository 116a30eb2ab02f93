/** Large matrices multiplied one after the other by tfjs, on whatever backend is current: what `src/benchmark/matmul-rate.ts` times. */
import * as tf from '@tensorflow/tfjs';
import { acquireTfjsGpu } from './gpu/acquire.ts';

/** @param size of the square matrices  @returns makes `count` products and waits for the last; `end` lets go of the device */
export async function productChain(size: number, count: number): Promise<{ run(): Promise<unknown>; end(): void }> {
  const gpu = await acquireTfjsGpu();
  const a = tf.randomUniform<tf.Rank.R2>([size, size]);
  const b = tf.randomUniform<tf.Rank.R2>([size, size]);
  return {
    async run() {
      const last = tf.tidy(() => {
        let c: tf.Tensor2D = a;
        for (let i = 0; i < count; i++) c = tf.matMul(a, b);
        return tf.slice(c, [0, 0], [1, 1]);
      });
      await last.data();
      last.dispose();
      gpu.check();
    },
    end() {
      tf.dispose([a, b]);
      gpu.release();
    },
  };
}
