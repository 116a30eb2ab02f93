/** How fast an adapter multiplies large matrices, by every implementation at hand: the best of them is what a training step is held against. */
import { matmul } from '../engine/fused/kernels/matmul.ts';
import { tuningFor } from '../engine/fused/kernels/tuning.ts';
import { acquireGpu, type GpuContext } from '../engine/gpu/device.ts';
import { Plan } from '../engine/gpu/plan.ts';
import { wholeBuffer } from '../engine/gpu/work.ts';

/** Products per measurement, so that the way to the GPU and back does not count. */
export const chain = 8;

/** Makes `chain` products and waits for them. */
export type ProductChain = () => Promise<unknown>;

/**
 * @param size of the square matrices
 * @param others by name
 * @returns floating-point operations per second of the fastest of several runs, by implementation
 */
export async function matmulRates(
  size: number,
  others: Readonly<Record<string, (size: number) => ProductChain>>,
): Promise<Record<string, number>> {
  const rate = async (run: ProductChain) => {
    await run();
    let best = Infinity;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      await run();
      best = Math.min(best, performance.now() - start);
    }
    return (chain * 2 * size ** 3) / (best / 1000);
  };
  const rates: Record<string, number> = {};
  const { productChain } = await import('../engine/portable/product-chain.ts');
  const portable = await productChain(size, chain);
  try {
    rates['portable'] = await rate(portable.run);
  } finally {
    portable.end();
  }
  const gpu = await acquireGpu();
  const buffers: GPUBuffer[] = [];
  try {
    rates['fused'] = await rate(await fusedChain(gpu, size, buffers));
    gpu.check();
  } finally {
    for (const buffer of buffers) buffer.destroy();
    gpu.release();
  }
  for (const [name, of] of Object.entries(others)) rates[name] = await rate(of(size));
  return rates;
}

async function fusedChain(gpu: GpuContext, size: number, buffers: GPUBuffer[]): Promise<ProductChain> {
  const { device } = gpu;
  const make = () => {
    const buffer = device.createBuffer({ size: size * size * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    buffers.push(buffer);
    return wholeBuffer(buffer);
  };
  const [a, b, c] = [make(), make(), make()];
  for (const { buffer } of [a, b])
    device.queue.writeBuffer(
      buffer,
      0,
      Float32Array.from({ length: size * size }, () => Math.random()),
    );
  const works = Array.from({ length: chain }, () => matmul({ kind: 'nt', m: size, n: size, k: size, a, b, c }, tuningFor(gpu))).flat();
  const plan = await Plan.create(device, works, 'matmul rate');
  return async () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  };
}
