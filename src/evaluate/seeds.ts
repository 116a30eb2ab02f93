/**
 * What several seeds together say about a claim "A is better than B": a t interval over seeds of the paired log-ratio, and the
 * verdict that follows from it. The only interval of this room that decides anything: chance between training runs is what a claim has to survive,
 * and resampling the problems of one run does not show it. Declared by this project (docs/evaluation.md).
 */
import { LabError } from '../errors.ts';
import { tInterval } from '../statistics/intervals.ts';
import { logRatio } from '../statistics/ratio.ts';

export type ClaimVerdict = 'reproduced' | 'not reproduced' | 'undecided';

/** One seed's value of the measure (PSS, fidelity) for both recipes: same data, same seed, same steps. */
export interface SeedPair {
  readonly seed: number;
  /** The recipe that is claimed to be better (PerMix). */
  readonly claimed: number;
  /** The one it is compared with (RLVR). */
  readonly against: number;
}

export interface Claim {
  readonly verdict: ClaimVerdict;
  /** Why, a sentence. */
  readonly reason: string;
  readonly seeds: number;
  readonly confidence: number;
  /** exp of the mean log-ratio: 1.21 is "21 % more". Null where it cannot be computed. */
  readonly ratio: number | null;
  /** The interval of `ratio`. Null with fewer than two seeds. */
  readonly low: number | null;
  readonly high: number | null;
  /** log claimed - log against, seed by seed; null where one of them is 0. */
  readonly logRatios: readonly (number | null)[];
}

/**
 * Reproduced: the whole interval of the log-ratio is above 0. Not reproduced: the whole interval is at or below 0.
 * Undecided: it contains values above 0 and values at or below 0; or there is no interval, because there are fewer than two seeds or a value is 0.
 * @throws LabError 'config' for a negative or non-finite value, a seed given twice, or a confidence outside (0, 1)
 */
export function claimOverSeeds(pairs: readonly SeedPair[], confidence = 0.95): Claim {
  checkPairs(pairs, confidence);
  const logRatios = pairs.map(({ claimed, against }) => logRatio(claimed, against));
  const known = logRatios.filter((value) => value !== null);
  const common = { seeds: pairs.length, confidence, logRatios };
  const none = { ratio: null, low: null, high: null };
  if (pairs.length === 0) return { ...common, ...none, verdict: 'undecided', reason: 'No seed was run.' };
  if (known.length < pairs.length) {
    const zero = pairs[logRatios.indexOf(null)]!.seed;
    return { ...common, ...none, verdict: 'undecided', reason: `With seed ${zero} a value is 0, which has no ratio.` };
  }
  if (known.length === 1) {
    return { ...common, ...none, ratio: Math.exp(known[0]!), verdict: 'undecided', reason: 'One seed has no interval.' };
  }
  const { mean, low, high } = tInterval(known, confidence);
  const interval = { ratio: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) };
  const percent = `${Number((100 * confidence).toPrecision(4))} %`;
  if (low > 0)
    return {
      ...common,
      ...interval,
      verdict: 'reproduced',
      reason: `The whole ${percent} interval over ${known.length} seeds is above 1.`,
    };
  if (high <= 0) {
    return {
      ...common,
      ...interval,
      verdict: 'not reproduced',
      reason: `The whole ${percent} interval over ${known.length} seeds is at or below 1.`,
    };
  }
  return { ...common, ...interval, verdict: 'undecided', reason: `The ${percent} interval over ${known.length} seeds contains 1.` };
}

function checkPairs(pairs: readonly SeedPair[], confidence: number): void {
  if (!(confidence > 0 && confidence < 1)) {
    throw new LabError('config', `A confidence of ${confidence} is not between 0 and 1.`, 'Take 0.95.');
  }
  for (const { seed, claimed, against } of pairs) {
    for (const value of [claimed, against]) {
      if (!(Number.isFinite(value) && value >= 0)) {
        throw new LabError('config', `The value ${value} of seed ${seed} is not one a ratio can be taken of.`, 'Measure that seed again.');
      }
    }
    if (pairs.filter((other) => other.seed === seed).length > 1) {
      throw new LabError('config', `Seed ${seed} is there twice.`, 'Give each seed once: a repeated run adds no evidence.');
    }
  }
}
