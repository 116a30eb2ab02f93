/** A finished evaluation as the page shows and hands it out: all policies side by side, whatever report each came in. */
import type { EvaluationReport, PolicyReport } from '../evaluate/report.ts';
import { reportTable, type ReportTable } from '../evaluate/table.ts';
import type { EvaluationRecord } from '../storage/records.ts';
import type { CellScore } from '../worker/evaluation-api.ts';
import { scoreKey } from './evaluation.svelte.ts';

export interface ShownPolicy {
  readonly name: string;
  /** CSS colour of its recipe. */
  readonly colour: string;
  /** Dashes of its line where another policy has the same colour; empty: none. */
  readonly dashes: string;
  readonly report: PolicyReport;
}

const dashes = ['', '6 4', '2 3', '10 3 2 3', '1 5'];

/** The base first. */
export function shownPolicies({ policies, reports }: Pick<EvaluationRecord, 'policies' | 'reports'>): ShownPolicy[] {
  const [first] = reports;
  if (!first) return [];
  const all = [first.base ?? first.policy, ...(first.base ? reports.map(({ policy }) => policy) : [])];
  return all.map((report, i) => {
    const recipe = policies[i]?.recipe ?? 'custom';
    const alike = policies.slice(0, i).filter((other) => other.recipe === recipe).length;
    return { name: report.name, colour: `var(--recipe-${recipe})`, dashes: dashes[alike % dashes.length]!, report };
  });
}

export function scoresOf(record: Pick<EvaluationRecord, 'policies' | 'reports' | 'settings'>): ReadonlyMap<string, CellScore> {
  const scores = new Map<string, CellScore>();
  shownPolicies(record).forEach(({ report }, policy) => {
    for (const { personaId, correct } of [report.none, ...report.personas]) {
      scores.set(scoreKey(policy, personaId), {
        policy,
        personaId,
        correct: correct.reduce((sum, count) => sum + count, 0),
        total: correct.length * record.settings.samples,
      });
    }
  });
  return scores;
}

/** The table of `permix eval`, with a column for every policy: reports against the same base differ in their last column only. */
export function wholeTable(reports: readonly EvaluationReport[]): ReportTable | null {
  const [first, ...rest] = reports.map(reportTable);
  if (!first) return null;
  return {
    columns: [...first.columns, ...rest.map(({ columns }) => columns.at(-1)!)],
    sections: first.sections.map((section, s) => ({
      ...section,
      rows: section.rows.map((row, r) => ({
        ...row,
        values: [...row.values, ...rest.map(({ sections }) => sections[s]?.rows[r]?.values.at(-1) ?? null)],
      })),
    })),
    notes: [...new Set([first, ...rest].flatMap(({ notes }) => notes))],
  };
}

/** One report as `permix eval` writes it; several as a list of them. */
export function wholeJson(reports: readonly EvaluationReport[]): string {
  return `${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 1)}\n`;
}

export function fileName({ created }: Pick<EvaluationRecord, 'created'>, extension: string): string {
  return `permix-evaluation-${new Date(created).toISOString().slice(0, 16).replaceAll(':', '')}.${extension}`;
}
