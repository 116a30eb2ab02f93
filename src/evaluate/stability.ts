/**
 * What the accuracies under several personas say together: how stable the policy is, and how bad the worst persona is.
 * Pure functions on counts; where the counts come from is `evaluate.ts`, how sure they are is `resample.ts` and `seeds.ts`.
 * Every definition is this project's own declared choice (docs/evaluation.md): the body of the PerMix-RLVR paper
 * (arXiv 2604.08986), which names the Persona Stability Score, could not be obtained.
 */
import { logOdds } from '../statistics/ratio.ts';
import { mean, populationStd, sum } from '../statistics/moments.ts';
import { LabError } from '../errors.ts';

/** The headline Persona Stability Score needs at least this many problems per persona: min/max is biased low for fewer. */
export const headlineProblems = 300;

/** Who solved what: the same problems, asked equally often, under every persona. */
export interface SolveTable {
  /** [P][N] right samples of each problem under each persona, at most `samples`. "No persona" is not among them. */
  readonly correct: readonly (readonly number[])[];
  /** Samples per persona and problem. */
  readonly samples: number;
}

export interface Stability {
  /** The Persona Stability Score, min_p a_p / max_p a_p; 0 where every accuracy is 0. */
  readonly pss: number;
  /** min_p a_p / mean_p a_p; 0 where every accuracy is 0. */
  readonly pssMean: number;
  readonly min: number;
  readonly max: number;
  /** mean_p a_p */
  readonly mean: number;
  /** max - min */
  readonly spread: number;
  /** Over the personas, which are the whole set that is asked about: divided by P. */
  readonly std: number;
  /** Worst-case utility, min_p a_p - a_none; null where nothing was asked without a persona. */
  readonly worstCaseUtility: number | null;
  /** Problems solved under every persona / problems solved under some persona; 0 where none is solved. */
  readonly itemStability: number;
}

/** a_p: mean over problems and samples. @returns [P] */
export function accuracies(table: SolveTable): number[] {
  const problems = checkTable(table);
  return table.correct.map((row) => sum(row) / (problems * table.samples));
}

/**
 * @param none accuracy without a persona, null where it was not measured
 * @throws LabError 'config' for fewer than two personas, no problem, or a table that is not one
 */
export function stability(table: SolveTable, none: number | null): Stability {
  const values = accuracies(table);
  const min = Math.min(...values);
  const max = Math.max(...values);
  const average = mean(values);
  return {
    pss: pssOf(values),
    pssMean: average > 0 ? min / average : 0,
    min,
    max,
    mean: average,
    spread: max - min,
    std: populationStd(values),
    worstCaseUtility: none === null ? null : min - none,
    itemStability: itemStability(table),
  };
}

/** min / max, 0/0 = 0: a policy that is never right is not stable, it is useless. */
export function pssOf(values: ArrayLike<number>): number {
  let min = Infinity;
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    min = Math.min(min, values[i]!);
    max = Math.max(max, values[i]!);
  }
  return max > 0 ? min / max : 0;
}

/** A problem counts as solved under a persona when more than half of its samples are right. */
function itemStability({ correct, samples }: SolveTable): number {
  let every = 0;
  let some = 0;
  for (let problem = 0; problem < correct[0]!.length; problem++) {
    const solved = correct.filter((row) => row[problem]! > samples / 2).length;
    if (solved > 0) some++;
    if (solved === correct.length) every++;
  }
  return some > 0 ? every / some : 0;
}

/**
 * How much training moved the log-odds of being right: logit a - logit a_base, in nats, with half a success and half a
 * failure added to each (Haldane 1956), so that it is finite at 0 and 1. The theory predicts that it is about equal
 * for all personas that were trained on (docs/evaluation.md).
 */
export function logOddsShift(correct: number, total: number, baseCorrect: number, baseTotal: number): number {
  return logOdds(correct, total) - logOdds(baseCorrect, baseTotal);
}

/** @returns N, the number of problems @throws LabError 'config' */
export function checkTable({ correct, samples }: SolveTable): number {
  if (correct.length < 2) {
    const there = correct.length === 0 ? 'there is none' : 'there is 1';
    throw new LabError('config', `Stability compares personas, and ${there}.`, 'Choose at least two personas.');
  }
  const problems = correct[0]!.length;
  if (problems === 0) throw new LabError('config', 'Stability is measured on problems, and there is none.', 'Choose at least one problem.');
  if (!(Number.isInteger(samples) && samples > 0)) {
    throw new LabError('config', `There are ${samples} samples a problem.`, 'Take a whole number from 1.');
  }
  if (correct.some((row) => row.length !== problems)) {
    throw new LabError('config', 'The personas were not asked the same problems.', 'Ask all of them the same problems.');
  }
  if (correct.some((row) => row.some((count) => !(count >= 0 && count <= samples)))) {
    throw new LabError('config', `A problem was not solved between 0 and ${samples} times.`, 'Measure again.');
  }
  return problems;
}
