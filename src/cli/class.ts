/** `permix class`: many runs, of as many people, as one picture over their seeds; the page draws the same of files that are dropped on it. */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { labErrorCode } from '../errors.ts';
import { estimateOf, footOf, inOrder } from '../evaluate/picture.ts';
import { footLines } from '../evaluate/picture-words.ts';
import { pictureCsv, pictureSvg } from '../exchange/picture-file.ts';
import { apart, classCaption, classHeading, claimSentence, classOf, type ClassExperiment, type ClassRun } from '../run/class.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';
import { tryFile } from './output-files.ts';
import { notice } from './progress.ts';
import { savedRun } from './saved-run.ts';

export async function classCommand(args: Arguments, out: Output): Promise<number> {
  const paths = args.operands('RUN…');
  const files = { csv: args.text('csv'), svg: args.text('svg') };
  for (const [option, file] of Object.entries(files)) if (file !== undefined) await tryFile(option, file);
  const runs: ClassRun[] = [];
  for (const path of paths) {
    try {
      const { run, heldOut } = await savedRun(path);
      runs.push({ name: basename(path), run, heldOut });
    } catch (error) {
      // One that cannot be read keeps nobody else's out.
      if (labErrorCode(error) === null && !(error instanceof Error && 'code' in error)) throw error;
      notice(`${path} is left out: ${(error as Error).message}`);
    }
  }
  const { experiments, leftOut } = classOf(runs);
  for (const sentence of leftOut) notice(`Left out: ${sentence}`);
  const [shown, ...others] = experiments;
  if (!shown) {
    notice('No run is left that could be shown.');
    return 1;
  }
  for (const other of others) {
    const names = other.columns.flatMap(({ seeds }) => seeds.map(({ name }) => name));
    notice(`Apart, ${apart(shown.settings, other.settings)}: ${names.join(', ')}.`);
  }
  out.object({
    step: shown.step,
    questions: shown.questions,
    rows: shown.picture.rows.map(({ key }) => key),
    columns: inOrder(shown.picture.columns).map((column) => ({
      name: column.label,
      recipe: column.recipe,
      seeds: shown.columns.find(({ key }) => key === column.key)?.seeds.map(({ seed }) => seed) ?? null,
      cells: column.cells.map(estimateOf),
      foot: footOf(shown.picture.rows, column),
    })),
    claim: shown.claim,
  });
  for (const line of tableLines(shown)) out.line(line);
  if (shown.claim) out.line(`\n${claimSentence(shown.claim)}`);
  if (files.csv !== undefined) await writeFile(files.csv, pictureCsv(shown.picture));
  if (files.svg !== undefined) await writeFile(files.svg, pictureSvg(shown.picture, classHeading, classCaption(shown)));
  return 0;
}

/** The picture in letters: percent right, in brackets the 95 % interval over seeds. */
function tableLines(experiment: ClassExperiment): string[] {
  const { rows } = experiment.picture;
  const columns = inOrder(experiment.picture.columns);
  const feet = columns.map((column) => footOf(rows, column));
  const percent = (share: number) => String(Math.round(100 * share));
  const cells = [
    ['', ...columns.map(({ label }) => label)],
    ['', ...columns.map(({ detail }) => detail ?? '')],
    ...rows.map(({ label }, row) => [
      label,
      ...columns.map((column) => {
        const known = estimateOf(column.cells[row] ?? null);
        const over =
          'values' in (column.cells[row] ?? {}) && known?.low !== null && known ? ` [${percent(known.low)} ${percent(known.high!)}]` : '';
        return known ? `${percent(known.value)} %${over}` : '–';
      }),
    ]),
    ...footLines.map(({ name, text }) => [
      name,
      ...feet.map((foot) => {
        if (!foot) return '–';
        const { value, note } = text(foot);
        return `${value}${note ? ` [${note.replace('–', ' ')}]` : ''}`;
      }),
    ]),
    ['PSS by chance', ...columns.map(({ chance }) => chance?.toFixed(2) ?? '–')],
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return [
    classCaption(experiment),
    ...cells.map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('   ')
        .trimEnd(),
    ),
  ];
}
