/** CSV with a heading as the rows of a set. How it is parsed is `csv.ts` of the source, which is loaded where there is such a file. */
import { LabError } from '../../errors.ts';
import type { CsvRow } from '../../csv.ts';
import { longestRow, tooLong, type Fields, type Row } from './row.ts';

/** @throws LabError 'format' for a heading that names a column twice */
export async function* csvRows(text: AsyncIterable<string>, file: string): AsyncGenerator<Row> {
  const { CsvReader } = await import('../../csv.ts');
  const reader = new CsvReader();
  let columns: readonly string[] | null = null;

  function* read(rows: readonly CsvRow[]): Generator<Row> {
    for (const row of rows) {
      if (columns === null) columns = headings(row, file);
      else yield rowOf(columns, row);
    }
    const { length, line } = reader.open;
    if (length > longestRow) throw tooLong(file, line);
  }

  for await (const piece of text) yield* read(reader.push(piece));
  yield* read(reader.end());
}

function headings({ cells, line }: CsvRow, file: string): readonly string[] {
  const names = cells.map((cell) => cell.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new LabError('format', `${file}, line ${line}: the column ${JSON.stringify(twice)} is there twice.`, 'Rename one of them.');
  }
  return names;
}

function rowOf(columns: readonly string[], { cells, broken, line }: CsvRow): Row {
  if (broken) return { line, fault: 'a quote is not closed, or stands within a field' };
  if (cells.length !== columns.length) return { line, fault: `it has ${cells.length} fields, and the heading ${columns.length}` };
  const fields: Fields = new Map(columns.map((name, i) => [name, cells[i] === '' ? null : cells[i]!]));
  return { line, fields };
}
