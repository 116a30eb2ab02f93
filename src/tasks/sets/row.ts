/** One row of a data set as it is written, before anybody knows what its fields mean. */
import { LabError } from '../../errors.ts';

export const setFormats = ['jsonl', 'json', 'csv'] as const;
export type SetFormat = (typeof setFormats)[number];

/** A text, a number as it is written, or a list of those; null: nothing, or nothing that could be read out. */
export type Field = string | readonly string[] | null;
export type Fields = ReadonlyMap<string, Field>;

/** One row by the line that it begins in; of a row that is none, what is wrong with it, in the words that follow `line 3: `. */
export type Row = { readonly line: number } & ({ readonly fields: Fields; readonly fault?: never } | { readonly fault: string });

/** A row is not longer: what is, is a file of another kind, or a quote that is never closed. */
export const longestRow = 32_000_000;

export const tooLong = (file: string, line: number): LabError =>
  new LabError(
    'format',
    `${file}, line ${line}: the row that begins there does not end within ${longestRow / 1e6} million characters.`,
    'Check that it is JSON lines, a JSON list or CSV, and that its last quote is closed.',
  );
