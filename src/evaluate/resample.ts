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
  const scores: number[] = [];
  const spreads: number[] = [];
  const spreadOf = (right: ArrayLike<number>) =>
    (Math.max(...Array.from(right)) - Math.min(...Array.from(right))) / (problems * table.samples);
  for (const right of shuffledSums(table.correct, seed, shuffles)) {
    scores.push(pssOf(right));
    spreads.push(spreadOf(right));
  }
  const right = table.correct.map(sum);
  const [measured, spread] = [pssOf(right), spreadOf(right)];
  // A score that equals the measured one up to rounding is no smaller, and no larger.
  return {
    pss: nullOf(scores, (score) => score <= measured + 1e-12),
    spread: nullOf(spreads, (value) => value >= spread - 1e-12),
  };
}

/**
 * How often each row is right when, for each problem on its own, what was right is dealt out to the rows anew. @param rows [P][N]
 * @returns [P] of each shuffle, in one array that is used again
 */
export function* shuffledSums(rows: readonly (readonly number[])[], seed: number, shuffles = defaultDraws): Generator<Float64Array> {
  checkDraws(shuffles);
  const personas = rows.length;
  const columns = Array.from({ length: rows[0]?.length ?? 0 }, (_, i) => Int32Array.from(rows, (row) => row[i]!));
  const sums = new Float64Array(personas);
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
    yield sums;
  }
}

/** @param asFar whether a shuffle went as far as what was measured */
export function nullOf(drawn: readonly number[], asFar: (value: number) => boolean): ShuffledNull {
  const values = Float64Array.from(drawn);
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
  checkTable(table);
  return percentiles(Array.from(resampledSums(table.correct, seed, resamples), pssOf));
}

/**
 * How often each row is right over problems drawn with replacement, the same for every row. @param rows [P][N]
 * @returns [P] of each resample
 */
export function* resampledSums(rows: readonly (readonly number[])[], seed: number, resamples = defaultDraws): Generator<number[]> {
  checkDraws(resamples);
  const problems = rows[0]?.length ?? 0;
  const times = new Int32Array(problems);
  for (let draw = 0; draw < resamples; draw++) {
    times.fill(0);
    for (let i = 0; i < problems; i++) times[below(problems, counterBits(~seed ^ Purpose.evaluation, draw, i, 0))]!++;
    yield rows.map((row) => row.reduce((total, count, i) => total + count * times[i]!, 0));
  }
}

/** @param values of each resample, at least one */
export function percentiles(values: readonly number[]): DescriptiveInterval {
  const sorted = Float64Array.from(values).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975), resamples: sorted.length };
}

/** An integer in [0, n) from 32 random bits. */
function below(n: number, bits: number): number {
  return Math.floor((bits / 4294967296) * n);
}

function checkDraws(draws: number): void {
  if (!(Number.isInteger(draws) && draws > 0))
    throw new LabError('config', `${draws} draws cannot be made.`, 'Take a whole number from 1.');
}
