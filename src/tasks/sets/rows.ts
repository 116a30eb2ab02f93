/**
 * The rows of a data set, whatever it is written as: JSON lines, a JSON list (or `{ "data": [ … ] }`), or CSV. Streamed: of the text no more is
 * held than the row that is being read. What the fields mean is `columns.ts`.
 */
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { csvRows } from './csv.ts';
import { numberAsWritten } from './json-digits.ts';
import { jsonElements } from './json-list.ts';
import { longestRow, tooLong, type Field, type Row, type SetFormat } from './row.ts';

export interface Rows {
  readonly format: SetFormat;
  readonly rows: AsyncIterable<Row>;
}

/** Enough to tell what a file is. */
const sniffed = 65_536;

/** @param file its name, for sentences; its ending decides where the text leaves it open */
export async function rowsOf(text: AsyncIterable<string>, file: string): Promise<Rows> {
  const pieces = text[Symbol.asyncIterator]();
  let head = '';
  for (;;) {
    const next = head.length < sniffed ? await pieces.next() : null;
    if (!next || next.done) break;
    head += next.value;
  }
  const whole = again(head, pieces);
  const format = formatOf(head, file);
  switch (format) {
    case 'csv':
      return { format, rows: csvRows(whole, file) };
    case 'json':
      return { format, rows: jsonRows(jsonElements(whole, file), file) };
    case 'jsonl':
      return { format, rows: jsonRows(linesOf(whole, file), file) };
  }
}

async function* again(head: string, pieces: AsyncIterator<string>): AsyncGenerator<string> {
  yield head;
  for (;;) {
    const next = await pieces.next();
    if (next.done) return;
    yield next.value;
  }
}

function formatOf(head: string, file: string): SetFormat {
  const first = head.trimStart()[0];
  if (first === '[') return 'json';
  if (first !== '{') return /\.(jsonl|ndjson|json)$/i.test(file) || first === undefined ? 'jsonl' : 'csv';
  if (/^\s*\{(?:[^{}[\]]*,)?\s*"data"\s*:\s*\[/.test(head)) return 'json';
  if (/\.json$/i.test(file)) {
    // Many files that are called .json are JSON lines.
    const line = head.trimStart().split('\n')[0]!.trimEnd();
    return line.endsWith('}') && line.length < head.trim().length ? 'jsonl' : line === head.trim() ? 'jsonl' : 'json';
  }
  return 'jsonl';
}

/** Cut at line feeds alone: U+2028 is a character of a text. */
async function* linesOf(text: AsyncIterable<string>, file: string): AsyncGenerator<{ text: string; line: number }> {
  let rest = '';
  let line = 1;
  for await (const piece of text) {
    let from = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', from)) {
      yield { text: rest + piece.slice(from, end), line: line++ };
      rest = '';
      from = end + 1;
    }
    rest += piece.slice(from);
    if (rest.length > longestRow) throw tooLong(file, line);
  }
  if (rest !== '') yield { text: rest, line };
}

async function* jsonRows(texts: AsyncIterable<{ text: string; line: number; fault?: string }>, file: string): AsyncGenerator<Row> {
  for await (const { text, line, fault } of texts) {
    if (fault !== undefined) yield { line, fault };
    else if (text.trim() !== '') yield jsonRow(text, line, file);
  }
}

function jsonRow(text: string, line: number, file: string): Row {
  let json: unknown;
  try {
    json = parseJson(text, { file, line, anyNumber: true });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const told = /^line (\d+): (.*)\.$/s.exec(error.what.slice(file.length + 2));
    return { line: Number(told?.[1] ?? line), fault: told?.[2] ?? 'this is not valid JSON' };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return { line, fault: 'this is not a JSON object' };
  const fields = new Map<string, Field>();
  for (const [name, value] of Object.entries(json)) {
    fields.set(name, typeof value === 'number' ? numberAsWritten(text, name) : fieldOf(value));
  }
  return { line, fields };
}

function fieldOf(value: unknown): Field {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const items = value.map((item: unknown) => (typeof item === 'string' ? item : Number.isSafeInteger(item) ? String(item) : null));
  return items.includes(null) ? null : (items as string[]);
}
