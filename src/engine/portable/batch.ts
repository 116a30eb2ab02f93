/**
 * From the contract's batches (rows of `[prompt | completion]`, completion arrays [R, C]) to what the decoder computes on:
 * packed rows, the places whose logits are needed, and where their results belong in [R, C].
 */
import type { TokenBatch } from '../engine.ts';
import { onHost } from './host.ts';
import { bucket, packRows, type PackedRows } from './rows.ts';

export interface Completions {
  readonly packed: PackedRows;
  /** [M] distinct places whose logits predict a completion token. */
  readonly places: Int32Array;
  /** [M] the predicted token. */
  readonly targets: Int32Array;
  /** Where the first `cells.length` results belong in [R, C], row-major; what comes after is filling and is dropped. */
  readonly cells: Int32Array;
}

/**
 * Rows [first, last) of a batch.
 * @param wanted [R, C] of the whole batch: 1 where a result is needed; absent: every completion token
 */
export function completionsOf(batch: TokenBatch, first: number, last: number, wanted?: Uint8Array): Completions {
  const { width, completionWidth } = batch;
  const rowTokens: Int32Array[] = [];
  for (let row = first; row < last; row++) rowTokens.push(batch.tokens.subarray(row * width, row * width + batch.lengths[row]!));
  const packed = packRows(rowTokens);
  const places: number[] = [];
  const targets: number[] = [];
  const cells: number[] = [];
  for (let row = first; row < last; row++) {
    const prompt = batch.promptLengths[row]!;
    for (let t = 0; t < batch.lengths[row]! - prompt; t++) {
      if (wanted && wanted[row * completionWidth + t] === 0) continue;
      // The token at position p is predicted by the logits at p - 1.
      places.push(packed.offsets[row - first]! + prompt + t - 1);
      targets.push(batch.tokens[row * width + prompt + t]!);
      cells.push((row - first) * completionWidth + t);
    }
  }
  if (!onHost() && places.length > 0) fill(places, targets, packed.places);
  return { packed, places: Int32Array.from(places), targets: Int32Array.from(targets), cells: Int32Array.from(cells) };
}

/** Shapes must repeat on webgpu, whose buffers are pooled by size for ever: round M up with places nobody asked for. */
function fill(places: number[], targets: number[], available: number): void {
  const size = Math.min(available, bucket(Math.ceil(places.length / 8)) * 8);
  const used = new Set(places);
  for (let place = 0; places.length < size; place++) {
    if (used.has(place)) continue;
    places.push(place);
    targets.push(0);
  }
}

/**
 * Consecutive ranges of rows: at most `microBatchRows` (0: no limit) and at most `maxPlaces` tokens each, so that the memory
 * of a pass is bounded. What is computed does not depend on the split.
 */
export function microBatches(batch: TokenBatch, microBatchRows: number, maxPlaces: number): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  let first = 0;
  let widest = 0;
  for (let row = 0; row <= batch.rows; row++) {
    const length = row < batch.rows ? bucket(batch.lengths[row]!) : 0;
    const full =
      row - first > 0 &&
      ((microBatchRows > 0 && row - first >= microBatchRows) || Math.max(widest, length) * (row - first + 1) > maxPlaces);
    if (row === batch.rows || full) {
      if (row > first) ranges.push([first, row]);
      first = row;
      widest = 0;
    }
    widest = Math.max(widest, length);
  }
  return ranges;
}
