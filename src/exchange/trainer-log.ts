/**
 * The log of another trainer, for its curves beside a run's: `trainer_state.json` of transformers and TRL (its `log_history`), that list by
 * itself, or JSON lines of steps, as callbacks, trackio's records and this project's `metrics.jsonl` have them. Metrics have TRL's names here
 * too; what is not known is left out and named. Nothing of it becomes a run: there are no settings, rollouts or weights in it.
 */
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { refuseParquet } from '../parquet.ts';
import type { StepRow } from '../rl/events.ts';
import { metricNames, type MetricName } from '../rl/metric-names.ts';

export interface TrainerLog {
  /** Of its file. */
  readonly name: string;
  /** Ascending, each once. */
  readonly steps: readonly { readonly step: number; readonly metrics: StepRow }[];
  /** Fields that are not drawn, in the order they came. */
  readonly unknown: readonly string[];
  /** Entries without a step or without a metric that is known, and entries whose step came again and took their place. */
  readonly passed: { readonly empty: number; readonly again: number };
}

/** A log of a million steps; what is larger is something else. */
export const maxLogBytes = 128_000_000;

const known: ReadonlySet<string> = new Set(metricNames);
/** Every entry has them. */
const ofEveryEntry: ReadonlySet<string> = new Set(['step', 'epoch']);

type Entry = Readonly<Record<string, unknown>>;
const isEntry = (value: unknown): value is Entry => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a file may be one, by its beginning: it is read as one then, and refused in its words. */
export function mayBeTrainerLog(name: string, begins: string): boolean {
  if (/^trainer_state\b.*\.json$/i.test(name) || /"log_history"\s*:/.test(begins)) return true;
  const [first = ''] = begins.trimStart().split('\n');
  return /\.(jsonl|ndjson)$/i.test(name) && /"(global_)?step"\s*:\s*\d/.test(first) && metricIn(first);
}

const metricIn = (line: string): boolean =>
  metricNames.some((metric) => line.includes(`"${metric}"`) || line.includes(`"train/${metric}"`));

/** @throws LabError 'format' naming the file, for JSON that is none (with its line), and where there is no step with a metric in it */
export function readTrainerLog(text: string, name: string): TrainerLog {
  refuseParquet(name, text);
  const entries = entriesOf(text, name);
  const rows = new Map<number, StepRow>();
  const unknown = new Set<string>();
  const passed = { empty: 0, again: 0 };
  for (const entry of entries) {
    const { step = entry['global_step'] } = entry;
    const metrics = metricsOf(entry, unknown);
    if (!Number.isInteger(step) || (step as number) < 0 || Object.keys(metrics).length === 0) {
      passed.empty++;
      continue;
    }
    const before = rows.get(step as number);
    // An evaluation, or a run that went back to a checkpoint: what came later counts.
    if (before && Object.keys(before).some((metric) => metric in metrics)) passed.again++;
    rows.set(step as number, { ...before, ...metrics });
  }
  if (rows.size === 0) {
    const names = [...unknown].slice(0, 6).map((field) => `"${field}"`);
    const has =
      entries.length === 0 ? 'it has no entries' : names.length === 0 ? 'it has no numbers' : `its fields are ${names.join(', ')}`;
    throw new LabError(
      'format',
      `${name} has no step with a metric that is known here: ${has}.`,
      'Give the trainer_state.json of a checkpoint, or JSON lines with "step" and metrics under TRL’s names, such as "reward".',
    );
  }
  const steps = [...rows].map(([step, metrics]) => ({ step, metrics })).sort((a, b) => a.step - b.step);
  return { name, steps, unknown: [...unknown], passed };
}

/** What was read, and what was not, in sentences. */
export function logSentences({ steps, unknown, passed }: TrainerLog): readonly string[] {
  const most = 8;
  const metrics = new Set(steps.flatMap((one) => Object.keys(one.metrics))).size;
  const count = (n: number, what: string) => `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`;
  const more = unknown.length > most ? ` and ${unknown.length - most} more` : '';
  return [
    `${count(steps.length, 'step')}, ${count(metrics, 'metric')}.`,
    ...(unknown.length > 0 ? [`Not known here and not drawn: ${unknown.slice(0, most).join(', ')}${more}.`] : []),
    ...(passed.empty > 0 ? [`Passed over: ${count(passed.empty, 'entry').replace(/entrys$/, 'entries')} without a step or a metric.`] : []),
    ...(passed.again > 0 ? [`${count(passed.again, 'step')} came again; the later counts.`] : []),
  ];
}

function entriesOf(text: string, file: string): readonly Entry[] {
  const plain = withoutNaN(text);
  const next = 'Save it again, or give the trainer_state.json of another checkpoint.';
  if (isLines(plain)) {
    const lines = plain.split('\n');
    return lines.flatMap((line, i) => {
      // The last line of a log that is still written may be cut.
      if (line.trim() === '' || (i === lines.length - 1 && !/\}\s*$/.test(line))) return [];
      const value = parseJson(line, { file, line: i + 1, next });
      return isEntry(value) ? [flat(value)] : [];
    });
  }
  const json = parseJson(plain, { file, next });
  const list = Array.isArray(json) ? (json as readonly unknown[]) : isEntry(json) ? (json['log_history'] ?? [json]) : [];
  if (!Array.isArray(list)) throw new LabError('format', `${file}: its "log_history" is not a list.`, next);
  return (list as readonly unknown[]).filter(isEntry).map(flat);
}

/** Several values, one a line. */
const isLines = (text: string): boolean => /^\s*\{[^\n]*\}\s*\n\s*\{/.test(text);

/** trackio keeps metrics in an object of their own; its integration writes `train/` before each name. */
const flat = (entry: Entry): Entry =>
  Object.fromEntries(
    Object.entries(isEntry(entry['metrics']) ? { ...entry, ...entry['metrics'], metrics: null } : entry).map(([field, value]) => [
      field.replace(/^train\//, ''),
      value,
    ]),
  );

function metricsOf(entry: Entry, unknown: Set<string>): StepRow {
  const metrics: Partial<Record<MetricName, number>> = {};
  for (const [field, value] of Object.entries(entry)) {
    if (ofEveryEntry.has(field) || typeof value !== 'number') continue;
    if (known.has(field)) metrics[field as MetricName] = value;
    else if (field !== 'global_step') unknown.add(field);
  }
  return metrics;
}

/** Python writes numbers that are none as JSON has no word for; they are gaps here. Of texts nothing is read. */
const withoutNaN = (text: string): string => text.replace(/(?<=[:[,]\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])/g, 'null');
