/**
 * How the rows of a batch lie in the matrices of the decoder, one matrix row per token.
 * On host backends rows follow each other without padding, so that padding costs nothing; on webgpu every row takes
 * `width` places (shapes repeat, batched kernels apply), and what is computed in the padding is never read.
 */
import { onHost } from './host.ts';

export interface PackedRows {
  /** R */
  readonly rows: number;
  /** Places per row; 0 where rows are packed tightly. */
  readonly width: number;
  /** N: places in all. */
  readonly places: number;
  /** [N] token ids, 0 in the padding. */
  readonly tokens: Int32Array;
  /** [N] position of each place in its row, from 0. */
  readonly positions: Int32Array;
  /** [R] first place of each row. */
  readonly offsets: Int32Array;
  /** [R] tokens of each row. */
  readonly lengths: Int32Array;
}

export const bucket = (n: number) => Math.ceil(n / 8) * 8;

/** @param rowTokens the tokens of each row, at least one */
export function packRows(rowTokens: readonly Int32Array[]): PackedRows {
  const rows = rowTokens.length;
  const lengths = Int32Array.from(rowTokens, (row) => row.length);
  const width = onHost() ? 0 : bucket(lengths.reduce((longest, n) => Math.max(longest, n), 0));
  const offsets = new Int32Array(rows);
  let places = 0;
  for (let row = 0; row < rows; row++) {
    offsets[row] = places;
    places += width || lengths[row]!;
  }
  const tokens = new Int32Array(places);
  const positions = new Int32Array(places);
  for (let row = 0; row < rows; row++) {
    const start = offsets[row]!;
    tokens.set(rowTokens[row]!, start);
    const end = start + (width || lengths[row]!);
    for (let place = start; place < end; place++) positions[place] = place - start;
  }
  return { rows, width, places, tokens, positions, offsets, lengths };
}
