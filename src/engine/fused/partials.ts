/**
 * Gradients of norms and biases come as sums over chunks of places; this hands out the room for them and lists what one
 * last dispatch has to add up.
 */
import type { Views } from './machine.ts';
import { align, part, type BufferView } from '../gpu/work.ts';
import { partialsTable, type PartialSection } from './kernels/columns.ts';
import type { ArenaLayout } from './layout.ts';

export class PartialSums {
  readonly sections: (PartialSection & { /** of the arena */ readonly part: number })[] = [];
  /** Floats of the buffer `partials` handed out. */
  used = 0;

  constructor(
    private readonly layout: ArenaLayout,
    private readonly memory: Views,
  ) {}

  /** [chunks, width] whose sum over chunks is the gradient of `name`. */
  take(name: string, chunks: number, width: number): BufferView {
    const slot = this.layout.slots.get(name)!;
    const first = this.used;
    this.used = align((first + chunks * width) * 4) / 4;
    this.sections.push({ first, chunks, width, stride: width, target: slot.offset, part: slot.part });
    return part(this.memory.view('partials', this.used), first, chunks * width);
  }

  /** What the dispatch that adds up for one part of the arena reads. */
  tableOf(index: number): Int32Array<ArrayBuffer> {
    return partialsTable(this.sections.filter((section) => section.part === index));
  }
}
