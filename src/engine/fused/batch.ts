/**
 * Segments (`../segments.ts`) as the shaders of this engine read them, and what else a pass is given: its cells, and where they lie. Places,
 * segments and cells are filled up to sizes that come again, so that plans do. Host side.
 */
import { passOfRows, type Segment } from '../segments.ts';
import type { TokenBatch, TrainBatch } from '../engine.ts';
import { cellBucket } from './head.ts';
import type { CellShape, Views } from './machine.ts';

export const bucket = (n: number) => Math.ceil(Math.max(n, 1) / 8) * 8;

/** Places are rounded up to eights, or steps of less than a hundredth: what fills them is computed for nothing. */
export function placeBucket(places: number): number {
  const step = Math.max(8, 2 ** (Math.floor(Math.log2(Math.max(places, 1))) - 7));
  return Math.max(8, Math.ceil(places / step) * step);
}

/** Of so many rows: their prompts, and what each adds to one. */
export const mostSegments = (rows: number) => 2 * rows;

/** Where the places of a pass belong: what turn and attention read. */
export interface PlaceTables {
  /** [N] of each place in its text; 0 for filling. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** [N] the segment of each place, -1 for filling. */
  readonly segmentOf: Int32Array<ArrayBuffer>;
  /** [S, 4] first place, places, the segment before it or -1, how many of those after it begin with it. */
  readonly segments: Int32Array<ArrayBuffer>;
}

/** @param places N; what no segment has is filling */
export function tablesOf(segments: readonly Segment[], places: number): PlaceTables {
  const positions = new Int32Array(places);
  const segmentOf = new Int32Array(places).fill(-1);
  const table = new Int32Array(4 * segments.length);
  segments.forEach(({ first, places: own, prefix }, s) => {
    table.set([first, own, prefix, 0], 4 * s);
    if (prefix >= 0) table[4 * prefix + 3]!++;
    const before = prefix < 0 ? 0 : segments[prefix]!.places;
    segmentOf.fill(s, first, first + own);
    for (let i = 0; i < own; i++) positions[first + i] = before + i;
  });
  return { positions, segmentOf, segments: table };
}

/** Whole rows of one width, right-padded. */
export function tablesOfRows(lengths: ArrayLike<number>, width: number): PlaceTables {
  const segments = Array.from({ length: lengths.length }, (_, row): Segment => ({ first: row * width, places: lengths[row]!, prefix: -1 }));
  return tablesOf(segments, lengths.length * width);
}

/** Uploads them to where a plan reads them. */
export function writeTables(device: GPUDevice, memory: Views, tables: PlaceTables): void {
  for (const name of ['positions', 'segmentOf', 'segments'] as const) {
    const values = tables[name];
    device.queue.writeBuffer(memory.view(name, values.length).buffer, 0, values);
  }
}

/** Rows [first, last) of a batch. */
export interface Pass extends PlaceTables {
  readonly shape: CellShape;
  /** Places that are somebody's; the others of `shape.places` are filling. */
  readonly real: number;
  /** Cells that count; the others of `shape.cells` are filling. */
  readonly counted: number;
  /** [N] 0 for filling. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** [M] the place before each cell's token, rising: of replies to one prompt the first cells have the same. */
  readonly places: Int32Array<ArrayBuffer>;
  /** [M] where the cell lies in the grid [R, C]; one past its end for filling. */
  readonly cells: Int32Array<ArrayBuffer>;
  /** [M] the token of the cell. */
  readonly targets: Int32Array<ArrayBuffer>;
  /** [N + 1] the first of the cells that a place predicts, and of those after them. */
  readonly cellStarts: Int32Array<ArrayBuffer>;
  /** [counted] where the cell lies in the grid of the whole batch. */
  readonly grid: Int32Array<ArrayBuffer>;
}

/**
 * @param wanted [R, C] of the whole batch: 1 where a result is needed; absent: every completion token
 * @param width no text is longer  @param completionWidth of the grid; at least the batch's own
 */
export function passOf(batch: TokenBatch, first: number, last: number, width: number, completionWidth: number, wanted?: Uint8Array): Pass {
  const rows = last - first;
  const pass = passOfRows(batch, first, last, wanted);
  const counted = pass.targets.length;
  const shape: CellShape = {
    places: placeBucket(pass.places),
    segments: mostSegments(rows),
    width,
    rows,
    completionWidth,
    cells: cellBucket(counted),
  };
  const cellStarts = new Int32Array(shape.places + 1);
  for (const place of pass.cellPlaces) cellStarts[place + 1]!++;
  for (let place = 0; place < shape.places; place++) cellStarts[place + 1]! += cellStarts[place]!;
  const order = new Int32Array(counted);
  const next = cellStarts.slice();
  pass.cellPlaces.forEach((place, m) => (order[next[place]!++] = m));
  const filled = (size: number, filling: number, values: Int32Array) => {
    const all = new Int32Array(size).fill(filling);
    all.set(values);
    return all;
  };
  const grid = order.map((m) => pass.grid[m]!);
  const { completionWidth: from } = batch;
  return {
    shape,
    real: pass.places,
    counted,
    tokens: filled(shape.places, 0, pass.tokens),
    ...tablesOf(pass.segments, shape.places),
    places: filled(shape.cells, 0, order.map((m) => pass.cellPlaces[m]!)), // prettier-ignore
    cells: filled(shape.cells, rows * completionWidth, grid.map((cell) => (Math.floor(cell / from) - first) * completionWidth + (cell % from))), // prettier-ignore
    targets: filled(shape.cells, 0, order.map((m) => pass.targets[m]!)), // prettier-ignore
    cellStarts,
    grid,
  };
}

/** Rows [first, last) of a host grid [R, from], as [last - first, to]. */
export function regrid(values: ArrayLike<number>, first: number, last: number, from: number, to: number): Float32Array<ArrayBuffer> {
  const grid = new Float32Array((last - first) * to);
  for (let row = first; row < last; row++) {
    for (let t = 0; t < Math.min(from, to); t++) grid[(row - first) * to + t] = values[row * from + t]!;
  }
  return grid;
}

/** Tokens of a step that count. */
export function countedTokens(batch: TrainBatch): number {
  return batch.mask.reduce((sum, m) => sum + m, 0);
}
