/** The lists by which the embedding's gradient is added up: every real place once, under its token. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { embeddingLists } from '../../src/engine/fused/kernels/embedding.ts';

describe('the places of each token', () => {
  it('are sorted by token and then by place, without padding', () => {
    const { order, starts, ids } = embeddingLists([5, 2, 5, 0, 2, 0, 0, 0], [3, 1], 4);
    expect([...order]).toEqual([1, 4, 0, 2]);
    expect([...starts]).toEqual([0, 2, 4]);
    expect([...ids]).toEqual([2, 5]);
  });

  it('are none in a batch without tokens', () => {
    expect(embeddingLists([0, 0], [0], 2)).toEqual({ order: Int32Array.of(), starts: Int32Array.of(0), ids: Int32Array.of() });
  });

  it('hold every real place once', () => {
    const batches = fc.record({ rows: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 9 }) }).chain(({ rows, width }) =>
      fc.record({
        width: fc.constant(width),
        tokens: fc.array(fc.integer({ min: 0, max: 150_000 }), { minLength: rows * width, maxLength: rows * width }),
        lengths: fc.array(fc.integer({ min: 0, max: width }), { minLength: rows, maxLength: rows }),
      }),
    );
    fc.assert(
      fc.property(batches, ({ width, tokens, lengths }) => {
        const { order, starts, ids } = embeddingLists(tokens, lengths, width);
        const real = tokens.map((_, n) => n).filter((n) => n % width < lengths[Math.floor(n / width)]!);
        expect([...order].sort((a, b) => a - b)).toEqual(real);
        expect([...ids]).toEqual([...new Set(real.map((n) => tokens[n]!))].sort((a, b) => a - b));
        ids.forEach((id, k) => {
          const places = [...order].slice(starts[k], starts[k + 1]);
          expect(places).toEqual(real.filter((n) => tokens[n] === id));
        });
      }),
    );
  });
});
