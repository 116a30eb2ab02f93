/** What becomes of a cell: text stays text in a spreadsheet, numbers stay numbers. */
import { expect, it } from 'vitest';
import { csvTable } from '../../src/evaluate/csv.ts';

const cell = (value: string | number): string => csvTable(['a'], [[value]]).slice('a\r\n'.length, -'\r\n'.length);

it.each([
  ['=1+1', "'=1+1"],
  ['+SUM(A1)', "'+SUM(A1)"],
  ['-2+3', "'-2+3"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['\n=1', '"\'\n=1"'],
  ['＝1', "'＝1"],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ['-', "'-"],
  ['-0x10', "'-0x10"],
  ['-Infinity', "'-Infinity"],
])('the text %j is kept from being a formula', (text, kept) => {
  expect(cell(text)).toBe(kept);
});

it.each([
  ['-1.5', '-1.5'],
  ['+7', '+7'],
  ['-1e-7', '-1e-7'],
  [-1e-7, '-1e-7'],
  [-0.25, '-0.25'],
  ['a=b', 'a=b'],
  ['a "b", c', '"a ""b"", c"'],
  ['two\r\nlines', '"two\r\nlines"'],
  ['', ''],
])('%j stays what it is', (value, kept) => {
  expect(cell(value)).toBe(kept);
});

it('ends every line, the header too, in CR LF', () => {
  expect(csvTable(['a', 'b'], [['x', 1]])).toBe('a,b\r\nx,1\r\n');
});
