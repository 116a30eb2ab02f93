/**
 * What is wrong in tfjs 4.22.0 on WebGPU, and why this project goes around it. Each test asserts the *fault*: when one
 * fails after an upgrade, the way around it, named there, can go.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { acquireTfjsGpu, type TfjsContext } from '../../src/engine/portable/gpu/acquire.ts';

let gpu: TfjsContext;
beforeAll(async () => {
  gpu = await acquireTfjsGpu();
});
afterAll(() => gpu.release());

it('multinomial draws token 0 for the first row whatever its logits (shaders/decode/sampler.wgsl instead)', async () => {
  const drawn = [];
  // eslint-disable-next-line no-restricted-syntax -- the fault is what is tested
  for (let seed = 1; seed <= 5; seed++) drawn.push((await tf.multinomial([0, 0, 0, 9], 1, seed).data())[0]);
  expect(drawn).toEqual([0, 0, 0, 0, 0]);
});

it('split-K matmul is wrong for a transposed second factor (WEBGPU_MATMUL_PROGRAM_TYPE = 3 in portable/gpu/acquire.ts)', async () => {
  const a = tf.tensor2d(
    Float32Array.from({ length: 12 * 2048 }, (_, i) => Math.sin(i)),
    [12, 2048],
  );
  const b = tf.tensor2d(
    Float32Array.from({ length: 16 * 2048 }, (_, i) => Math.cos(i)),
    [16, 2048],
  );
  const product = async () => await a.matMul(b, false, true).data();
  const right = await product();
  const exact = Array.from({ length: 2048 }, (_, k) => Math.sin(k) * Math.cos(k)).reduce((sum, value) => sum + value, 0);
  expect(right[0]).toBeCloseTo(exact, 3);
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', -1);
  const wrong = await product();
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 3);
  expect(Math.abs(wrong[1]! - right[1]!)).toBeGreaterThan(0.01);
});
