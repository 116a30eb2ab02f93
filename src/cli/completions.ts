/** What a person is shown of rollouts and held-out questions while a run goes on: lines of text, for a terminal. */
import { heldOutCounts, heldOutMetrics, voicedRows, type HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { MetricName } from '../rl/metric-names.ts';
import type { RolloutRecord } from '../rl/events.ts';
import type { MetricsLine } from './step-log.ts';

const blank = '–';
const percent = (share: number | undefined) => (share === undefined ? blank : `${(100 * share).toFixed(1)} %`);

/** `step    3  reward 0.719  entropy …` */
export function stepSummary(line: MetricsLine): string {
  const number = (name: MetricName, digits: number) => {
    const value: unknown = line[name];
    return typeof value === 'number' ? value.toFixed(digits) : blank;
  };
  return `step ${String(line.step).padStart(4)}  reward ${number('reward', 3)}  entropy ${number('entropy', 3)}  length ${number('completions/mean_length', 1)}  grad ${number('grad_norm', 3)}`;
}

/** `step   10  held out: worst 25.0 %, …` */
export function heldOutSummary(evaluation: HeldOutEvaluation): string {
  const metrics = heldOutMetrics(evaluation);
  const { asked, told } = voicedRows(evaluation);
  const [pss, chance] = [metrics['eval/pss'], metrics['eval/pss_null']];
  const parts = [
    `worst ${percent(metrics['eval/worst'])}`,
    `mean ${percent(metrics['eval/mean'])}`,
    `no persona ${percent(metrics['eval/none'])}`,
    ...(pss === undefined ? [] : [`PSS ${pss.toFixed(2)} (by chance ${chance!.toFixed(2)})`]),
    ...(asked === 0
      ? []
      : [
          told === 0
            ? 'voice not measured'
            : `in its voice ${percent(metrics['eval/voice'])}${told < asked ? ` (${told} of ${asked})` : ''}`,
        ]),
  ];
  return `step ${String(evaluation.step).padStart(4)}  held out: ${parts.join(', ')}`;
}

/** Rows by column, as the page's picture: what share of the held-out questions was right. @param columns evaluations with the same rows */
export function heldOutTable(columns: readonly { readonly name: string; readonly evaluation: HeldOutEvaluation }[]): string[] {
  const [first] = columns;
  if (!first) return [];
  const metrics = columns.map(({ evaluation }) => heldOutMetrics(evaluation));
  const asked = heldOutCounts(first.evaluation);
  const { told } = voicedRows(first.evaluation);
  const row = (name: string, key: `eval/${string}`) => [name, ...metrics.map((values) => percent(values[key]))];
  const rows = [
    [`${asked[0]?.asked ?? 0} questions each`, ...columns.map(({ name }) => name)],
    ...asked.map(({ row: id }) => row(id === 'none' ? 'no persona' : id, `eval/accuracy/${id}`)),
    row('worst', 'eval/worst'),
    row('mean', 'eval/mean'),
    ['PSS', ...metrics.map((values) => values['eval/pss']?.toFixed(2) ?? blank)],
    ['PSS by chance', ...metrics.map((values) => values['eval/pss_null']?.toFixed(2) ?? blank)],
    row(told === 0 ? 'in its voice (not measured)' : 'in its voice', 'eval/voice'),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}

/** One group of the step, in which answers differ if there is one, best reply first. */
export function groupLines(rollouts: readonly RolloutRecord[]): string[] {
  const groups = new Map<string, RolloutRecord[]>();
  for (const rollout of rollouts) groups.set(rollout.group, [...(groups.get(rollout.group) ?? []), rollout]);
  const all = [...groups.values()];
  const group = all.find((rows) => rows.some(({ reward }) => reward !== rows[0]!.reward)) ?? all[0];
  if (!group) return [];
  const { question, answer } = group[0]!;
  return [
    `  ${oneLine(question)}   right: ${answer}`,
    ...[...group]
      .sort((a, b) => b.reward - a.reward)
      .map(
        ({ correct, reward, advantage, personaId, completion }) =>
          `  ${correct ? '✓' : '✗'} reward ${reward.toFixed(2)}  advantage ${advantage.toFixed(2).padStart(5)}  ${(personaId ?? 'no persona').padEnd(20)}  ${oneLine(completion)}`,
      ),
  ];
}

/** What a policy says may hold anything; a terminal must not obey it. */
// eslint-disable-next-line no-control-regex
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 160);
