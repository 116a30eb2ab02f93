/** `permix compare`: the metrics of a run beside the log of another trainer's; the page lays the same log over its charts. */
import { basename } from 'node:path';
import { comparedCsv, compareLog } from '../exchange/compare-log.ts';
import { logSentences, maxLogBytes, readTrainerLog } from '../exchange/trainer-log.ts';
import { LabError } from '../errors.ts';
import type { Arguments } from './arguments.ts';
import { readText } from './candidate.ts';
import type { Output } from './output.ts';
import { tryFile, writeFiles } from './output-files.ts';
import { notice } from './progress.ts';
import { savedRun } from './saved-run.ts';

export async function compareCommand(args: Arguments, out: Output): Promise<void> {
  const path = args.operand('RUN');
  const file = args.required('log');
  const csv = args.text('csv');
  const log = readTrainerLog(await readText(args, 'log', file, maxLogBytes), basename(file));
  const { run, metrics } = await savedRun(path);
  if (csv !== undefined) await tryFile('csv', csv);
  notice(`${log.name}: ${logSentences(log).join(' ')}`);
  const compared = compareLog(metrics, log.steps);
  if (compared.length === 0) {
    const steps = (list: readonly { readonly step: number }[]) => (list.length === 0 ? 'none' : `${list[0]!.step} to ${list.at(-1)!.step}`);
    throw new LabError(
      'format',
      `${log.name} and the run have no metric of one step in common: its steps are ${steps(log.steps)}, the run’s ${steps(metrics)}.`,
      'Give the log of a run that logged its steps one by one (logging_steps: 1).',
    );
  }
  out.object({ run: run.name, log: log.name, unknown: log.unknown, metrics: compared });
  const rows = compared.map(({ metric, steps, means, furthest }) => [
    metric,
    String(steps.length),
    shown(means.run),
    shown(means.log),
    `${shown(furthest.difference)} at step ${furthest.step}`,
  ]);
  const table = [['metric', 'steps', 'run, mean', 'log, mean', 'furthest apart'], ...rows];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  for (const row of table)
    out.line(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  if (csv !== undefined) await writeFiles([[csv, comparedCsv(compared)]]);
}

const shown = (value: number): string => String(Number(value.toPrecision(4)));
