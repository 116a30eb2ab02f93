/** The rates of large products that a training step is held against: of both engines on WebGPU, of whoever else is given, and the device let go of. */
import { expect, it } from 'vitest';
import { liveBufferBytes } from '../../src/benchmark/gpu-meter.ts';
import { chain, matmulRates } from '../../src/benchmark/matmul-rate.ts';

it('every implementation has a rate, and no matrix stays on the GPU', async () => {
  const before = liveBufferBytes();
  let runs = 0;
  const peer = () => async () => {
    runs++;
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const rates = await matmulRates(64, { peer });
  expect(Object.keys(rates).sort()).toEqual(['fused', 'peer', 'portable']);
  expect(Math.min(...Object.values(rates))).toBeGreaterThan(0);
  // Twenty milliseconds of so many products, at best.
  expect(rates['peer']).toBeLessThan((chain * 2 * 64 ** 3) / 0.019);
  expect(runs).toBe(6);
  // A few numbers beside them go with the device.
  expect(liveBufferBytes() - before).toBeLessThan(4 * 64 ** 2);
});
