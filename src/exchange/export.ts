/** A run in a form that other programs and people read, by the form's name: the same for the command line and the page. A file of the run itself is `run-file.ts`. */
import { noSuch } from '../errors.ts';
import type { Persona } from '../persona/persona.ts';
import { stepPage } from './step-page.ts';
import { completionsTable, metricsTable, trackioTraces, unipoReplay, type TracedRun } from './traces.ts';

/** csv is of the whole run, html of its newest step, the others of all rollouts that are given. */
export const textFormats = ['csv', 'unipo', 'trackio', 'trl', 'html'] as const;
export type TextFormat = (typeof textFormats)[number];

/** @param run with one step's rollouts at least, unless the format is csv */
export function exportedText(format: TextFormat, run: TracedRun, personas: readonly Persona[]): string {
  switch (format) {
    case 'csv':
      return metricsTable(run);
    case 'unipo':
      return `${JSON.stringify(unipoReplay(run))}\n`;
    case 'trackio':
      return trackioTraces(run, personas);
    case 'trl':
      return completionsTable(run);
    case 'html':
      return stepPage(run, run.rollouts.at(-1)!, personas);
    default:
      return noSuch('format', format);
  }
}
