/** The lists by which the embedding's gradient is added up: every real place once, under its token. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { embeddingLists } from '../../src/engine/fused/kernels/embedding.ts';

describe('the places of each token', () => {
  it('are sorted by token and then by place, without filling', () => {
    const { order, starts, ids } = embeddingLists([5, 2, 5, 2, 0, 0], 4);
    expect([...order]).toEqual([1, 3, 0, 2]);
    expect([...starts]).toEqual([0, 2, 4]);
    expect([...ids]).toEqual([2, 5]);
  });

  it('are none in a batch without tokens', () => {
    expect(embeddingLists([0, 0], 0)).toEqual({ order: Int32Array.of(), starts: Int32Array.of(0), ids: Int32Array.of() });
  });

  it('hold every real place once', () => {
    const passes = fc
      .array(fc.integer({ min: 0, max: 150_000 }), { minLength: 1, maxLength: 54 })
      .chain((tokens) => fc.record({ tokens: fc.constant(tokens), count: fc.integer({ min: 0, max: tokens.length }) }));
    fc.assert(
      fc.property(passes, ({ tokens, count }) => {
        const { order, starts, ids } = embeddingLists(tokens, count);
        const real = Array.from({ length: count }, (_, n) => n);
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
