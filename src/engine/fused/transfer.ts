/**
 * The way of float32 numbers between host tensors and an arena, range by range, so that beside both a range is held and never an arena. How
 * the tensors of a policy's file come into one is `upload.ts`.
 */
import type { Weights } from '../../policy/weights.ts';
import { checkSources, packRange, unpackRange } from './layout.ts';
import type { Arena } from './memory.ts';

/** Words of four bytes of a range: 16 MiB. */
const rangeWords = 2 ** 22;

/** @throws Error before anything is written, where a tensor is missing or of another length */
export async function writeNumbers(device: GPUDevice, arena: Arena, weights: Weights): Promise<void> {
  const { layout, buffers } = arena;
  checkSources(layout, weights);
  for (const { part, first, length } of rangesOf(arena)) {
    const words = new Float32Array(length);
    packRange(layout, part, first, words, weights);
    device.queue.writeBuffer(buffers[part]!, first * 4, words);
    // What the GPU has not taken yet is kept by the driver, outside of any limit of ours.
    await device.queue.onSubmittedWorkDone();
  }
}

/** @param shapes of the tensors, in the order the result should have */
export async function readNumbers(
  device: GPUDevice,
  arena: Arena,
  shapes: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<Weights> {
  const { layout, buffers } = arena;
  const product = (shape: readonly number[]) => shape.reduce((total, n) => total * n, 1);
  const found = new Map(shapes.map(({ name, shape }) => [name, new Float32Array(product(shape))]));
  const size = 4 * Math.min(rangeWords, Math.max(...layout.parts.map(({ length }) => length)));
  const staging = device.createBuffer({ label: 'read-back', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  try {
    for (const { part, first, length } of rangesOf(arena)) {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[part]!, first * 4, staging, 0, length * 4);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ, 0, length * 4);
      unpackRange(layout, part, first, new Float32Array(staging.getMappedRange(0, length * 4)), found);
      staging.unmap();
    }
  } finally {
    staging.destroy();
  }
  return Object.fromEntries(found);
}

function* rangesOf({ layout }: Arena): Generator<{ readonly part: number; readonly first: number; readonly length: number }> {
  for (const [part, { length }] of layout.parts.entries()) {
    for (let first = 0; first < length; first += rangeWords) yield { part, first, length: Math.min(rangeWords, length - first) };
  }
}
