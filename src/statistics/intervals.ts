/** Intervals of a share, of a mean, and of a statistic over groups. What may be concluded from one is its reader's business. */
import { LabError } from '../errors.ts';
import { mean, sampleStd, sum } from './moments.ts';
import { studentQuantile } from './student.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The 97.5th percentile of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * Wilson's 95 % score interval (Wilson 1927) of a share, within [0, 1]; the whole of it where there are no trials.
 * @param share of the trials, in [0, 1]: a mean of several draws per trial is one too  @param trials independent ones
 */
export function wilsonInterval(share: number, trials: number): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const scale = 1 + z ** 2 / trials;
  const centre = (share + z ** 2 / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2));
  // At 0 and 1 the end is the value itself, but for rounding.
  return { low: share === 0 ? 0 : Math.max(0, centre - half), high: share === 1 ? 1 : Math.min(1, centre + half) };
}

/**
 * mean ± t s / √n, s with ddof 1, t Student's quantile with n - 1 degrees of freedom.
 * @param confidence in (0, 1), two-sided
 * @throws LabError 'config' for fewer than two values
 */
export function tInterval(values: readonly number[], confidence: number): Interval & { readonly mean: number } {
  const n = values.length;
  if (n < 2)
    throw new LabError('config', `An interval needs at least two values, and there ${n === 1 ? 'is 1' : 'is none'}.`, 'Run more seeds.');
  const centre = mean(values);
  const half = (studentQuantile((1 + confidence) / 2, n - 1) * sampleStd(values)) / Math.sqrt(n);
  return { mean: centre, low: centre - half, high: centre + half };
}

/**
 * Half the width of a jackknife interval, 95 %, with Student's quantile (Efron and Tibshirani 1993, chapter 11): for a plain mean it
 * is that of the t interval.
 * @param without [n] the statistic with each group left out, n at least 2
 */
export function jackknifeHalf(without: readonly number[]): number {
  const n = without.length;
  const centre = mean(without);
  const error = Math.sqrt(((n - 1) / n) * sum(without.map((one) => (one - centre) ** 2)));
  return studentQuantile(0.975, n - 1) * error;
}
