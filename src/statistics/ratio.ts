/** Ratios on the scale on which they add: logarithms of ratios, and of odds. */

/** log a - log b; null where one of them is not above 0, which has no ratio. */
export function logRatio(a: number, b: number): number | null {
  return a > 0 && b > 0 ? Math.log(a / b) : null;
}

/** Log-odds of `correct` of `total`, half a success and half a failure added (Haldane 1940, Anscombe 1956): finite at 0 and 1. */
export function logOdds(correct: number, total: number): number {
  return Math.log((correct + 0.5) / (total - correct + 0.5));
}
