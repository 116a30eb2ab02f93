/** A file as the entries it holds, whatever it is written as: one JSON value, JSON lines, CSV with a heading, or the lists of a Python file. What they mean is `read.ts`. */
import { csvRowsOf, type CsvRow } from '../../csv.ts';
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { refuseParquet } from '../../parquet.ts';
import { pythonLists } from './python-lists.ts';

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

export interface Entry {
  /** For the reader: `line 3`, `entry 3`. */
  readonly where: string;
  readonly value: unknown;
  /** Why there is no value, the end of a sentence. */
  readonly fault?: string;
}

export type Content =
  | { readonly kind: 'json'; readonly json: unknown }
  | { readonly kind: 'lines'; readonly entries: readonly Entry[] }
  | { readonly kind: 'csv'; readonly columns: readonly string[]; readonly entries: readonly Entry[] };

/** @throws LabError 'format' for JSON that is none, for Parquet, and for an empty file */
export function contentOf({ name, text: raw }: NamedText): Content {
  refuseParquet(name, raw);
  const text = raw.replace(/^\ufeff/, '');
  const first = /\S/.exec(text)?.[0];
  if (first === undefined) throw new LabError('format', `${name} is empty.`, 'Give a file of personas: JSON, JSON lines or CSV.');
  if (/\.py$/i.test(name)) return { kind: 'json', json: pythonLists(text, name) };
  if (/\.csv$/i.test(name) || !'{["'.includes(first)) return csvContent(text, name);
  if (first !== '[' && isLines(text, name)) return { kind: 'lines', entries: lineEntries(text, name) };
  return { kind: 'json', json: parseJson(text, { file: name, next: 'Correct the file.' }) };
}

function csvContent(text: string, name: string): Content {
  const [heading, ...rows] = csvRowsOf(text);
  const names = (heading?.cells ?? []).map((cell) => cell.trim());
  const twice = names.find((column, i) => column !== '' && names.indexOf(column) < i);
  if (twice !== undefined) throw new LabError('format', `${name}: the column "${twice}" is there twice.`, 'Rename one of them.');
  return { kind: 'csv', columns: names.filter((column) => column !== ''), entries: rows.map((row) => rowEntry(names, row)) };
}

/** By the names of its columns, without the empty cells; a row may end early, as spreadsheets have it. */
function rowEntry(names: readonly string[], { line, cells, broken }: CsvRow): Entry {
  const value = Object.fromEntries(names.flatMap((name, i) => (name === '' || (cells[i] ?? '') === '' ? [] : [[name, cells[i]!]])));
  const long = cells.length > names.length ? `it has ${cells.length} fields, and the heading ${names.length}` : undefined;
  const fault = broken ? 'a quote in it is not closed, or stands within a field' : long;
  return { where: `line ${line}`, value, ...(fault === undefined ? {} : { fault }) };
}

/** By its ending, or because its first line is a whole value and another follows. */
function isLines(text: string, name: string): boolean {
  if (/\.(jsonl|ndjson)$/i.test(name)) return true;
  const [, first, more] = /^\s*([^\n]*)\n?\s*(\S?)/.exec(text)!;
  return more !== '' && valueIn(first!, name, 1).fault === undefined;
}

function lineEntries(text: string, name: string): Entry[] {
  return text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [valueIn(line, name, i + 1)]));
}

function valueIn(text: string, name: string, line: number): Entry {
  const where = `line ${line}`;
  try {
    return { where, value: parseJson(text, { file: name, line }) };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { where, value: null, fault: error.what.replace(/^.*?, line \d+: /, '').replace(/\.$/, '') };
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
