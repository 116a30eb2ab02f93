/** Shares that sum to one while one of them is dragged: those that are locked stay, the others give or take in proportion. Plain numbers; whose they are is `draft.svelte.ts`. */

/**
 * @param shares in [0, 1], together 1  @param moved the place of the one that is dragged
 * @param to where to; more than the locked ones leave is not to be had  @param locked places that stay as they are
 * @returns shares, together 1; the same ones where nobody is left to give or take
 */
export function balanced(shares: readonly number[], moved: number, to: number, locked: ReadonlySet<number>): readonly number[] {
  const others = shares.flatMap((_, i) => (i === moved || locked.has(i) ? [] : [i]));
  if (others.length === 0 || locked.has(moved)) return shares;
  const sum = (places: readonly number[]) => places.reduce((total, i) => total + shares[i]!, 0);
  const free = Math.max(0, 1 - sum([...locked]));
  const own = Math.min(Math.max(0, to), free);
  const [left, before] = [free - own, sum(others)];
  return shares.map((share, i) => {
    if (i === moved) return own;
    if (locked.has(i)) return share;
    return before > 0 ? (left * share) / before : left / others.length;
  });
}
