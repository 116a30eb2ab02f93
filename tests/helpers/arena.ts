/** Whole arenas on the host, put together from ranges: what `transfer.ts` does between the host and a GPU, without one. */
import { packRange, unpackRange, type ArenaLayout } from '../../src/engine/fused/layout.ts';
import type { Weights } from '../../src/policy/weights.ts';

/** @param range words packed at a time */
export function packArena(layout: ArenaLayout, weights: Weights, range = Infinity): Float32Array<ArrayBuffer>[] {
  return layout.parts.map(({ length }, part) => {
    const words = new Float32Array(length);
    for (let first = 0; first < length; first += range) packRange(layout, part, first, words.subarray(first, first + range), weights);
    return words;
  });
}

export function unpackArena(layout: ArenaLayout, parts: readonly Float32Array[], like: Weights, range = Infinity): Weights {
  const found = new Map(Object.entries(like).map(([name, { length }]) => [name, new Float32Array(length)]));
  parts.forEach((words, part) => {
    for (let first = 0; first < words.length; first += range) {
      unpackRange(layout, part, first, words.subarray(first, first + range), found);
    }
  });
  return Object.fromEntries(found);
}
