/** A batch as segments, and where it is cut into passes: every token once, whole groups where a pass holds them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchTokens, groupEnd, passOfRows, passOfTexts, ranges } from '../../src/engine/segments.ts';
import type { TokenBatch } from '../../src/engine/engine.ts';

/** Rows by the prompt and the completion of each. */
function batchOf(rows: readonly (readonly [prompt: readonly number[], completion: readonly number[]])[]): TokenBatch {
  const completionWidth = Math.max(...rows.map(([, completion]) => completion.length));
  const width = Math.max(...rows.map(([prompt, completion]) => prompt.length + completion.length));
  const tokens = new Int32Array(rows.length * width).fill(99);
  rows.forEach(([prompt, completion], row) => tokens.set([...prompt, ...completion], row * width));
  return {
    rows: rows.length,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(rows, ([prompt]) => prompt.length),
    lengths: Int32Array.from(rows, ([prompt, completion]) => prompt.length + completion.length),
  };
}

const row = fc.tuple(
  fc.constantFrom([1], [1, 2], [2, 2], [3, 1, 2]),
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 0, maxLength: 4 }),
);
const batches = fc.array(row, { minLength: 1, maxLength: 12 });

describe('a batch as segments', () => {
  it('gives every cell the text that it had', () => {
    fc.assert(
      fc.property(batches, (rows) => {
        const batch = batchOf(rows);
        const pass = passOfRows(batch, 0, batch.rows);
        const textTo = (place: number) => {
          const { first, prefix } = pass.segments.find((segment) => place >= segment.first && place < segment.first + segment.places)!;
          const before =
            prefix < 0 ? [] : [...pass.tokens.subarray(pass.segments[prefix]!.first).subarray(0, pass.segments[prefix]!.places)];
          return [...before, ...pass.tokens.subarray(first, place + 1)];
        };
        const cells = rows.flatMap(([, completion], r) => completion.map((_, t) => r * batch.completionWidth + t));
        expect([...pass.grid]).toEqual(cells);
        pass.grid.forEach((cell, m) => {
          const [prompt, completion] = rows[Math.floor(cell / batch.completionWidth)]!;
          const t = cell % batch.completionWidth;
          const text = textTo(pass.cellPlaces[m]!);
          expect(text).toEqual([...prompt, ...completion.slice(0, t)]);
          expect(pass.positions[pass.cellPlaces[m]!]).toBe(text.length - 1);
          expect(pass.targets[m]).toBe(completion[t]);
        });
      }),
    );
  });

  it('has a prompt once, and of a row no more than is wanted', () => {
    const batch = batchOf([[[1, 2], [3, 4, 5]], [[1, 2], [6, 7]], [[2], [8]], [[1, 2], [9]]]); // prettier-ignore
    expect([...passOfRows(batch, 0, 4).tokens]).toEqual([1, 2, 3, 4, 6, 2, 1, 2]);
    const wanted = Uint8Array.of(...[1, 1, 0], ...[0, 0, 0], ...[1, 0, 0], ...[0, 0, 0]);
    expect([...passOfRows(batch, 0, 4, wanted).tokens]).toEqual([1, 2, 3, 2]);
    expect(passOfTexts([Int32Array.of(1, 2), Int32Array.of(1, 2)]).places).toBe(4);
    expect(batchTokens(batch)).toBe(2 + 3 + 2 + (1 + 1) + (2 + 1));
  });
});

describe('passes', () => {
  const prompt = [1, 2, 3];
  const group = (replies: number, from: number) =>
    Array.from(
      { length: replies },
      () =>
        [
          [from, ...prompt],
          [5, 5],
        ] as const,
    );
  const batch = batchOf([...group(2, 6), ...group(3, 7), ...group(1, 8)]);

  it('end between groups where they can', () => {
    expect(ranges(batch, 0, 1000)).toEqual([[0, 6]]);
    // The first group has 8 tokens, the second 10, the last 6.
    expect(ranges(batch, 0, 17)).toEqual([[0, 2], [2, 6]]); // prettier-ignore
    expect(ranges(batch, 3, 1000)).toEqual([[0, 2], [2, 5], [5, 6]]); // prettier-ignore
  });

  it('end within a group that is more than a pass, and with a row that is', () => {
    expect(ranges(batch, 0, 8)).toEqual([[0, 2], [2, 4], [4, 5], [5, 6]]); // prettier-ignore
    expect(ranges(batch, 1, 1000)).toEqual([0, 1, 2, 3, 4, 5].map((first) => [first, first + 1]));
    expect(ranges(batch, 0, 1)).toEqual(ranges(batch, 1, 1000));
  });

  it('hold every row once, within both limits', () => {
    fc.assert(
      fc.property(batches, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 20 }), (rows, microBatchRows, maxTokens) => {
        const batch = batchOf(rows);
        const found = ranges(batch, microBatchRows, maxTokens);
        expect(found.flatMap(([first, last]) => Array.from({ length: last - first }, (_, i) => first + i))).toEqual(rows.map((_, i) => i));
        for (const [first, last] of found) {
          const { places, targets } = passOfRows(batch, first, last);
          if (last - first > 1) expect(Math.max(places, targets.length)).toBeLessThanOrEqual(maxTokens);
          if (microBatchRows > 0) expect(last - first).toBeLessThanOrEqual(microBatchRows);
          // A group that begins within a pass ends within it.
          for (let group = groupEnd(batch, first); group < last; group = groupEnd(batch, group)) expect(groupEnd(batch, group)).toBeLessThanOrEqual(last); // prettier-ignore
        }
      }),
    );
  });
});
