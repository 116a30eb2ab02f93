/** Kendall's rank correlation with ties, τ-b (Kendall 1945), in n log n steps (Knight 1966). */

/**
 * (concordant − discordant) / √((n₀ − ties in x)(n₀ − ties in y)) over all n₀ pairs, from -1 to 1.
 * @returns null where it is not defined: fewer than two values, or all of one side alike
 */
export function kendallTauB(x: readonly number[], y: readonly number[]): number | null {
  const n = x.length;
  const order = x.map((_, i) => i).sort((a, b) => x[a]! - x[b]! || y[a]! - y[b]!);
  const pairs = (n * (n - 1)) / 2;
  const tied = { x: 0, y: 0, both: 0 };
  for (let i = 0, runX = 0, runBoth = 0; i < n; i++) {
    const same = i > 0 && x[order[i]!] === x[order[i - 1]!];
    runX = same ? runX + 1 : 0;
    runBoth = same && y[order[i]!] === y[order[i - 1]!] ? runBoth + 1 : 0;
    tied.x += runX;
    tied.both += runBoth;
  }
  const values = Float64Array.from(order, (i) => y[i]!);
  const discordant = inversions(values, new Float64Array(n), 0, n);
  // Sorted now.
  for (let i = 1, run = 0; i < n; i++) {
    run = values[i] === values[i - 1] ? run + 1 : 0;
    tied.y += run;
  }
  const [onlyX, onlyY] = [pairs - tied.x, pairs - tied.y];
  if (onlyX === 0 || onlyY === 0) return null;
  const concordant = pairs - tied.x - tied.y + tied.both - discordant;
  return (concordant - discordant) / Math.sqrt(onlyX * onlyY);
}

/** Pairs in the wrong order; the values are sorted on the way. */
function inversions(values: Float64Array, spare: Float64Array, from: number, to: number): number {
  if (to - from < 2) return 0;
  const middle = (from + to) >> 1;
  let count = inversions(values, spare, from, middle) + inversions(values, spare, middle, to);
  for (let left = from, right = middle, at = from; at < to; at++) {
    if (right === to || (left < middle && values[left]! <= values[right]!)) spare[at] = values[left++]!;
    else {
      spare[at] = values[right++]!;
      count += middle - left;
    }
  }
  values.set(spare.subarray(from, to), from);
  return count;
}
