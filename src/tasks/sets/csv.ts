/**
 * CSV with a heading, row by row, on papaparse's parser: quoted fields with line feeds and separators in them, `""` for a quote, CRLF. The
 * separator is the one that the heading has most of: a comma, a semicolon, a tab or a bar.
 */
import { LabError } from '../../errors.ts';
import { longestRow, tooLong, type Fields, type Row } from './row.ts';

/** As much of a step of papaparse as is read. */
interface Step {
  readonly data: readonly (readonly string[])[];
  readonly errors: readonly { readonly message: string }[];
  /** Where the row ends in what was parsed. */
  readonly meta: { readonly cursor: number };
}

/** @throws LabError 'format' for a heading that names a column twice */
export async function* csvRows(text: AsyncIterable<string>, file: string): AsyncGenerator<Row> {
  const { default: papa } = await import('papaparse');
  let rest = '';
  let line = 1;
  let columns: readonly string[] | null = null;
  let delimiter: string | null = null;
  let newline: '\n' | '\r' = '\n';
  /** Not parsed again before there is this much of it: a row of many pieces would be read as often as it has pieces. */
  let enough = 0;

  function* parse(last: boolean): Generator<Row> {
    if (delimiter === null) {
      const heading = headingOf(rest);
      if (heading === null && !last) return;
      newline = heading === null && rest.includes('\r') ? '\r' : '\n';
      delimiter = delimiterOf((heading ?? rest).split('\r')[0]!);
    }
    const found: { cells: readonly string[]; broken: boolean; end: number }[] = [];
    const parser = new papa.Parser({
      delimiter,
      newline,
      quoteChar: '"',
      step: (({ data, errors, meta }: Step) => {
        found.push({ cells: data[0] ?? [], broken: errors.length > 0, end: meta.cursor });
      }) as never,
    });
    parser.parse(rest, 0, !last);
    let from = 0;
    for (const { cells: raw, broken, end } of found) {
      const cells = raw.length > 0 ? [...raw.slice(0, -1), raw.at(-1)!.replace(/\r$/, '')] : raw;
      const begins = line;
      const to = last && end === 0 ? rest.length : end;
      for (let at = rest.indexOf(newline, from); at >= 0 && at < to; at = rest.indexOf(newline, at + 1)) line++;
      from = to;
      if (cells.length <= 1 && (cells[0] ?? '').trim() === '') continue;
      if (columns === null) columns = headings(cells, file, begins);
      else yield rowOf(columns, cells, broken, begins);
    }
    rest = rest.slice(from);
    enough = 2 * rest.length;
    if (rest.length > longestRow) throw tooLong(file, line);
  }

  for await (const piece of text) {
    rest += piece;
    if (rest.length >= enough) yield* parse(false);
  }
  if (rest !== '') yield* parse(true);
}

/** The first line, where it is there whole; a heading has no line feeds in its names. */
function headingOf(text: string): string | null {
  const end = text.indexOf('\n');
  return end < 0 ? null : text.slice(0, end);
}

function delimiterOf(heading: string): string {
  const plain = heading.replace(/"[^"]*"/g, '');
  const counted = [',', ';', '\t', '|'].map((mark) => ({ mark, count: plain.split(mark).length }));
  return counted.reduce((best, one) => (one.count > best.count ? one : best)).mark;
}

function headings(cells: readonly string[], file: string, line: number): readonly string[] {
  const names = cells.map((cell) => cell.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new LabError('format', `${file}, line ${line}: the column ${JSON.stringify(twice)} is there twice.`, 'Rename one of them.');
  }
  return names;
}

function rowOf(columns: readonly string[], cells: readonly string[], broken: boolean, line: number): Row {
  if (broken) return { line, fault: 'a quote is not closed, or stands within a field' };
  if (cells.length !== columns.length) return { line, fault: `it has ${cells.length} fields, and the heading ${columns.length}` };
  const fields: Fields = new Map(columns.map((name, i) => [name, cells[i] === '' ? null : cells[i]!]));
  return { line, fields };
}
