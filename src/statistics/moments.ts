/** Sums, means and standard deviations of a list of numbers, in float64 and in the order they come. Nothing here knows what they measure. */

/** 0 of nothing. */
export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** NaN of nothing. */
export function mean(values: ArrayLike<number> & Iterable<number>): number {
  return sum(values) / values.length;
}

/** Null of nothing. */
export function meanOrNull(values: readonly number[]): number | null {
  return values.length > 0 ? mean(values) : null;
}

/** Root mean square about the mean (ddof 0): the spread of these very values. NaN of nothing. */
export function populationStd(values: readonly number[]): number {
  return Math.sqrt(squares(values) / values.length);
}

/** Of a population that the values were drawn from (ddof 1); 0 for fewer than two values, as TRL logs it. */
export function sampleStd(values: readonly number[]): number {
  return values.length < 2 ? 0 : Math.sqrt(squares(values) / (values.length - 1));
}

function squares(values: readonly number[]): number {
  const centre = mean(values);
  return sum(values.map((value) => (value - centre) ** 2));
}
