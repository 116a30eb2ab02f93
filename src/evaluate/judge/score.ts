/**
 * What verdicts add up to. PersonaScore (Samuel et al. 2024, arXiv 2407.18416): the mean over tasks of the mean rubric score, from 1 to 5.
 * An answer without a score (unparsed, refused, not judged yet) is in no mean and in a count of its own. Pure functions; the definition and
 * how it differs from the paper's are in docs/judge.md.
 */
import { studentQuantile } from '../student.ts';
import { judgeTasks, type JudgeTask } from './benchmark.ts';
import type { JudgePlan } from './plan.ts';
import { verdictKey, type JudgeCell } from './run.ts';

export interface TaskScore {
  readonly task: JudgeTask;
  /** Null: no answer has a score. */
  readonly mean: number | null;
  /** Answers that there are to judge; those with a score, those without one, and those still to be judged. */
  readonly planned: number;
  readonly scored: number;
  readonly unparsed: number;
  readonly refused: number;
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

/** [personas][tasks] scores of one policy, possibly none. */
type Scores = readonly (readonly (readonly number[])[])[];

export function scorePolicies(plan: JudgePlan, names: readonly string[], read: (key: string) => JudgeCell | undefined): PolicyScore[] {
  const all = names.map((_, p) => scoresOf(plan, p, read));
  return names.map((name, p) => {
    const scores = all[p]!;
    return {
      name,
      personaScore: inRange(estimate([scores], ([one]) => personaScore(one!))),
      withoutToxicity: estimate([scores], ([one]) =>
        personaScore(
          one!,
          taskPlaces.filter((t) => judgeTasks[t]!.id !== 'toxicity'),
        ),
      ),
      difference: p === 0 ? null : difference(scores, all[0]!),
      tasks: judgeTasks.map(({ id }) => taskScore(plan, p, id, read)).filter(({ planned }) => planned > 0),
      personas: plan.personas.map(({ description }, i) => ({ description, score: personaScore(scores.slice(i, i + 1)) })),
    };
  });
}

const taskPlaces = judgeTasks.map((_, t) => t);

/** The mean over tasks of the mean over all scores of the task; tasks without any are left out. */
export function personaScore(scores: Scores, tasks: readonly number[] = taskPlaces): number | null {
  const means = tasks.map((t) => mean(scores.flatMap((persona) => persona[t] ?? []))).filter((value) => value !== null);
  return mean(means);
}

function difference(scores: Scores, first: Scores): Estimate | null {
  const both = scores.flatMap((_, i) => (hasScore(scores[i]!) && hasScore(first[i]!) ? [i] : []));
  const paired = [both.map((i) => scores[i]!), both.map((i) => first[i]!)];
  return estimate(paired, ([own, other]) => {
    const [a, b] = [personaScore(own!), personaScore(other!)];
    return a === null || b === null ? null : a - b;
  });
}

/**
 * The statistic, and a jackknife interval over personas with Student's quantile: where every persona has as many scores it is the t interval
 * of the personas' scores, and it stays right where some have fewer. @param tables the same personas in each
 */
function estimate(tables: readonly Scores[], statistic: (tables: readonly Scores[]) => number | null): Estimate | null {
  const value = statistic(tables);
  if (value === null) return null;
  const used = tables[0]!.flatMap((persona, i) => (hasScore(persona) ? [i] : []));
  const n = used.length;
  const without = used.map((left) => statistic(tables.map((table) => table.filter((_, i) => i !== left))));
  const known = without.filter((one) => one !== null);
  if (n < 2 || known.length < n) return { value, low: null, high: null, personas: n };
  const centre = known.reduce((sum, one) => sum + one, 0) / n;
  const error = Math.sqrt(((n - 1) / n) * known.reduce((sum, one) => sum + (one - centre) ** 2, 0));
  const half = studentQuantile(0.975, n - 1) * error;
  return { value, low: value - half, high: value + half, personas: n };
}

/** No score is below 1 or above 5. */
function inRange(of: Estimate | null): Estimate | null {
  return of?.low == null || of.high == null ? of : { ...of, low: Math.max(1, of.low), high: Math.min(5, of.high) };
}

function scoresOf(plan: JudgePlan, policy: number, read: (key: string) => JudgeCell | undefined): Scores {
  return plan.personas.map((persona) =>
    judgeTasks.map(({ id }) =>
      persona.questions
        .filter(({ task }) => task === id)
        .flatMap((question) => {
          const cell = read(verdictKey(policy, persona, question));
          return cell && 'verdict' in cell && cell.verdict.score !== null ? [cell.verdict.score] : [];
        }),
    ),
  );
}

function taskScore(plan: JudgePlan, policy: number, task: JudgeTask, read: (key: string) => JudgeCell | undefined): TaskScore {
  const cells = plan.personas.flatMap((persona) =>
    persona.questions.filter((question) => question.task === task).map((question) => read(verdictKey(policy, persona, question))),
  );
  const verdicts = cells.flatMap((cell) => (cell && 'verdict' in cell ? [cell.verdict] : []));
  const scores = verdicts.flatMap(({ score }) => (score === null ? [] : [score]));
  const count = (outcome: string) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
  return {
    task,
    mean: mean(scores),
    planned: cells.length,
    scored: scores.length,
    unparsed: count('unparsed'),
    refused: count('refused'),
  };
}

const hasScore = (persona: readonly (readonly number[])[]) => persona.some((scores) => scores.length > 0);

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
