/**
 * The other reading of a ratio over seeds: is it shown to be too small to matter? Two one-sided t tests at 5 % (Schuirmann 1987), which is the 90 % t interval
 * of the mean log-ratio lying wholly inside the margin. It stands beside the verdict of `evaluate/seeds.ts` and replaces none: an effect can be there and be
 * too small to matter at once. Also how seeds of several sources are read together, where of some only the interval was told.
 */
import { LabError } from '../errors.ts';
import { mean, sampleStd } from './moments.ts';
import { studentQuantile } from './student.ts';

/** equivalent: shown to lie within the margin. larger: the whole 95 % interval is outside it. open: neither was shown. */
export type EquivalenceReading = 'equivalent' | 'larger' | 'open';

export interface Equivalence {
  readonly reading: EquivalenceReading;
  /** The smallest effect of interest: 0.03 is "between 1/1.03 and 1.03". */
  readonly margin: number;
  /** The 90 % t interval of the ratio. */
  readonly low: number;
  readonly high: number;
}

/** Log-ratios of n seeds, by their mean and standard deviation (ddof 1; 0 where n is 1). */
export interface LogRatios {
  readonly seeds: number;
  readonly mean: number;
  readonly std: number;
}

export function summariseLogRatios(logRatios: readonly number[]): LogRatios {
  return { seeds: logRatios.length, mean: mean(logRatios), std: logRatios.length > 1 ? sampleStd(logRatios) : 0 };
}

/** What a reported ratio and its t interval say of the seeds behind it. @throws LabError 'config' for fewer than two seeds */
export function fromInterval(seeds: number, ratio: number, low: number, high: number, confidence: number): LogRatios {
  if (seeds < 2) throw new LabError('config', `An interval over ${seeds} seed is none.`, 'Give at least two seeds.');
  const half = (Math.log(high) - Math.log(low)) / 2;
  return { seeds, mean: Math.log(ratio), std: (half * Math.sqrt(seeds)) / studentQuantile((1 + confidence) / 2, seeds - 1) };
}

/** The same seeds as one group: exact, as if every log-ratio were known. */
export function pool(groups: readonly LogRatios[]): LogRatios {
  const seeds = groups.reduce((sum, group) => sum + group.seeds, 0);
  const center = groups.reduce((sum, group) => sum + group.seeds * group.mean, 0) / seeds;
  const squares = groups.reduce((sum, group) => sum + (group.seeds - 1) * group.std ** 2 + group.seeds * (group.mean - center) ** 2, 0);
  return { seeds, mean: center, std: seeds > 1 ? Math.sqrt(squares / (seeds - 1)) : 0 };
}

/** The t interval of the ratio. Null with fewer than two seeds. */
export function ratioInterval(
  { seeds, mean: center, std }: LogRatios,
  confidence: number,
): { readonly low: number; readonly high: number } | null {
  if (seeds < 2) return null;
  const half = (studentQuantile((1 + confidence) / 2, seeds - 1) * std) / Math.sqrt(seeds);
  return { low: Math.exp(center - half), high: Math.exp(center + half) };
}

/** Null with fewer than two seeds. @param confidence of the interval that decides "larger" */
export function equivalence(ratios: LogRatios, margin: number, confidence: number): Equivalence | null {
  const inner = ratioInterval(ratios, 0.9);
  const outer = ratioInterval(ratios, confidence);
  if (!inner || !outer) return null;
  const [least, most] = [1 / (1 + margin), 1 + margin];
  const reading = inner.low > least && inner.high < most ? 'equivalent' : outer.low > most || outer.high < least ? 'larger' : 'open';
  return { reading, margin, ...inner };
}
