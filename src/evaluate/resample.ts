/**
 * How far chance alone moves the Persona Stability Score of one run. min/max is biased low for few problems, so it is shown
 * beside its value in a world where personas do not matter (the null), and beside a bootstrap that is descriptive only.
 * Neither decides a claim: that is the interval over seeds (`seeds.ts`).
 */
import { quantile } from '../statistics/quantile.ts';
import { mean, sum } from '../statistics/moments.ts';
import { LabError } from '../errors.ts';
import { counterBits, Purpose } from '../random/counter.ts';
import { checkTable, pssOf, type SolveTable } from './stability.ts';

export interface ShuffledNull {
  /** Mean over the shuffles: what a policy of this accuracy that ignores its personas would score. */
  readonly mean: number;
  /** The 5th and 95th percentile. */
  readonly low: number;
  readonly high: number;
  /** (1 + shuffles with a PSS at most, or a spread at least, the measured one) / (1 + shuffles): small where personas matter. */
  readonly p: number;
  readonly shuffles: number;
}

/** Percentiles over resampled problems, 2.5 and 97.5. Descriptive: for min/max they do not cover the truth. */
export interface DescriptiveInterval {
  readonly low: number;
  readonly high: number;
  readonly resamples: number;
}

const defaultDraws = 1000;

/** The PSS when, for each problem on its own, the persona labels are dealt out anew. @throws LabError 'config' as `stability` */
export function shuffledNull(table: SolveTable, seed: number, shuffles = defaultDraws): ShuffledNull {
  return shuffledNulls(table, seed, shuffles).pss;
}

/** The same of PSS and of the spread, best less worst accuracy, from the same shuffles; `p` is the chance of as large a spread. */
export function shuffledNulls(
  table: SolveTable,
  seed: number,
  shuffles = defaultDraws,
): { readonly pss: ShuffledNull; readonly spread: ShuffledNull } {
  const problems = checkTable(table);
  checkDraws(shuffles);
  const personas = table.correct.length;
  const columns = Array.from({ length: problems }, (_, i) => Int32Array.from(table.correct, (row) => row[i]!));
  const sums = new Float64Array(personas);
  const scores = new Float64Array(shuffles);
  const spreads = new Float64Array(shuffles);
  const spreadOf = (right: ArrayLike<number>) =>
    (Math.max(...Array.from(right)) - Math.min(...Array.from(right))) / (problems * table.samples);
  for (let draw = 0; draw < shuffles; draw++) {
    sums.fill(0);
    columns.forEach((column, i) => {
      // Fisher-Yates in place: a shuffle of a shuffled column is as random as one of the measured column.
      for (let j = personas - 1; j > 0; j--) {
        const k = below(j + 1, counterBits(seed ^ Purpose.evaluation, draw, i, j));
        const value = column[j]!;
        column[j] = column[k]!;
        column[k] = value;
      }
      for (let j = 0; j < personas; j++) sums[j]! += column[j]!;
    });
    scores[draw] = pssOf(sums);
    spreads[draw] = spreadOf(sums);
  }
  const right = table.correct.map(sum);
  const [measured, spread] = [pssOf(right), spreadOf(right)];
  // A score that equals the measured one up to rounding is no smaller, and no larger.
  return {
    pss: nullOf(scores, (score) => score <= measured + 1e-12),
    spread: nullOf(spreads, (value) => value >= spread - 1e-12),
  };
}

/** @param asFar whether a shuffle went as far as what was measured; the values are sorted in place */
function nullOf(values: Float64Array, asFar: (value: number) => boolean): ShuffledNull {
  const count = values.filter(asFar).length;
  values.sort();
  return {
    mean: mean(values),
    low: quantile(values, 0.05),
    high: quantile(values, 0.95),
    p: (1 + count) / (1 + values.length),
    shuffles: values.length,
  };
}

/** The PSS over problems drawn with replacement, the same for every persona. @throws LabError 'config' as `stability` */
export function bootstrapPss(table: SolveTable, seed: number, resamples = defaultDraws): DescriptiveInterval {
  const problems = checkTable(table);
  checkDraws(resamples);
  const times = new Int32Array(problems);
  const scores = new Float64Array(resamples);
  for (let draw = 0; draw < resamples; draw++) {
    times.fill(0);
    for (let i = 0; i < problems; i++) times[below(problems, counterBits(~seed ^ Purpose.evaluation, draw, i, 0))]!++;
    scores[draw] = pssOf(table.correct.map((row) => row.reduce((total, count, i) => total + count * times[i]!, 0)));
  }
  scores.sort();
  return { low: quantile(scores, 0.025), high: quantile(scores, 0.975), resamples };
}

/** An integer in [0, n) from 32 random bits. */
function below(n: number, bits: number): number {
  return Math.floor((bits / 4294967296) * n);
}

function checkDraws(draws: number): void {
  if (!(Number.isInteger(draws) && draws > 0))
    throw new LabError('config', `${draws} draws cannot be made.`, 'Take a whole number from 1.');
}
