/**
 * GPU memory of the fused engine: arenas for what is learned, and a pool of named buffers for everything a pass needs,
 * allocated once and grown when a larger shape comes. Allocation is the one place where running out of memory can be
 * told apart from a bug, so it happens inside an error scope and ends in a sentence with the dial to turn.
 */
import { LabError } from '../../errors.ts';
import { align, type BufferView } from '../gpu/work.ts';
import { wordsOf, type ArenaLayout } from './layout.ts';

const storage = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** @param dial what the reader can turn, a sentence */
async function allocate<T>(device: GPUDevice, bytes: number, what: string, dial: string, make: () => T): Promise<T> {
  const limit = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  const refuse = (why: string) => {
    throw new LabError('memory', `${what} needs ${mebibytes(bytes)} MiB, ${why}.`, dial);
  };
  if (bytes > limit) refuse(`and this GPU binds at most ${mebibytes(limit)} MiB at once`);
  device.pushErrorScope('out-of-memory');
  const made = make();
  if (await device.popErrorScope()) refuse('which the GPU no longer has');
  return made;
}

/** Parameters, gradients or moments: one buffer per part of the layout. */
export class Arena {
  private constructor(
    readonly layout: ArenaLayout,
    readonly buffers: readonly GPUBuffer[],
  ) {}

  static async create(device: GPUDevice, layout: ArenaLayout, label: string): Promise<Arena> {
    const buffers: GPUBuffer[] = [];
    for (const { length } of layout.parts) {
      const make = () => device.createBuffer({ label, size: length * 4, usage: storage() });
      buffers.push(await allocate(device, length * 4, `The arena of the ${label}`, 'Choose a smaller policy, or another device.', make));
    }
    return new Arena(layout, buffers);
  }

  /** The bytes of one matrix or vector. */
  view(name: string): BufferView {
    const slot = this.layout.slots.get(name);
    if (!slot) throw new Error(`no parameter ${name}`);
    return { buffer: this.buffers[slot.part]!, offset: slot.offset * 4, size: wordsOf(slot) * 4 };
  }

  /** A whole part. */
  part(index: number): BufferView {
    return { buffer: this.buffers[index]!, offset: 0, size: this.layout.parts[index]!.length * 4 };
  }

  copyFrom(other: Arena, encoder: GPUCommandEncoder): void {
    this.buffers.forEach((buffer, i) => encoder.copyBufferToBuffer(other.buffers[i]!, 0, buffer, 0, buffer.size));
  }

  clear(encoder: GPUCommandEncoder): void {
    for (const buffer of this.buffers) encoder.clearBuffer(buffer);
  }

  get bytes(): number {
    return this.buffers.reduce((total, { size }) => total + size, 0);
  }

  dispose(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }
}

/** Buffers by name. A name always means the same thing, so a second plan of another shape works in the same memory. */
export class Pool {
  private readonly buffers = new Map<string, GPUBuffer>();
  /** Grows whenever a buffer was replaced: what was bound before is gone. */
  generation = 0;

  constructor(private readonly device: GPUDevice) {}

  /**
   * Makes room for all of these at once.
   * @param sizes numbers of four bytes by name
   */
  async reserve(sizes: Readonly<Record<string, number>>, dial: string): Promise<void> {
    for (const [name, length] of Object.entries(sizes)) {
      const bytes = align(Math.max(length, 1) * 4);
      const known = this.buffers.get(name);
      if (known && known.size >= bytes) continue;
      if (known) {
        this.buffers.delete(name);
        this.generation++;
        // What is still running on the old one keeps it alive.
        known.destroy();
      }
      const make = () => this.device.createBuffer({ label: name, size: bytes, usage: storage() });
      this.buffers.set(name, await allocate(this.device, bytes, `The buffer "${name}"`, dial, make));
    }
  }

  /** The first `length` numbers of a reserved buffer. */
  view(name: string, length: number): BufferView {
    const buffer = this.buffers.get(name);
    if (!buffer || buffer.size < length * 4) throw new Error(`the buffer ${name} was not reserved for ${length} numbers`);
    return { buffer, offset: 0, size: Math.max(length, 1) * 4 };
  }

  get bytes(): number {
    return [...this.buffers.values()].reduce((total, { size }) => total + size, 0);
  }

  dispose(): void {
    for (const buffer of this.buffers.values()) buffer.destroy();
    this.buffers.clear();
  }
}

/** One read-back of several ranges, packed one after the other. */
export async function readBuffers(device: GPUDevice, views: readonly BufferView[]): Promise<ArrayBuffer> {
  const staging = stagingFor(device, views);
  const encoder = device.createCommandEncoder();
  copyInto(encoder, views, staging);
  device.queue.submit([encoder.finish()]);
  return mapped(staging);
}

/** A buffer as large as all views together, to be mapped for reading. */
export function stagingFor(device: GPUDevice, views: readonly BufferView[]): GPUBuffer {
  const size = views.reduce((total, view) => total + view.size, 0);
  return device.createBuffer({ label: 'read-back', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
}

/** Copies the views one after the other, without gaps. */
export function copyInto(encoder: GPUCommandEncoder, views: readonly BufferView[], staging: GPUBuffer): void {
  let at = 0;
  for (const { buffer, offset, size } of views) {
    encoder.copyBufferToBuffer(buffer, offset, staging, at, size);
    at += size;
  }
}

/** The bytes of a staging buffer once the GPU has written them; the buffer is gone afterwards. */
export async function mapped(staging: GPUBuffer): Promise<ArrayBuffer> {
  await staging.mapAsync(GPUMapMode.READ);
  const bytes = staging.getMappedRange().slice(0);
  staging.destroy();
  return bytes;
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
