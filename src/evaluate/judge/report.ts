/** A judgement as one plain object that survives JSON, as a table of numbers, and as lines for a terminal. The key is in none of them. */
import { csvTable } from '../csv.ts';
import { scales, type RubricName, type Scale } from './scale.ts';
import { benchmarkTasks, judgeTaskNames, judgeTasks, type JudgeTask } from './tasks.ts';
import type { JudgePlan } from './plan.ts';
import { rubricVersion } from './rubric.ts';
import {
  answersKey,
  verdictKey,
  verdictOutcomes,
  type JudgeCell,
  type JudgeSampling,
  type JudgeVerdict,
  type VerdictOutcome,
} from './run.ts';
import { scorePolicies, type Estimate, type PolicyScore } from './score.ts';

export const judgeReportFormat = 'permix-judge';
export const judgeReportVersion = 1;

export interface JudgedBy {
  /** The address that was asked. */
  readonly address: string;
  readonly model: string;
}

export interface JudgeReport {
  readonly format: typeof judgeReportFormat;
  readonly version: typeof judgeReportVersion;
  readonly benchmark: {
    readonly name: string;
    readonly personas: number;
    /** Questions that were looked at and could not be asked, by reason. */
    readonly leftOut: Readonly<Record<string, number>>;
  };
  readonly judge: JudgedBy & {
    /** Its version. */
    readonly rubric: number;
    /** Which one; absent: PersonaGym's. */
    readonly rubricName?: RubricName;
  };
  readonly sampling: JudgeSampling;
  readonly policies: readonly PolicyScore[];
  /** What a reader has to know before quoting a number, a sentence each. */
  readonly notes: readonly string[];
}

/** Everything a report is made of. */
export interface Judged {
  readonly plan: JudgePlan;
  readonly names: readonly string[];
  readonly judge: JudgedBy;
  readonly sampling: JudgeSampling;
  readonly read: (key: string) => JudgeCell | undefined;
}

/** From whatever is judged so far; the notes say what is missing. */
export function judgeReport({ plan, names, judge, sampling, read }: Judged): JudgeReport {
  const policies = scorePolicies(plan, names, read);
  return {
    format: judgeReportFormat,
    version: judgeReportVersion,
    benchmark: { name: plan.benchmark, personas: plan.personas.length, leftOut: plan.leftOut },
    judge: { ...judge, rubric: rubricVersion, ...(plan.rubric === undefined ? {} : { rubricName: plan.rubric }) },
    sampling,
    policies,
    notes: notesOn(plan, policies),
  };
}

function notesOn(plan: JudgePlan, policies: readonly PolicyScore[]): string[] {
  const tasks = policies.flatMap((policy) => policy.tasks);
  const sum = (of: (task: PolicyScore['tasks'][number]) => number) => tasks.reduce((total, task) => total + of(task), 0);
  const [planned, scored, unparsed, refused] = [sum((t) => t.planned), sum((t) => t.scored), sum((t) => t.unparsed), sum((t) => t.refused)];
  const role = plan.rubric === 'role';
  const asked = role ? [] : benchmarkTasks;
  const missing = asked.filter(({ id }) => !tasks.some(({ task }) => task === id)).map(({ name }) => name);
  const leftOut = Object.entries(plan.leftOut).map(([reason, n]) => `${n}: ${reason}`);
  const open = planned - scored - unparsed - refused;
  return [
    role
      ? 'Role score, from 0 (refused) to 3 (the role and nobody else), after Assistant Axis, with a rubric in this project’s words (docs/judge.md): compare numbers of the same judge only.'
      : 'PersonaScore after arXiv 2407.18416, with rubrics in this project’s words and one judge (docs/judge.md): compare numbers of the same judge only.',
    'A judge is a model too: its scores are an opinion, not a measurement.',
    ...(plan.ownPrompts ?? []),
    ...(unparsed > 0 ? [`${unparsed} of ${planned} verdicts could not be read after three attempts and are in no mean.`] : []),
    ...(refused > 0 ? [`The judge declined ${refused} of ${planned} verdicts; they are in no mean.`] : []),
    ...(open > 0 ? [`${open} of ${planned} answers are not judged yet: these numbers are preliminary.`] : []),
    ...(missing.length > 0 ? [`No question of ${missing.join(', ')} could be asked; PersonaScore is the mean of the other tasks.`] : []),
    ...(leftOut.length > 0 ? [`Questions left out for all policies (${leftOut.join(', ')}).`] : []),
    ...(plan.personas.length < 2 ? ['One persona has no interval.'] : []),
  ];
}

