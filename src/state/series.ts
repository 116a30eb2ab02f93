/** What is done to a column before it is drawn: smoothing, rates, intervals. Pure functions. */
import { wilsonInterval } from '../statistics/intervals.ts';
import type { AccuracyTally } from './metrics.svelte.ts';

/** Exponential moving average that is not biased towards its start (as Adam's moments); NaN is stepped over. */
export function smooth(values: ArrayLike<number>, factor: number): (number | null)[] {
  let mean = 0;
  let weight = 0;
  const out: (number | null)[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      mean = factor * mean + (1 - factor) * value;
      weight = factor * weight + (1 - factor);
    }
    out.push(weight > 0 && Number.isFinite(value) ? mean / weight : null);
  }
  return out;
}

/** NaN and infinities become gaps. */
export function gaps(values: ArrayLike<number>): (number | null)[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? value : null));
}

export interface RollingPoint {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly total: number;
}

/** Right and all answers of the last `window` of `length` steps. */
export function recentCounts(tally: AccuracyTally, length: number, window: number): { correct: number; total: number } {
  const counts = { correct: 0, total: 0 };
  for (let row = Math.max(0, length - window); row < length; row++) {
    counts.correct += tally.correct[row] ?? 0;
    counts.total += tally.total[row] ?? 0;
  }
  return counts;
}

/** Accuracy over the last `window` steps up to each step, with its interval; null where nothing was asked. */
export function rollingAccuracy(tally: AccuracyTally, length: number, window: number): (RollingPoint | null)[] {
  const out: (RollingPoint | null)[] = [];
  let correct = 0;
  let total = 0;
  for (let row = 0; row < length; row++) {
    correct += tally.correct[row] ?? 0;
    total += tally.total[row] ?? 0;
    if (row >= window) {
      correct -= tally.correct[row - window] ?? 0;
      total -= tally.total[row - window] ?? 0;
    }
    out.push(total > 0 ? { value: correct / total, total, ...wilsonInterval(correct / total, total) } : null);
  }
  return out;
}
