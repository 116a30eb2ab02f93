/**
 * What one may do about the persona lottery without training, and what it costs: search for the best persona on a small validation set, or
 * let several personas vote. Pure functions on replies that were already made; PerMix is the answer the paper gives instead
 * (arXiv 2604.08986), the two procedures as written here are this project's own choice.
 */
import { mean } from '../statistics/moments.ts';
import { LabError } from '../errors.ts';
import { Purpose, Stream } from '../random/counter.ts';

/** One judged reply. */
export interface Vote {
  /** As the verifier read it; null: none was found. */
  readonly answer: string | null;
  readonly correct: boolean;
  /** Tokens of the prompt, and of the reply. */
  readonly read: number;
  readonly written: number;
}

/** [P][N]: the same N problems under every persona, one reply each. */
export type VoteTable = readonly (readonly Vote[])[];

/** Tokens; `once` before the first question can be answered, `each` for every question from then on. */
export interface InferenceCost {
  readonly once: number;
  readonly each: number;
}

export interface InferencePoint {
  /** Personas that take part, drawn at random. */
  readonly personas: number;
  /** Expected share of right answers over that draw. */
  readonly accuracy: number;
  readonly cost: InferenceCost;
}

export interface InferenceAnswers {
  readonly search: readonly InferencePoint[];
  readonly ensemble: readonly InferencePoint[];
}

export interface InferenceSettings {
  /** How many take part; larger numbers than there are personas are left out. */
  readonly personas: readonly number[];
  readonly validationSets: number;
  /** Of a validation set; at most half of all problems. */
  readonly validationProblems: number;
  readonly ensembleDraws: number;
}

/** Both procedures at several sizes; no search where there are too few problems for a validation set. */
export function inferenceAnswers(votes: VoteTable, asked: InferenceSettings, seed: number): InferenceAnswers {
  const [P, N] = shape(votes);
  const problems = validationProblems(N, asked);
  const levels = asked.personas.filter((k) => k <= P);
  return {
    search: problems < 1 ? [] : levels.map((k) => personaSearch(votes, { personas: k, sets: asked.validationSets, problems, seed })),
    ensemble: levels.map((k) => personaEnsemble(votes, { personas: k, draws: asked.ensembleDraws, seed })),
  };
}

/** Problems that a persona is searched on: as many as asked, and never more than half of all, so that the rest can test the choice. */
export function validationProblems(problems: number, asked: Pick<InferenceSettings, 'validationProblems'>): number {
  return Math.min(asked.validationProblems, Math.floor(problems / 2));
}

/** One persona drawn at random, without any procedure. */
export function singlePersona(votes: VoteTable): InferencePoint {
  return {
    personas: 1,
    accuracy: mean(votes.map((row) => mean(row.map(right)))),
    cost: { once: 0, each: mean(votes.map((row) => mean(row.map(tokens)))) },
  };
}

export interface SearchSettings {
  /** Personas that are tried, drawn without replacement. */
  readonly personas: number;
  /** Small validation sets, each used by itself: the choice must not hang on one lucky set. */
  readonly sets: number;
  /** Problems of a validation set. */
  readonly problems: number;
  readonly seed: number;
}

/**
 * Tries k random personas on a small validation set and answers everything else with the best of them (a tie is broken by lot). The
 * expectation over the k personas is exact, by the weights of the persona lottery; over validation sets it is a mean.
 * @throws LabError 'config' where there are not enough personas or problems
 */
export function personaSearch(votes: VoteTable, { personas: k, sets, problems, seed }: SearchSettings): InferencePoint {
  const [P, N] = shape(votes);
  checkCount('personas', k, P);
  checkCount('problems of a validation set', problems, N - 1);
  checkCount('validation sets', sets, Infinity);
  const stream = new Stream(seed, Purpose.evaluation, 0, 3);
  let order: number[] = [];
  let total = 0;
  for (let set = 0; set < sets; set++) {
    // Disjoint sets as long as there are problems for another one.
    if (order.length < problems) order = stream.shuffle(votes[0]!.map((_, i) => i));
    const validation = new Set(order.splice(0, problems));
    const share = (row: readonly Vote[], wanted: boolean) => mean(row.filter((_, i) => validation.has(i) === wanted).map(right));
    total += expectedChoice(
      votes.map((row) => ({ seen: share(row, true), real: share(row, false) })),
      k,
    );
  }
  const each = mean(votes.map((row) => mean(row.map(tokens))));
  return { personas: k, accuracy: total / sets, cost: { once: k * problems * each, each } };
}

/** E[real of the one with the highest seen among k drawn without replacement]. */
function expectedChoice(candidates: readonly { readonly seen: number; readonly real: number }[], k: number): number {
  const n = candidates.length;
  const ranked = candidates.toSorted((a, b) => b.seen - a.seen);
  // Among equals any is as likely: each has their mean.
  const value = ({ seen }: { readonly seen: number }) => mean(ranked.filter((other) => other.seen === seen).map(({ real }) => real));
  let chance = k / n;
  let expected = 0;
  ranked.forEach((candidate, i) => {
    expected += chance * value(candidate);
    // The next is chosen if it is drawn and none before it is.
    const left = n - i - 1;
    chance = left > 0 ? (chance * (left - k + 1)) / left : 0;
  });
  return expected;
}

export interface EnsembleSettings {
  readonly personas: number;
  /** Random groups of personas that the expectation is taken over; with all personas there is one. */
  readonly draws: number;
  readonly seed: number;
}

/**
 * Asks k random personas and takes the answer most of them give; a tie is broken by lot, a reply without an answer has no vote.
 * @throws LabError 'config' where there are not enough personas
 */
export function personaEnsemble(votes: VoteTable, { personas: k, draws, seed }: EnsembleSettings): InferencePoint {
  const [P, N] = shape(votes);
  checkCount('personas', k, P);
  checkCount('draws', draws, Infinity);
  const stream = new Stream(seed, Purpose.evaluation, 0, 4);
  const groups = k === P ? 1 : draws;
  let total = 0;
  for (let draw = 0; draw < groups; draw++) {
    const group = stream.shuffle(votes).slice(0, k);
    for (let i = 0; i < N; i++) total += majority(group.map((row) => row[i]!));
  }
  const each = k * mean(votes.map((row) => mean(row.map(tokens))));
  return { personas: k, accuracy: total / (groups * N), cost: { once: 0, each } };
}

/** The chance that the majority's answer is right. */
function majority(votes: readonly Vote[]): number {
  const counts = new Map<string, { count: number; correct: boolean }>();
  for (const { answer, correct } of votes) {
    if (answer === null) continue;
    const entry = counts.get(answer) ?? { count: 0, correct };
    counts.set(answer, { ...entry, count: entry.count + 1 });
  }
  const most = Math.max(0, ...[...counts.values()].map(({ count }) => count));
  const best = [...counts.values()].filter(({ count }) => count === most);
  return best.length > 0 ? best.filter(({ correct }) => correct).length / best.length : 0;
}

const right = ({ correct }: Vote) => Number(correct);
const tokens = ({ read, written }: Vote) => read + written;

function shape(votes: VoteTable): [P: number, N: number] {
  const N = votes[0]?.length ?? 0;
  if (N === 0 || votes.some((row) => row.length !== N)) {
    throw new LabError('config', 'The personas were not asked the same problems.', 'Ask all of them the same problems.');
  }
  return [votes.length, N];
}

function checkCount(what: string, count: number, most: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return;
  const range = most === Infinity ? 'from 1' : `from 1 to ${most}`;
  throw new LabError('config', `The number of ${what} is ${count}.`, `Take a whole number ${range}.`);
}
