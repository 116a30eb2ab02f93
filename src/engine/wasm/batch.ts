/**
 * From the contract's batches to what the decoder computes on: segments (kernels/attention.ts). A prompt is one, read once for all rows after one
 * another that begin with it; what a row's completion adds is another, up to the last token that is needed: the last one predicts nothing. Here
 * places and cells are numbered; nothing is computed.
 */
import type { TokenBatch } from '../engine.ts';
import { upTo } from './layout.ts';

/** Rows of tokens as places, one after the other without padding. */
export interface Pass {
  /** N */
  readonly places: number;
  /** [N] */
  readonly tokens: Int32Array;
  /** [N] of each place in its row, from 0 */
  readonly positions: Int32Array;
  readonly segments: SegmentTable;
}

export interface SegmentTable {
  readonly count: number;
  /** [count, 5] first place, places, prefix or -1, first column, 0: as kernels/attention.ts reads it. */
  readonly table: Int32Array;
  /** Of keys and values, every segment rounded up to 8. */
  readonly columns: number;
  /** Places of the longest, and columns of the widest with its prefix. */
  readonly longest: number;
  readonly widest: number;
}

/** A pass that is asked for log-probs. A cell is a completion token that is needed. */
export interface CellPass extends Pass {
  /** [M] the place whose logits predict the cell: of two cells it may be the same. */
  readonly cellPlaces: Int32Array;
  /** [M] the token of the cell. */
  readonly targets: Int32Array;
  /** [M] where it lies in the grid [R, C] of the whole batch, rising. */
  readonly grid: Int32Array;
  /** [segments] the row of the batch that each is of; a prompt's first. */
  readonly segmentRows: Int32Array;
}

/** Segments as they are added. */
class Builder {
  private readonly tokens: number[] = [];
  private readonly positions: number[] = [];
  private readonly table: number[] = [];
  private columns = 0;
  private longest = 0;
  private widest = 0;

  /** @returns the first place */
  add(tokens: Int32Array, prefix: number): number {
    const { length } = tokens;
    const before = prefix < 0 ? 0 : this.table[5 * prefix + 1]!;
    const first = this.tokens.length;
    this.table.push(first, length, prefix, this.columns, 0);
    tokens.forEach((token, i) => {
      this.tokens.push(token);
      this.positions.push(before + i);
    });
    this.columns += upTo(length, 8);
    this.longest = Math.max(this.longest, length);
    this.widest = Math.max(this.widest, upTo(before, 8) + upTo(length, 8));
    return first;
  }

  get count(): number {
    return this.table.length / 5;
  }

  build(): Pass {
    const { tokens, positions, table, columns, longest, widest, count } = this;
    return {
      places: tokens.length,
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from(positions),
      segments: { count, table: Int32Array.from(table), columns, longest, widest },
    };
  }
}

/** Whole texts, each on its own. */
export function passOfTexts(texts: readonly Int32Array[]): Pass {
  const builder = new Builder();
  for (const text of texts) builder.add(text, -1);
  return builder.build();
}

/** Rows [first, last) of a batch. @param wanted [R, C] of the whole batch: 1 where a result is needed; absent: every completion token */
export function passOfRows(batch: TokenBatch, first: number, last: number, wanted?: Uint8Array): CellPass {
  const builder = new Builder();
  const [cellPlaces, targets, grid]: [number[], number[], number[]] = [[], [], []];
  const segmentRows: number[] = [];
  let prompt: { readonly row: number; readonly segment: number; readonly first: number } | null = null;
  for (let row = first; row < last; row++) {
    const needed = neededTokens(batch, row, wanted);
    if (needed === 0) continue;
    const length = batch.promptLengths[row]!;
    const at = row * batch.width;
    if (!prompt || !samePrompt(batch, prompt.row, row)) {
      prompt = { row, segment: builder.count, first: builder.add(batch.tokens.subarray(at, at + length), -1) };
      segmentRows.push(row);
    }
    const own = needed > 1 ? builder.add(batch.tokens.subarray(at + length, at + length + needed - 1), prompt.segment) : 0;
    if (needed > 1) segmentRows.push(row);
    for (let t = 0; t < needed; t++) {
      const cell = row * batch.completionWidth + t;
      if (wanted && wanted[cell] === 0) continue;
      cellPlaces.push(t === 0 ? prompt.first + length - 1 : own + t - 1);
      targets.push(batch.tokens[at + length + t]!);
      grid.push(cell);
    }
  }
  return {
    ...builder.build(),
    cellPlaces: Int32Array.from(cellPlaces),
    targets: Int32Array.from(targets),
    grid: Int32Array.from(grid),
    segmentRows: Int32Array.from(segmentRows),
  };
}

/** Tokens of a completion up to the last that is wanted. */
function neededTokens({ promptLengths, lengths, completionWidth }: TokenBatch, row: number, wanted?: Uint8Array): number {
  let needed = lengths[row]! - promptLengths[row]!;
  while (wanted && needed > 0 && wanted[row * completionWidth + needed - 1] === 0) needed--;
  return needed;
}

export function samePrompt({ promptLengths, tokens, width }: TokenBatch, one: number, other: number): boolean {
  const length = promptLengths[one]!;
  if (length !== promptLengths[other]!) return false;
  for (let i = 0; i < length; i++) if (tokens[one * width + i] !== tokens[other * width + i]) return false;
  return true;
}

/**
 * Consecutive ranges of rows: at most `microBatchRows` (0: no limit), and at most `maxPlaces` places unless one row alone has more. What is
 * computed of a row does not depend on them.
 */
export function ranges(batch: TokenBatch, microBatchRows: number, maxPlaces: number): [first: number, last: number][] {
  const found: [number, number][] = [];
  let first = 0;
  let places = 0;
  for (let row = 0; row < batch.rows; row++) {
    const own = Math.max(0, batch.lengths[row]! - batch.promptLengths[row]! - 1);
    const alone = own + batch.promptLengths[row]!;
    let more = row > first && samePrompt(batch, row - 1, row) ? own : alone;
    const full = (microBatchRows > 0 && row - first >= microBatchRows) || places + more > maxPlaces;
    if (row > first && full) {
      found.push([first, row]);
      first = row;
      places = 0;
      more = alone;
    }
    places += more;
  }
  if (first < batch.rows) found.push([first, batch.rows]);
  return found;
}
