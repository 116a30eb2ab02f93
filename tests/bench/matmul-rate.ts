/** How fast an adapter multiplies large matrices, by every implementation at hand: the best of them is what a training step is held against. */
import { numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import { matmul } from '../../src/engine/fused/kernels/matmul.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import type { GpuContext } from '../../src/engine/gpu/device.ts';
import { Plan } from '../../src/engine/gpu/plan.ts';
import { wholeBuffer } from '../../src/engine/gpu/work.ts';
import { acquireTfjsGpu } from '../../src/engine/portable/gpu/acquire.ts';

/** Products per measurement, so that the way to the GPU and back does not count. */
const chain = 8;

/**
 * @param size of the square matrices
 * @returns floating-point operations per second of the fastest of several runs, by implementation
 */
export async function matmulRates(size: number, withJax: boolean): Promise<Record<string, number>> {
  const rate = async (run: () => Promise<unknown>) => {
    await run();
    let best = Infinity;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      await run();
      best = Math.min(best, performance.now() - start);
    }
    return (chain * 2 * size ** 3) / (best / 1000);
  };
  const gpu = await acquireTfjsGpu();
  try {
    const rates = { portable: await rate(tfjsChain(size)), fused: await rate(await fusedChain(gpu, size)) };
    gpu.check();
    return withJax ? { ...rates, 'jax-js': await rate(jaxChain(size)) } : rates;
  } finally {
    gpu.release();
  }
}

function tfjsChain(size: number): () => Promise<unknown> {
  const a = tf.randomUniform<tf.Rank.R2>([size, size]);
  const b = tf.randomUniform<tf.Rank.R2>([size, size]);
  return async () => {
    const last = tf.tidy(() => {
      let c: tf.Tensor2D = a;
      for (let i = 0; i < chain; i++) c = tf.matMul(a, b);
      return tf.slice(c, [0, 0], [1, 1]);
    });
    await last.data();
    last.dispose();
  };
}

async function fusedChain(gpu: GpuContext, size: number): Promise<() => Promise<unknown>> {
  const { device } = gpu;
  const make = () => wholeBuffer(device.createBuffer({ size: size * size * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST }));
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

function jaxChain(size: number): () => Promise<unknown> {
  const random = () =>
    np.array(
      Float32Array.from({ length: size * size }, () => Math.random()),
      { shape: [size, size] },
    );
  const [a, b] = [random(), random()];
  return async () => {
    const products = Array.from({ length: chain }, () => np.matmul(a.ref, b.ref));
    await Promise.all(products.map((product) => product.blockUntilReady()));
    for (const product of products) product.dispose();
  };
}
