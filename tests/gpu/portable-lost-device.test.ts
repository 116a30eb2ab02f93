/** A GPU device that goes away under a running engine: the engine says so, and a new one starts on a new device. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

it('a lost device is an error, and its successor computes the same', async () => {
  const start = () => createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'portable', backend: 'webgpu' });
  const tokens = Int32Array.of(1, 2, 3);
  const first = await start();
  expect(first.info).toMatchObject({ engine: 'portable', backend: 'webgpu', software: true });
  const before = await first.logits(tokens);

  const { device } = tf.backend() as unknown as { device: GPUDevice };
  device.destroy();
  await device.lost;
  const error: unknown = await first.logits(tokens).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(labErrorCode(error)).toBe('webgpu');
  first.dispose();

  const second = await start();
  expect(await second.logits(tokens)).toEqual(before);
  second.dispose();
});
