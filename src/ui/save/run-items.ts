/** What a run can be saved as. Who writes the files is `exchange/`. */
import type { TextFormat } from '../../exchange/export.ts';
import type { Lab } from '../../state/lab.svelte.ts';
import type { RunRecord } from '../../storage/records.ts';
import { fileName } from './drawing.ts';
import { save, type SaveItem } from './save.ts';

const texts: readonly {
  readonly format: TextFormat;
  readonly name: string;
  readonly hint: string;
  readonly ending: string;
  readonly type: string;
}[] = [
  { format: 'csv', name: 'Metrics', hint: 'CSV, a row a step', ending: '.csv', type: 'text/csv' },
  { format: 'unipo', name: 'Replies for UNIPO', hint: 'JSON', ending: '-unipo.json', type: 'application/json' },
  { format: 'trackio', name: 'Replies as trackio’s traces', hint: 'JSONL', ending: '-trackio.jsonl', type: 'application/jsonl' },
  { format: 'trl', name: 'Replies as TRL’s completions table', hint: 'JSONL', ending: '-trl.jsonl', type: 'application/jsonl' },
];

/** @param step whose replies are on view; 0: none are */
export function runItems(lab: Lab, run: RunRecord, step: number): readonly SaveItem[] {
  const file = fileName(run.name);
  const textOf = (format: TextFormat) => lab.library.exportRun(run, format, step || Infinity, lab.personas);
  return [
    {
      name: 'Run',
      hint: 'for this page and the command line',
      save: async () => save(`${file}.permix-run`, 'application/octet-stream', await lab.library.saveRun(run)),
    },
    ...texts.map(({ format, name, hint, ending, type }) => ({
      name,
      hint,
      save: async () => save(`${file}${ending}`, type, await textOf(format)),
    })),
    {
      name: step ? `Step ${step} as a page` : 'Its newest step as a page',
      hint: 'HTML, which prints',
      save: async () => save(`${file}${step ? `-step-${step}` : ''}.html`, 'text/html', await textOf('html')),
    },
  ];
}
