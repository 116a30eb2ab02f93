/** A table as RFC 4180 text: the one place where cells become CSV, for page and command line. It opens in a spreadsheet as what it says. */

export type CsvCell = string | number;

/** @param header names of the columns  @param rows one cell per column; lines end in CR LF */
export function csvTable(header: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [header, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/**
 * A spreadsheet computes what begins like a formula, whoever wrote it (a persona's text, the name of a model), and takes a leading tab or
 * carriage return away before it looks; an apostrophe makes it text again (OWASP, "CSV injection"). Its full-width twins count too. A
 * number stays a number, signs and all.
 */
function csvCell(cell: CsvCell): string {
  if (typeof cell === 'number') return String(cell);
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(cell) && !plainNumber.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const plainNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
