/**
 * The scratch memory of a pass: one block, laid out anew for every pass. `Frame` hands out addresses in it, `measure` says beforehand how large
 * it has to be, so that what is planned is what is taken.
 */
import { blockBytes } from './heap.ts';
import type { Module } from './module.ts';

/** Takes so many numbers of four bytes, and says where. */
export type Take = (numbers: number) => number;

/** Bytes that a list of buffers takes. */
export function measure(lay: (take: Take) => unknown): number {
  let bytes = 0;
  lay((numbers) => {
    bytes += blockBytes(4 * numbers);
    return bytes;
  });
  return bytes;
}

export class Frame {
  private at = 0;
  private bytes = 0;

  constructor(private readonly module: Module) {}

  /** @throws LabError `memory` where the module has no room */
  lay<Buffers>(buffers: (take: Take) => Buffers): Buffers {
    const needed = measure(buffers);
    if (needed > this.bytes) {
      this.dispose();
      this.at = this.module.heap.take(needed);
      this.bytes = needed;
    }
    let next = this.at;
    return buffers((numbers) => {
      const here = next;
      next += blockBytes(4 * numbers);
      return here;
    });
  }

  dispose(): void {
    if (this.bytes > 0) this.module.heap.give(this.at);
    this.bytes = 0;
  }
}
