/** How long a run still takes, as its newest steps say: their median, so that one slow step moves nothing. Pure. */
import { quantile } from '../statistics/quantile.ts';

/** Steps that are looked at. */
const newest = 10;

/** Seconds; null before the first step. @param stepTimes of all steps so far, NaN where one was not measured  @param steps that are left */
export function remainingSeconds(stepTimes: ArrayLike<number> | null, steps: number): number | null {
  const known = Array.from(stepTimes ?? [])
    .slice(-newest)
    .filter((seconds) => Number.isFinite(seconds))
    .sort((a, b) => a - b);
  return known.length === 0 ? null : quantile(Float64Array.from(known), 0.5) * steps;
}
