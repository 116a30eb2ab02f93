/**
 * What verdicts add up to. PersonaScore (Samuel et al. 2024, arXiv 2407.18416): the mean over tasks of the mean rubric score, on the rubric's scale.
 * An answer without a score (unparsed, refused, not judged yet) is in no mean and in a count of its own. Pure functions; the definition and
 * how it differs from the paper's are in docs/judge.md.
 */
import { jackknifeHalf } from '../../statistics/intervals.ts';
import { meanOrNull } from '../../statistics/moments.ts';
import { scales, type Scale } from './scale.ts';
import { judgeTasks, type JudgeTask } from './tasks.ts';
import type { JudgePlan } from './plan.ts';
import { verdictKey, type JudgeCell, type VerdictOutcome } from './run.ts';

export interface TaskScore extends Readonly<Record<VerdictOutcome, number>> {
  readonly task: JudgeTask;
  /** Null: no answer has a score. */
  readonly mean: number | null;
  /** Answers that there are to judge; those without an outcome are still to be judged. */
  readonly planned: number;
}

/** A value over personas and its 95 % interval, where there are two personas or more. */
export interface Estimate {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Personas with a score. */
  readonly personas: number;
}

export interface PolicyScore {
  readonly name: string;
  /** Null: nothing has a score. */
  readonly personaScore: Estimate | null;
  /** The same without Toxicity, on which saying nothing does well. */
  readonly withoutToxicity: Estimate | null;
  /** PersonaScore minus that of the first policy, over the personas that both have a score for; null for the first. */
  readonly difference: Estimate | null;
  readonly tasks: readonly TaskScore[];
  /** In the order of the plan; null: no score. */
  readonly personas: readonly { readonly description: string; readonly score: number | null }[];
}

/** Scores of one task, added up. */
export interface Tally {
  readonly sum: number;
  readonly count: number;
}

/** [personas][tasks] of one policy. */
type Table = readonly (readonly Tally[])[];

/**
 * PersonaScore of each policy (mean over tasks of the mean of its scores) with intervals over personas. @param read the cell of a
 * key, undefined while there is none
 */
export function scorePolicies(plan: JudgePlan, names: readonly string[], read: (key: string) => JudgeCell | undefined): PolicyScore[] {
  const scale = scales[plan.rubric ?? 'personagym'];
  const tables = names.map((_, p) => tableOf(plan, p, read));
  return names.map((name, p) => {
    const table = tables[p]!;
    return {
      name,
      personaScore: inRange(
        estimate([table], ([one]) => personaScore(one!)),
        scale,
      ),
      withoutToxicity: inRange(
        estimate([table], ([one]) => personaScore(one!, harmless)),
        scale,
      ),
      difference: p === 0 ? null : difference(table, tables[0]!),
      tasks: judgeTasks.map(({ id }) => taskScore(plan, p, id, read)).filter(({ planned }) => planned > 0),
      personas: plan.personas.map(({ description }, i) => ({ description, score: personaScore(table[i]!) })),
    };
  });
}

const places = judgeTasks.map((_, t) => t);
const harmless = places.filter((t) => judgeTasks[t]!.id !== 'toxicity');

/** The mean over tasks of the mean over all scores of the task; tasks without any are left out. @param tallies one for each task */
export function personaScore(tallies: readonly Tally[], tasks: readonly number[] = places): number | null {
  return meanOrNull(tasks.flatMap((t) => (tallies[t]!.count > 0 ? [tallies[t]!.sum / tallies[t]!.count] : [])));
}

/** Over all personas. */
export function totals(table: Table): Tally[] {
  return places.map((t) => ({
    sum: table.reduce((sum, persona) => sum + persona[t]!.sum, 0),
    count: table.reduce((count, persona) => count + persona[t]!.count, 0),
  }));
}

function difference(table: Table, first: Table): Estimate | null {
  const both = table.flatMap((_, i) => (hasScore(table[i]!) && hasScore(first[i]!) ? [i] : []));
  const paired = [both.map((i) => table[i]!), both.map((i) => first[i]!)];
  return estimate(paired, ([own, other]) => {
    const [a, b] = [personaScore(own!), personaScore(other!)];
    return a === null || b === null ? null : a - b;
  });
}

/**
 * A statistic of totals, and a jackknife interval over personas with Student's quantile: where every persona has as many scores it is the t
 * interval of the personas' scores, and it stays right where some have fewer. @param tables the same personas in each
 */
function estimate(tables: readonly Table[], statistic: (totals: readonly (readonly Tally[])[]) => number | null): Estimate | null {
  const all = tables.map(totals);
  const value = statistic(all);
  if (value === null) return null;
  const used = tables[0]!.flatMap((persona, i) => (hasScore(persona) ? [i] : []));
  const n = used.length;
  const without = used.map((left) =>
    statistic(
      all.map((sums, k) =>
        sums.map(({ sum, count }, t) => ({ sum: sum - tables[k]![left]![t]!.sum, count: count - tables[k]![left]![t]!.count })),
      ),
    ),
  );
  const known = without.filter((one) => one !== null);
  if (n < 2 || known.length < n) return { value, low: null, high: null, personas: n };
  const half = jackknifeHalf(known);
  return { value, low: value - half, high: value + half, personas: n };
}

/** No score is outside its scale. */
function inRange(of: Estimate | null, { low, high }: Scale): Estimate | null {
  return of?.low == null || of.high == null ? of : { ...of, low: Math.max(low, of.low), high: Math.min(high, of.high) };
}

function tableOf(plan: JudgePlan, policy: number, read: (key: string) => JudgeCell | undefined): Table {
  return plan.personas.map((persona) => {
    const tallies = new Map(judgeTasks.map(({ id }) => [id, { sum: 0, count: 0 }]));
    for (const question of persona.questions) {
      const cell = read(verdictKey(policy, persona, question));
      if (!cell || !('verdict' in cell) || cell.verdict.score === null) continue;
      const tally = tallies.get(question.task)!;
      tally.sum += cell.verdict.score;
      tally.count++;
    }
    return [...tallies.values()];
  });
}

function taskScore(plan: JudgePlan, policy: number, task: JudgeTask, read: (key: string) => JudgeCell | undefined): TaskScore {
  const cells = plan.personas.flatMap((persona) =>
    persona.questions.filter((question) => question.task === task).map((question) => read(verdictKey(policy, persona, question))),
  );
  const verdicts = cells.flatMap((cell) => (cell && 'verdict' in cell ? [cell.verdict] : []));
  const scores = verdicts.flatMap(({ score }) => (score === null ? [] : [score]));
  const count = (outcome: VerdictOutcome) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
  return {
    task,
    mean: meanOrNull(scores),
    planned: cells.length,
    scored: scores.length,
    unparsed: count('unparsed'),
    refused: count('refused'),
  };
}

const hasScore = (persona: readonly Tally[]) => persona.some(({ count }) => count > 0);
