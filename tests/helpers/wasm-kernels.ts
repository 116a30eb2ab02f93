/** The kernels of the wasm engine on arrays of the host: what they are given is copied into their memory, with garbage behind it. */
import { startModule, type Module } from '../../src/engine/wasm/module.ts';
import { normals } from './numbers.ts';

export class Bench {
  private constructor(readonly module: Module) {}

  /** @param relaxed absent: as the engine takes them here */
  static async start(relaxed?: boolean): Promise<Bench> {
    return new Bench(await startModule(relaxed));
  }

  get kernels() {
    return this.module.kernels;
  }

  /** The address of a copy. What lies behind it is garbage, and must not be looked at. */
  floats(values: ArrayLike<number>): number {
    const { heap } = this.module;
    const at = heap.take(4 * values.length);
    const view = heap.floats(at, values.length + 16);
    view.fill(1e30);
    view.set(values);
    return at;
  }

  /** Room for numbers, which are garbage. */
  room(length: number): number {
    return this.floats(normals(length, 99, 1e20));
  }

  zeros(length: number): number {
    return this.floats(new Float32Array(length));
  }

  integers(values: ArrayLike<number>): number {
    const { heap } = this.module;
    const at = heap.take(4 * values.length);
    heap.integers(at, values.length).set(values);
    return at;
  }

  read(at: number, length: number): Float32Array {
    return this.module.heap.floats(at, length).slice();
  }

  /** A matrix [rows, k] in panels of eight rows. */
  panels(values: ArrayLike<number>, k: number): number {
    const rows = values.length / k;
    const to = this.zeros(Math.ceil(rows / 8) * 8 * k);
    this.kernels.packRows(rows, k, this.floats(values), 4 * k, to, k, 0, 0, 0);
    return to;
  }

  /** The way back. */
  fromPanels(at: number, rows: number, k: number): Float32Array {
    const to = this.room(rows * k);
    this.kernels.unpackRows(rows, k, to, 4 * k, at, k, 0, 0);
    return this.read(to, rows * k);
  }
}