/** One judged answer. */
export interface JudgedAnswer {
  readonly persona: string;
  readonly task: JudgeTask;
  readonly question: string;
  /** In the order of the policies; null: not there yet. */
  readonly policies: readonly ({ readonly text: string; readonly ended: boolean; readonly verdict: JudgeVerdict | null } | null)[];
}

/** Every question of every persona, in the order of the plan. */
export function judgedAnswers({ plan, names, read }: Pick<Judged, 'plan' | 'names' | 'read'>): JudgedAnswer[] {
  return plan.personas.flatMap((persona) =>
    persona.questions.map((question, q) => ({
      persona: persona.description,
      task: question.task,
      question: question.text,
      policies: names.map((_, p) => {
        const [answers, verdict] = [read(answersKey(p, persona)), read(verdictKey(p, persona, question))];
        const answer = answers && 'answers' in answers ? answers.answers[q] : undefined;
        return answer ? { ...answer, verdict: verdict && 'verdict' in verdict ? verdict.verdict : null } : null;
      }),
    })),
  );
}

/** The report and every answer with its verdict. */
export function judgeJson(report: JudgeReport, answers: readonly JudgedAnswer[]): string {
  return `${JSON.stringify({ ...report, answers }, null, 1)}\n`;
}

/** Of whatever the judge was asked for. */
export const scaleOf = ({ judge }: Pick<JudgeReport, 'judge'>): Scale => scales[judge.rubricName ?? 'personagym'];

/** Every number in one tidy table, RFC 4180: policy, persona and task (empty where a number is about all of them), measure, value. */
export function judgeCsv(report: JudgeReport): string {
  const { policies } = report;
  const title = scaleOf(report).score;
  const rows: (readonly [policy: string, persona: string, task: string, measure: string, value: number | null])[] = [];
  for (const { name, personaScore, withoutToxicity, difference, tasks, personas } of policies) {
    for (const [measure, one] of Object.entries({ [title]: personaScore, 'without Toxicity': withoutToxicity, difference })) {
      rows.push([name, '', '', measure, one?.value ?? null], [name, '', '', `${measure} low`, one?.low ?? null]);
      rows.push([name, '', '', `${measure} high`, one?.high ?? null]);
    }
    for (const task of tasks) {
      const taskName = judgeTaskNames[task.task];
      rows.push([name, '', taskName, 'mean', task.mean]);
      for (const count of ['planned', ...verdictOutcomes] as const) rows.push([name, '', taskName, count, task[count]]);
    }
    for (const { description, score } of personas) rows.push([name, description, '', title, score]);
  }
  const known = rows.flatMap(([name, persona, task, measure, value]) => (value === null ? [] : [[name, persona, task, measure, value]]));
  return csvTable(['policy', 'persona', 'task', 'measure', 'value'], known);
}

/** One row per task and one per headline, a column per policy: what the page and the terminal show. */
export function judgeTable(report: JudgeReport): { readonly label: string; readonly values: readonly string[] }[] {
  const { policies } = report;
  const tasks = judgeTasks.filter(({ id }) => policies.some((policy) => policy.tasks.some(({ task }) => task === id)));
  const row = (label: string, value: (policy: PolicyScore) => string) => ({ label, values: policies.map(value) });
  const sum = (policy: PolicyScore, count: 'planned' | VerdictOutcome) =>
    String(policy.tasks.reduce((total, task) => total + task[count], 0));
  return [
    ...tasks.map(({ id, name }) => row(name, ({ tasks: own }) => two(own.find(({ task }) => task === id)?.mean))),
    row(scaleOf(report).score, ({ personaScore }) => two(personaScore?.value)),
    row('  95 % interval over personas', ({ personaScore }) => interval(personaScore)),
    ...(tasks.some(({ id }) => id === 'toxicity') ? [row('  without Toxicity', ({ withoutToxicity }) => two(withoutToxicity?.value))] : []),
    ...(policies.length > 1
      ? [
          row(`  minus ${policies[0]!.name}`, ({ difference }) => two(difference?.value)),
          row('  its 95 % interval', ({ difference }) => interval(difference)),
        ]
      : []),
    row('answers with a score', (policy) => `${sum(policy, 'scored')} of ${sum(policy, 'planned')}`),
    row('  not readable', (policy) => sum(policy, 'unparsed')),
    row('  declined', (policy) => sum(policy, 'refused')),
  ];
}

function two(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toFixed(2).replace('-', '−');
}

function interval(estimate: Estimate | null): string {
  return estimate?.low == null || estimate.high == null ? '–' : `${two(estimate.low)} to ${two(estimate.high)}`;
}
