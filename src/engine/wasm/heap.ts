/**
 * The memory of one module: blocks that are taken and given back, at addresses that stay. What will be needed is planned before (`memory-plan.ts`);
 * here nothing is decided. Addresses are bytes; a view is good until the next block is taken, because memory that grows moves its buffer.
 */
import { LabError } from '../../errors.ts';

/** What 32-bit addresses reach, less the last page. */
export const heapLimit = 2 ** 32 - 2 ** 16;

/** Kernels read, and drop, up to a vector or two beyond the end of what they are given. */
const slack = 64;

/** Bytes of a block, as they are taken. */
export const blockBytes = (bytes: number): number => Math.ceil((bytes + slack) / 64) * 64;

interface Hole {
  at: number;
  bytes: number;
}

export class Heap {
  private top: number;
  /** By address. */
  private readonly holes: Hole[] = [];
  private readonly sizes = new Map<number, number>();

  /** @param first free address */
  constructor(
    readonly memory: WebAssembly.Memory,
    first: number,
  ) {
    this.top = Math.ceil(first / 64) * 64;
  }

  /** What is in it is undefined. @throws LabError `memory` where there is no room, which a plan says before */
  take(bytes: number): number {
    const size = blockBytes(bytes);
    const hole = this.holes.find((some) => some.bytes >= size);
    if (hole) {
      const { at } = hole;
      hole.at += size;
      hole.bytes -= size;
      if (hole.bytes === 0) this.holes.splice(this.holes.indexOf(hole), 1);
      this.sizes.set(at, size);
      return at;
    }
    // What ends at the top is the beginning of the block.
    const last = this.holes.at(-1);
    const at = last && last.at + last.bytes === this.top ? last.at : this.top;
    this.grow(at + size);
    if (at < this.top) this.holes.pop();
    this.top = at + size;
    this.sizes.set(at, size);
    return at;
  }

  give(at: number): void {
    const bytes = this.sizes.get(at);
    if (bytes === undefined) throw new Error(`there is no block at ${at}`);
    this.sizes.delete(at);
    const index = this.holes.findIndex((hole) => hole.at > at);
    this.holes.splice(index < 0 ? this.holes.length : index, 0, { at, bytes });
    for (let i = this.holes.length - 1; i > 0; i--) {
      const [before, hole] = [this.holes[i - 1]!, this.holes[i]!];
      if (before.at + before.bytes !== hole.at) continue;
      before.bytes += hole.bytes;
      this.holes.splice(i, 1);
    }
  }

  /** Bytes in blocks that are taken. */
  get used(): number {
    return [...this.sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length);
  }

  integers(at: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, at, length);
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  private grow(to: number): void {
    const pages = Math.ceil((to - this.memory.buffer.byteLength) / 2 ** 16);
    if (pages <= 0) return;
    try {
      if (to > heapLimit) throw new RangeError('beyond 32-bit addresses');
      this.memory.grow(pages);
    } catch (cause) {
      throw new LabError(
        'memory',
        `The WebAssembly memory cannot grow from ${Math.round(this.memory.buffer.byteLength / 1e6)} to ${Math.round(to / 1e6)} MB.`,
        'Use a smaller policy, shorter or fewer rows, or close other programs; what was saved is intact.',
        { cause },
      );
    }
  }
}
