/** A block of memory that holds all parameters of a layout, or what lies as they do; and the way there from files and host arrays, and back. */
import { tensorFormats } from '../../policy/tensor-format.ts';
import { finitePieces, finiteRows, type PolicyTensors, type Weights } from '../../policy/weights.ts';
import { numberKinds, upTo, type Layout, type Slot } from './layout.ts';
import type { Module } from './module.ts';

const { numbers: blockNumbers, bytes: blockBytes } = tensorFormats.q8_0;

/** Numbers that cross between host and module at a time. */
const transferNumbers = 2 ** 18;
export const transferBytes = 4 * transferNumbers;

/** Where a matrix lies in panels, and what its numbers are, as kernels/halves.ts says it. */
export interface Matrix {
  readonly at: number;
  readonly kind: number;
}

export class Arena {
  private constructor(
    private readonly module: Module,
    readonly layout: Layout,
    readonly at: number,
  ) {}

  /** All zeros. @throws LabError `memory` */
  static create(module: Module, layout: Layout): Arena {
    const at = module.heap.take(layout.bytes);
    module.kernels.fill(layout.bytes, at);
    return new Arena(module, layout, at);
  }

  /** Where a slot begins. */
  address(name: string): number {
    const slot = this.layout.slots.get(name);
    if (!slot) throw new Error(`there is no slot ${name}`);
    return this.at + slot.offset;
  }

  /** A matrix in panels. */
  matrix(name: string): Matrix {
    return { at: this.address(name), kind: numberKinds[this.layout.slots.get(name)!.kind] };
  }

  clear(): void {
    this.module.kernels.fill(this.layout.bytes, this.at);
  }

  /** @throws LabError `format` for numbers that are none */
  async writeTensors(tensors: PolicyTensors): Promise<void> {
    for (const slot of this.layout.slots.values()) {
      for (const source of slot.sources) {
        if (slot.kind === 'q8_0') {
          await this.placeBlocks(slot, source, tensors);
          continue;
        }
        let first = 0;
        for await (const piece of finitePieces(tensors.get(source.name)!)) {
          this.place(slot, source, first, piece);
          first += piece.length;
        }
      }
    }
  }

  write(weights: Weights): void {
    for (const slot of this.layout.slots.values()) {
      for (const source of slot.sources) {
        const values = weights[source.name];
        if (values?.length !== source.rows * source.width) throw new Error(`${source.name} has ${values?.length} numbers`);
        this.place(slot, source, 0, values);
      }
    }
  }

  /** Of float32. @param names in the order the result should have */
  read(names: readonly string[]): Weights {
    const { heap, kernels } = this.module;
    const found = new Map<string, Float32Array>();
    const buffer = heap.take(transferBytes);
    for (const slot of this.layout.slots.values()) {
      for (const { name, rows, width, row, column } of slot.sources) {
        const values = new Float32Array(rows * width);
        found.set(name, values);
        if (slot.shape.length === 1) {
          values.set(heap.floats(this.at + slot.offset + 4 * column, width));
          continue;
        }
        this.rectangles(0, values.length, width, (first, count, from, across) => {
          kernels.unpackRows(count, across, buffer, 4 * across, this.at + slot.offset, slot.shape[1]!, row + first, column + from);
          values.set(heap.floats(buffer, count * across), first * width + from);
        });
      }
    }
    heap.give(buffer);
    return Object.fromEntries(names.map((name) => [name, found.get(name)!]));
  }

  dispose(): void {
    this.module.heap.give(this.at);
  }

  /** Numbers of a source from `first` on. */
  private place(slot: Slot, source: Slot['sources'][number], first: number, values: Float32Array): void {
    const { heap, kernels } = this.module;
    if (slot.shape.length === 1) {
      heap.floats(this.at + slot.offset + 4 * (source.column + first), values.length).set(values);
      return;
    }
    const buffer = heap.take(transferBytes);
    let at = 0;
    this.rectangles(first, values.length, source.width, (row, count, from, across) => {
      heap.floats(buffer, count * across).set(values.subarray(at, at + count * across));
      at += count * across;
      const [k, top, left] = [slot.shape[1]!, source.row + row, source.column + from];
      kernels.packRows(count, across, buffer, 4 * across, this.at + slot.offset, k, top, left, numberKinds[slot.kind]);
    });
    heap.give(buffer);
  }

  /** What is quantised lies as its file has it: numbers that were read could not be brought back to the same scales. */
  private async placeBlocks(slot: Slot, source: Slot['sources'][number], tensors: PolicyTensors): Promise<void> {
    const { heap, kernels } = this.module;
    let { row } = source;
    for await (const piece of finiteRows(tensors.get(source.name)!, transferBytes)) {
      const rows = (piece.length * blockNumbers) / blockBytes / source.width;
      const buffer = heap.take(upTo(piece.length, 4));
      heap.bytes(buffer, piece.length).set(piece);
      kernels.packBlocks(rows, source.width, buffer, this.at + slot.offset, row);
      heap.give(buffer);
      row += rows;
    }
  }

  /** A stretch of numbers, row after row of `width`, as rectangles that fit into the transfer buffer: first row, rows, first column, columns. */
  private rectangles(
    first: number,
    length: number,
    width: number,
    use: (row: number, rows: number, column: number, columns: number) => void,
  ): void {
    for (let at = first; at < first + length;) {
      const [row, column] = [Math.floor(at / width), at % width];
      const left = first + length - at;
      const whole = column === 0 ? Math.min(Math.floor(left / width), Math.floor(transferNumbers / width)) : 0;
      const [rows, columns] = whole > 0 ? [whole, width] : [1, Math.min(width - column, left, transferNumbers)];
      use(row, rows, column, columns);
      at += rows * columns;
    }
  }
}
