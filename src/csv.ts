/**
 * CSV, row by row, on papaparse's parser: quoted fields with line feeds and separators in them, `""` for a quote, CRLF. The separator is the one
 * that the heading has most of: a comma, a semicolon, a tab or a bar. What the columns mean, and what is made of a row that is none, is the
 * caller's; it is written by `evaluate/csv.ts`.
 */
import papa from 'papaparse';

export interface CsvRow {
  /** That it begins in. */
  readonly line: number;
  readonly cells: readonly string[];
  /** A quote in it is not closed, or stands within a field. */
  readonly broken: boolean;
}

/** As much of a step of papaparse as is read. */
interface Step {
  readonly data: readonly (readonly string[])[];
  readonly errors: readonly { readonly message: string }[];
  /** Where the row ends in what was parsed. */
  readonly meta: { readonly cursor: number };
}

/** Rows as they become whole, the heading among them; empty ones are left out. */
export class CsvReader {
  #rest = '';
  #line = 1;
  #delimiter: string | null = null;
  #newline: '\n' | '\r' = '\n';
  /** Not parsed again before there is this much of it: a row of many pieces would be read as often as it has pieces. */
  #enough = 0;
  /** What was in no row when rows were last looked for, in characters, and the line that it begins in. */
  open = { length: 0, line: 1 };

  push(piece: string): readonly CsvRow[] {
    this.#rest += piece;
    return this.#rest.length < this.#enough ? [] : this.#parse(false);
  }

  end(): readonly CsvRow[] {
    return this.#rest === '' ? [] : this.#parse(true);
  }

  #parse(last: boolean): CsvRow[] {
    if (this.#delimiter === null) {
      const heading = headingOf(this.#rest);
      if (heading === null && !last) return [];
      this.#newline = heading === null && this.#rest.includes('\r') ? '\r' : '\n';
      this.#delimiter = delimiterOf((heading ?? this.#rest).split('\r')[0]!);
    }
    const found: { cells: readonly string[]; broken: boolean; end: number }[] = [];
    const parser = new papa.Parser({
      delimiter: this.#delimiter,
      newline: this.#newline,
      quoteChar: '"',
      step: (({ data, errors, meta }: Step) => {
        found.push({ cells: data[0] ?? [], broken: errors.length > 0, end: meta.cursor });
      }) as never,
    });
    parser.parse(this.#rest, 0, !last);
    const rows: CsvRow[] = [];
    let from = 0;
    for (const { cells: raw, broken, end } of found) {
      const cells = raw.length > 0 ? [...raw.slice(0, -1), raw.at(-1)!.replace(/\r$/, '')] : raw;
      const line = this.#line;
      const to = last && end === 0 ? this.#rest.length : end;
      for (let at = this.#rest.indexOf(this.#newline, from); at >= 0 && at < to; at = this.#rest.indexOf(this.#newline, at + 1))
        this.#line++;
      from = to;
      if (cells.length > 1 || (cells[0] ?? '').trim() !== '') rows.push({ line, cells, broken });
    }
    this.#rest = this.#rest.slice(from);
    this.#enough = 2 * this.#rest.length;
    this.open = { length: this.#rest.length, line: this.#line };
    return rows;
  }
}

/** Of a text that is there whole. */
export function csvRowsOf(text: string): readonly CsvRow[] {
  const reader = new CsvReader();
  return [...reader.push(text), ...reader.end()];
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
