/**
 * From the contract's batches to what a pass of the fused engine reads: padded rows of one bucket width, the cells that count
 * and where they lie. Host side; the tokens themselves are skipped where they are still on the GPU.
 */
import type { CellShape } from './machine.ts';
import type { TokenBatch, TrainBatch } from '../engine.ts';
import { cellBucket } from './head.ts';

export const bucket = (n: number) => Math.ceil(Math.max(n, 1) / 8) * 8;

/** Rows [first, last) of a batch. Places: row · width + position. */
export interface Pass {
  readonly shape: CellShape;
  /** Cells that count; the others of `shape.cells` are filling. */
  readonly counted: number;
  /** [N] right-padded with 0. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** [R] */
  readonly lengths: Int32Array<ArrayBuffer>;
  /** [M] the place before each cell's token. */
  readonly places: Int32Array<ArrayBuffer>;
  /** [M] where the cell lies in the grid [R, C]; one past its end for filling. */
  readonly cells: Int32Array<ArrayBuffer>;
  /** [M] the token of the cell. */
  readonly targets: Int32Array<ArrayBuffer>;
  /** [N] the cell that a place predicts, -1 for none. */
  readonly inverse: Int32Array<ArrayBuffer>;
}

/**
 * @param wanted [R, C] of the whole batch: 1 where a result is needed; absent: every completion token
 * @param width of a row  @param completionWidth of the grid; both at least the batch's own
 */
export function passOf(batch: TokenBatch, first: number, last: number, width: number, completionWidth: number, wanted?: Uint8Array): Pass {
  const rows = last - first;
  const tokens = new Int32Array(rows * width);
  const lengths = new Int32Array(rows);
  const inverse = new Int32Array(rows * width).fill(-1);
  const places: number[] = [];
  const cells: number[] = [];
  const targets: number[] = [];
  for (let row = 0; row < rows; row++) {
    const source = (first + row) * batch.width;
    const length = batch.lengths[first + row]!;
    const prompt = batch.promptLengths[first + row]!;
    tokens.set(batch.tokens.subarray(source, source + length), row * width);
    lengths[row] = length;
    for (let t = 0; t < length - prompt; t++) {
      if (wanted && wanted[(first + row) * batch.completionWidth + t] === 0) continue;
      const place = row * width + prompt + t - 1;
      inverse[place] = places.length;
      places.push(place);
      cells.push(row * completionWidth + t);
      targets.push(batch.tokens[source + prompt + t]!);
    }
  }
  const counted = places.length;
  const size = cellBucket(counted);
  const filled = (values: readonly number[], filling: number) => {
    const all = new Int32Array(size).fill(filling);
    all.set(values);
    return all;
  };
  return {
    shape: { rows, width, cells: size, completionWidth },
    counted,
    tokens,
    lengths,
    places: filled(places, 0),
    cells: filled(cells, rows * completionWidth),
    targets: filled(targets, 0),
    inverse,
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

/** Consecutive ranges of at most `most` rows. */
export function ranges(rows: number, most: number): [first: number, last: number][] {
  const found: [number, number][] = [];
  for (let first = 0; first < rows; first += most) found.push([first, Math.min(first + most, rows)]);
  return found;
}

/** Tokens of a step that count. */
export function countedTokens(batch: TrainBatch): number {
  return batch.mask.reduce((sum, m) => sum + m, 0);
}
