/** The RL kernels and the sampler in WGSL, in a real browser, against the same references as their twins. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { kernelSuite } from '../helpers/kernel-suite.ts';

let gpu: GpuContext;

beforeAll(async () => {
  gpu = await acquireGpu();
});
afterEach(() => gpu.check());
afterAll(() => gpu.release());

kernelSuite('webgpu', { large: true });
