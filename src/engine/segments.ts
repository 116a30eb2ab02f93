/**
 * From the contract's batches to what decoders compute on: segments, runs of places. A prompt is one, read once for all rows after one another
 * that begin with it; what a row's completion adds is another, up to the last token that is needed: the last one predicts nothing. Here places and
 * cells are numbered, and rows are dealt out to passes; nothing is computed. The wasm and the fused engine both compute on these; how each lays
 * them out is in its own `batch.ts`. The portable engine, which they are compared with, reads every row whole.
 */
import type { TokenBatch } from './engine.ts';

export interface Segment {
  /** Its first place. */
  readonly first: number;
  readonly places: number;
  /** Which segment comes before it in its text, -1: none. It is an earlier one, has none before it, and is followed by all that begin with it. */
  readonly prefix: number;
}

/** Texts as places, one after the other without padding. */
export interface Pass {
  /** N */
  readonly places: number;
  /** [N] */
  readonly tokens: Int32Array;
  /** [N] of each place in its text, from 0 */
  readonly positions: Int32Array;
  readonly segments: readonly Segment[];
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
  readonly segments: Segment[] = [];

  /** @returns the first place */
  add(tokens: Int32Array, prefix: number): number {
    const before = prefix < 0 ? 0 : this.segments[prefix]!.places;
    const first = this.tokens.length;
    this.segments.push({ first, places: tokens.length, prefix });
    tokens.forEach((token, i) => {
      this.tokens.push(token);
      this.positions.push(before + i);
    });
    return first;
  }

  build(): Pass {
    const { tokens, positions, segments } = this;
    return { places: tokens.length, tokens: Int32Array.from(tokens), positions: Int32Array.from(positions), segments };
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
      prompt = { row, segment: builder.segments.length, first: builder.add(batch.tokens.subarray(at, at + length), -1) };
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

function samePrompt({ promptLengths, tokens, width }: TokenBatch, one: number, other: number): boolean {
  const length = promptLengths[one]!;
  if (length !== promptLengths[other]!) return false;
  for (let i = 0; i < length; i++) if (tokens[one * width + i] !== tokens[other * width + i]) return false;
  return true;
}

/** The end of the rows after one another that begin with the prompt of row `first`. */
export function groupEnd(batch: TokenBatch, first: number): number {
  let last = first + 1;
  while (last < batch.rows && samePrompt(batch, first, last)) last++;
  return last;
}

/** Tokens of rows [first, last), all with one prompt, which counts once. No pass of them has more places, and none has more cells. */
function groupTokens({ promptLengths, lengths }: TokenBatch, first: number, last: number): number {
  let tokens = promptLengths[first]!;
  for (let row = first; row < last; row++) tokens += lengths[row]! - promptLengths[row]!;
  return tokens;
}

/** Tokens of a batch, a prompt once for all rows after one another that begin with it. */
export function batchTokens(batch: TokenBatch): number {
  let tokens = 0;
  for (let first = 0, last; first < batch.rows; first = last) {
    last = groupEnd(batch, first);
    tokens += groupTokens(batch, first, last);
  }
  return tokens;
}

/**
 * The end of the pass that begins with row `first`: at most `microBatchRows` rows (0: no limit) and `maxTokens` tokens, unless one row alone has more.
 * Rows of one prompt are parted only where a pass cannot hold them all: each part then reads the prompt. What is computed of a row does not depend
 * on where passes end.
 */
export function passEnd(batch: TokenBatch, first: number, microBatchRows: number, maxTokens: number): number {
  const fits = (rows: number, tokens: number) => tokens <= maxTokens && (microBatchRows === 0 || rows <= microBatchRows);
  let end = first;
  for (let tokens = 0; end < batch.rows;) {
    const last = groupEnd(batch, end);
    tokens += groupTokens(batch, end, last);
    if (!fits(last - first, tokens)) break;
    end = last;
  }
  if (end > first || first === batch.rows) return end;
  end = first + 1;
  while (fits(end + 1 - first, groupTokens(batch, first, end + 1))) end++;
  return end;
}

/** All rows of a batch in passes: see `passEnd`. */
export function ranges(batch: TokenBatch, microBatchRows: number, maxTokens: number): [first: number, last: number][] {
  const found: [number, number][] = [];
  for (let first = 0, last; first < batch.rows; first = last) {
    last = passEnd(batch, first, microBatchRows, maxTokens);
    found.push([first, last]);
  }
  return found;
}
