/**
 * The picture (`evaluate/picture.ts`) as files: a table for a spreadsheet, and a drawing that stands by itself, on white. How it looks in the page
 * is `ui/picture`; this draws the same marks: the lightness of a cell, the outlined worst, what stands under a column.
 */
import { csvTable, type CsvCell } from '../evaluate/csv.ts';
import { estimateOf, footOf, inOrder, worstRows, type Cell, type Estimate, type Picture } from '../evaluate/picture.ts';
import { cellNote, cellWords, footLines } from '../evaluate/picture-words.ts';
import { box, dot, hues, picture as drawing, rule, text, type Look } from './svg.ts';

/** A row a persona, then what stands under the columns; of every column the share (or score), its 95 % interval, and what it rests on. */
export function pictureCsv(picture: Picture): string {
  const { rows } = picture;
  const columns = inOrder(picture.columns);
  const number = (value: number | null | undefined): CsvCell => value ?? '';
  const three = (known: Estimate | null): CsvCell[] => [number(known?.value), number(known?.low), number(known?.high)];
  const feet = columns.map((column) => footOf(rows, column));
  return csvTable(
    ['row', ...columns.flatMap(({ label }) => [label, `${label}, low`, `${label}, high`, `${label}, n`])],
    [
      ...rows.map(({ label }, row) => [
        label,
        ...columns.flatMap(({ cells }) => [...three(estimateOf(cells[row] ?? null)), number(restsOn(cells[row] ?? null))]),
      ]),
      ...footLines.map(({ key, name }) => [name, ...feet.flatMap((foot) => [...three(foot?.[key] ?? null), ''])]),
      ['PSS by chance', ...columns.flatMap(({ chance }) => [number(chance), '', '', ''])],
    ],
  );
}

const restsOn = (cell: Cell | null): number | null =>
  cell === null ? null : 'values' in cell ? cell.values.length : (cell.problems ?? cell.total);

const left = 170;
const room = 108;
const line = 26;

/** @param caption what was asked, in a few words */
export function pictureSvg(picture: Picture, heading: string, caption: string): string {
  const { rows } = picture;
  const columns = inOrder(picture.columns);
  const width = Math.max(480, left + room * columns.length + 10);
  const top = 96;
  const marks = [text(10, 24, heading, { kind: 'head' }), text(10, 42, caption, { kind: 'soft' })];
  const said: string[] = [];
  const middle = (column: number) => left + room * (column + 0.5);
  columns.forEach(({ label, detail, recipe }, c) => {
    wrapped(label).forEach((part, i, all) =>
      marks.push(text(middle(c), top - 24 - 13 * (all.length - 1 - i), part, { anchor: 'middle', kind: 'bold' })),
    );
    marks.push(
      text(middle(c), top - 9, detail ?? '', { anchor: 'middle', kind: 'soft' }),
      dot(
        middle(c) - 10 - 3.6 * wrapped(label)[0]!.length,
        top - 28 - 13 * (wrapped(label).length - 1),
        4,
        { colour: recipe, variant: 0 },
        label,
      ),
    );
  });
  const worst = columns.map((column) => worstRows(rows, column));
  rows.forEach((row, r) => {
    const y = top + line * r + (r > 0 ? 5 : 0);
    const look: Look = { colour: row.voice === null ? 'base' : hues[row.voice % hues.length]!, variant: 0 };
    marks.push(dot(16, y + line / 2, 4, look, row.label), text(28, y + line / 2 + 4, `${row.label}${row.heldOut ? ' ◦' : ''}`));
    columns.forEach((column, c) => {
      const cell = column.cells[r] ?? null;
      const known = estimateOf(cell);
      const words = cellWords(row, column, cell, worst[c]!.includes(r));
      said.push(words);
      const lightness = 0.975 - (known?.value ?? 0) * (0.975 - 0.34);
      marks.push(box(middle(c) - room / 2 + 2, y + 1, room - 4, line - 2, known ? heat(lightness) : '#fff', words, worst[c]!.includes(r)));
      if (!known) return;
      const note = cellNote(cell);
      const ink = lightness < 0.56 ? 'white' : 'black';
      marks.push(
        text(middle(c) - (note ? 14 : 0), y + line / 2 + 4, String(Math.round(100 * known.value)), {
          anchor: note ? 'end' : 'middle',
          kind: `${ink} bold`,
        }),
        ...(note ? [text(middle(c) - 8, y + line / 2 + 4, note, { kind: ink })] : []),
      );
    });
  });
  let y = top + line * rows.length + 12;
  marks.push(rule(10, y, width - 10, y));
  const feet = columns.map((column) => footOf(rows, column));
  for (const { name, text: value } of footLines) {
    y += 19;
    marks.push(text(28, y, name));
    feet.forEach((foot, c) => {
      const shown = foot && value(foot);
      if (shown)
        marks.push(
          text(middle(c) - (shown.note ? 14 : 0), y, shown.value, { anchor: shown.note ? 'end' : 'middle', kind: 'bold' }),
          text(middle(c) - 8, y, shown.note, { kind: 'soft' }),
        );
    });
  }
  y += 19;
  marks.push(text(28, y, 'PSS by chance'));
  columns.forEach(({ chance }, c) => {
    if (chance !== null && chance !== undefined && feet[c]) marks.push(text(middle(c), y, chance.toFixed(2), { anchor: 'middle' }));
  });
  y += 26;
  marks.push(text(10, y, 'Percent right; outlined: the worst persona of its column. Below without “No persona”.', { kind: 'soft' }));
  const kinds = columns.flatMap(({ cells }) => cells.flatMap((cell) => (cell ? ['values' in cell] : [])));
  const small = [kinds.includes(true) && '95 % interval over seeds', kinds.includes(false) && 'n: questions asked']
    .filter(Boolean)
    .join('; ');
  marks.push(text(10, (y += 15), `Small: ${small}.`, { kind: 'soft' }));
  return drawing(width, y + 12, heading, said.join('. '), marks, 'light');
}

/** In two lines at most. */
function wrapped(label: string): string[] {
  if (label.length <= 15) return [label];
  const cut = label.lastIndexOf(' ', Math.max(15, Math.ceil(label.length / 2)));
  return cut > 0 ? [label.slice(0, cut), label.slice(cut + 1)] : [label];
}

/** The page's `--heat-…` (ui/app.css, light), as sRGB: few programs that read SVG know oklch (Ottosson 2020). */
function heat(lightness: number): string {
  const chroma = 0.2 * lightness * (1 - lightness);
  const hue = (205 / 180) * Math.PI;
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const channel = (value: number) => {
    const clear = Math.min(1, Math.max(0, value));
    return Math.round(255 * (clear <= 0.0031308 ? 12.92 * clear : 1.055 * clear ** (1 / 2.4) - 0.055));
  };
  return `#${linear.map((value) => channel(value).toString(16).padStart(2, '0')).join('')}`;
}
