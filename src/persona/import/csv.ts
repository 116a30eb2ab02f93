/** CSV with a heading into rows by the names of its columns (RFC 4180; a comma, a semicolon or a tab). What the columns mean is elsewhere. */
import { LabError } from '../../errors.ts';

export interface CsvRow {
  /** That it begins in. */
  readonly line: number;
  /** Without the empty ones. */
  readonly fields: Readonly<Record<string, string>>;
  /** What is wrong with it, the end of a sentence. */
  readonly fault?: string;
}

/** @throws LabError 'format' for a heading that names a column twice */
export function readCsv(text: string, file: string): { readonly columns: readonly string[]; readonly rows: readonly CsvRow[] } {
  const [heading, ...records] = recordsOf(text);
  const columns = (heading?.cells ?? []).map((cell) => cell.trim());
  const twice = columns.find((name, i) => name !== '' && columns.indexOf(name) < i);
  if (twice !== undefined) throw new LabError('format', `${file}: the column "${twice}" is there twice.`, 'Rename one of them.');
  const rows = records.map(({ line, cells, open }): CsvRow => {
    const fields = Object.fromEntries(columns.flatMap((name, i) => (name === '' || (cells[i] ?? '') === '' ? [] : [[name, cells[i]!]])));
    if (open) return { line, fields, fault: 'a quote in it is never closed' };
    if (cells.length > columns.length) return { line, fields, fault: `it has ${cells.length} fields, and the heading ${columns.length}` };
    return { line, fields };
  });
  return { columns: columns.filter((name) => name !== ''), rows };
}

interface Cells {
  readonly line: number;
  readonly cells: readonly string[];
  /** A quote in it is never closed. */
  readonly open: boolean;
}

function recordsOf(text: string): Cells[] {
  const separator = separatorOf(text);
  const ends = new RegExp(`[${separator}\\r\\n]|$`, 'g');
  const endAfter = (from: number): number => {
    ends.lastIndex = from;
    return ends.exec(text)!.index;
  };
  const records: Cells[] = [];
  let [line, at] = [1, 0];
  while (at < text.length) {
    const begins = line;
    const cells: string[] = [];
    let open = false;
    for (;;) {
      let end: number;
      if (text[at] === '"') {
        let close = text.indexOf('"', at + 1);
        while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
        open ||= close < 0;
        const quoted = text.slice(at + 1, close < 0 ? undefined : close);
        line += quoted.split(/\r\n|\n|\r/).length - 1;
        cells.push(quoted.replaceAll('""', '"'));
        end = close < 0 ? text.length : endAfter(close + 1);
      } else {
        end = endAfter(at);
        cells.push(text.slice(at, end));
      }
      at = end + 1;
      if (text[end] === separator) continue;
      if (text[end] === '\r' && text[at] === '\n') at++;
      line++;
      break;
    }
    if (cells.length > 1 || cells[0]!.trim() !== '') records.push({ line: begins, cells, open });
  }
  return records;
}

function separatorOf(text: string): string {
  const heading = /^[^\r\n]*/.exec(text)![0].replace(/"[^"]*"/g, '');
  const [best] = [',', ';', '\t'].sort((a, b) => heading.split(b).length - heading.split(a).length);
  return best!;
}
