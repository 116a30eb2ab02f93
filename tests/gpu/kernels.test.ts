/** The RL kernels and the sampler in WGSL, in a real browser, against the same references as their twins. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { acquireTfjsGpu, type TfjsContext } from '../../src/engine/portable/gpu/acquire.ts';
import { headSuite } from '../helpers/head-suite.ts';
import { kernelSuite } from '../helpers/kernel-suite.ts';

let gpu: TfjsContext;

beforeAll(async () => {
  gpu = await acquireTfjsGpu();
});
afterEach(() => gpu.check());
afterAll(() => gpu.release());

kernelSuite('webgpu', { large: true });
headSuite('webgpu');
