/** WebGPU in Node (Dawn): the shared device starts outside a browser, and a shader gives what its twin gives. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { acquireTfjsGpu } from '../../src/engine/portable/gpu/acquire.ts';
import { tokenLogprob } from '../../src/engine/portable/kernels/index.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { provideSoftwareWebGpu } from '../helpers/software-vulkan.ts';

const missing = await provideSoftwareWebGpu();
const adapter = missing ? null : await navigator.gpu.requestAdapter();

it.skipIf(!adapter)('token log-prob in Node on WebGPU (skipped without an adapter)', async () => {
  const logits = normals(3 * 7, 5, 2);
  const targets = [0, 3, 6];
  const run = async () => {
    const gradient = tf.tidy(() =>
      tf.grad((x) => {
        const { logprob, entropy } = tokenLogprob(x as tf.Tensor2D, tf.tensor1d(targets, 'int32'), 0.8);
        return logprob.sum().add(entropy.sum());
      })(tf.tensor2d(logits, [3, 7])),
    );
    return (await gradient.data()) as Float32Array;
  };
  await tf.setBackend('cpu');
  const expected = await run();
  const gpu = await acquireTfjsGpu();
  const got = await run();
  gpu.check();
  gpu.release();
  expect(gpu.adapter.length).toBeGreaterThan(0);
  expectClose(got, expected, 'gradient');
});
