/** Pairs that an order cannot tell apart: of different ranks, and right equally often. Pure. */

/** @param right answers of each, of the same questions */
export function tied(ranked: readonly { readonly rank: number; readonly right: number }[]): number {
  let pairs = 0;
  ranked.forEach((one, i) => {
    for (const other of ranked.slice(i + 1)) if (one.rank !== other.rank && one.right === other.right) pairs++;
  });
  return pairs;
}
