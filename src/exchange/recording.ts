/**
 * Recorded runs: what the page's charts need to show a run again, step by step, on a machine that could not compute it. Made by
 * `permix record` from the trainer's own reports, read by the Reproduce view, compared with a live engine by a test. No weights are in it. The reader is
 * `read-recording.ts`.
 */
import type { RunConfig } from '../rl/config.ts';
import type { PersonaAccuracy, RolloutRecord, StepReport, StepRow } from '../rl/events.ts';
import type { MetricName } from '../rl/metric-names.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';

export const recordingFormat = 'permix-recording';
export const recordingVersion = 2;

export interface Recording {
  readonly format: typeof recordingFormat;
  readonly version: typeof recordingVersion;
  /** What made it, and where. */
  readonly command: string;
  readonly date: string;
  readonly engine: string;
  readonly backend: string;
  readonly adapter: string | null;
  readonly policy: string;
  /** As many steps each. */
  readonly runs: readonly RecordedRun[];
}

export interface RecordedRun {
  readonly name: string;
  readonly config: RunConfig;
  /** Steps 1 … n; `columns[name][i]` and `personas[i]` are of step i + 1. Null: the step did not have that metric. */
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
  readonly personas: readonly PersonaAccuracy[];
  /** Some groups of some steps, by ascending step. */
  readonly rollouts: readonly { readonly step: number; readonly rollouts: readonly RolloutRecord[] }[];
  /** By ascending step, the first before step 1. */
  readonly heldOut: readonly HeldOutEvaluation[];
}

/** Groups whose rollouts are kept, of the first steps and of every tenth. */
const keptGroups = 2;
const firstSteps = 3;
const between = 10;

/** A recorded run from the reports of all its steps, in order. */
export function recordedRun(
  name: string,
  config: RunConfig,
  reports: readonly StepReport[],
  heldOut: readonly HeldOutEvaluation[],
): RecordedRun {
  const names = [...new Set(reports.flatMap(({ metrics }) => Object.keys(metrics) as MetricName[]))];
  return {
    name,
    config,
    columns: Object.fromEntries(names.map((metric) => [metric, reports.map(({ metrics }) => rounded(metrics[metric]))])),
    personas: reports.map(({ personas }) => personas),
    rollouts: reports
      .filter(({ step }) => step <= firstSteps || step % between === 0 || step === config.steps)
      .map(({ step, rollouts }) => ({ step, rollouts: tellingGroups(rollouts) })),
    heldOut,
  };
}

/** Six digits: half the bytes, and more than any chart shows. */
export function rounded(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Number(value.toPrecision(6));
}

/** The groups whose rollouts differ most in their reward, in the order of rows. */
export function tellingGroups(rollouts: readonly RolloutRecord[]): RolloutRecord[] {
  const groups = new Map<string, RolloutRecord[]>();
  for (const rollout of rollouts) groups.set(rollout.group, [...(groups.get(rollout.group) ?? []), rollout]);
  const evenness = (rows: readonly RolloutRecord[]) => {
    const right = rows.filter(({ correct }) => correct).length;
    return Math.min(right, rows.length - right);
  };
  const kept = new Set(
    [...groups]
      .sort(([, a], [, b]) => evenness(b) - evenness(a) || a[0]!.row - b[0]!.row)
      .slice(0, keptGroups)
      .map(([group]) => group),
  );
  return rollouts.filter(({ group }) => kept.has(group));
}

/** Metrics of one step, without those it did not have. @param step from 1 */
export function recordedMetrics(run: RecordedRun, step: number): StepRow {
  return Object.fromEntries(
    Object.entries(run.columns).flatMap(([name, values]) => {
      const value = values[step - 1];
      return value === null || value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The newest kept rollouts at a step; null before the first. */
export function recordedRollouts(run: RecordedRun, step: number): RecordedRun['rollouts'][number] | null {
  return run.rollouts.findLast((kept) => kept.step <= step) ?? null;
}
