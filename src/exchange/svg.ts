/**
 * The few marks the figures are drawn with, as SVG text that stands by itself: legible on light and on dark, every mark with its number as
 * a title. It knows no study; which marks are drawn where is for who draws.
 */

/** light, dark; the first ones are the page's own colours of the recipes and voices (src/ui/app.css). */
const colours = {
  base: ['#6a7078', '#a0a6ae'],
  sft: ['#7a56a8', '#bb9ce8'],
  distill: ['#ad0f48', '#ff8fb3'],
  rlvr: ['#b35309', '#f09a52'],
  permix: ['#00626e', '#62c9d4'],
  custom: ['#3d4650', '#c6ccd3'],
  bad: ['#a3262c', '#ff938c'],
  hue1: ['#2443ab', '#6d83e5'],
  hue2: ['#006ea9', '#1bcffd'],
  hue3: ['#3ba085', '#9af8f0'],
  hue4: ['#005500', '#99cc9a'],
  hue5: ['#a18535', '#f4e46a'],
  hue6: ['#9d5d02', '#d58421'],
  hue7: ['#ad0f48', '#e0705f'],
  hue8: ['#651a4a', '#c77bbd'],
} as const;

export type Colour = keyof typeof colours;
export const hues = (Object.keys(colours) as Colour[]).filter((name) => name.startsWith('hue'));

/** How a series is told from others: colour, and for a second or third of the same colour another line and a hollow mark. */
export interface Look {
  readonly colour: Colour;
  readonly variant: number;
}

const dashes = ['', '6 4', '2 3', '10 3 2 3'];

const grounds = {
  paper: ['#fbfbfa', '#14171a'],
  ink: ['#1a1d21', '#eceef0'],
  soft: ['#4d545c', '#b6bcc3'],
  rule: ['#dfe1de', '#2c3238'],
} as const;

function style(scheme: 0 | 1): string {
  return [
    `.paper{fill:${grounds.paper[scheme]}}`,
    `text{fill:${grounds.ink[scheme]};font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}`,
    `.head{font-size:14px;font-weight:600}.soft{fill:${grounds.soft[scheme]};font-size:11px}`,
    `.rule{stroke:${grounds.rule[scheme]};stroke-width:1}`,
    ...Object.entries(colours).map(([name, pair]) => `.f-${name}{fill:${pair[scheme]}}.s-${name}{stroke:${pair[scheme]};fill:none}`),
    `.hollow{fill:${grounds.paper[scheme]}}`,
    '.black{fill:#000}.white{fill:#fff}.bold{font-weight:600}',
  ].join('');
}

/** A whole picture. @param summary what it shows, for those who do not see it  @param schemes `light`: on paper, whatever its reader's theme */
export function picture(
  width: number,
  height: number,
  title: string,
  summary: string,
  marks: readonly string[],
  schemes: 'both' | 'light' = 'both',
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escaped(title)}</title><desc id="d">${escaped(summary)}</desc>`,
    `<style>${style(0)}${schemes === 'both' ? `@media (prefers-color-scheme:dark){${style(1)}}` : ''}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...marks,
    '</svg>',
    '',
  ].join('\n');
}

export function text(
  x: number,
  y: number,
  content: string,
  { anchor = 'start', kind = '' }: { anchor?: 'start' | 'middle' | 'end'; kind?: string } = {},
): string {
  return `<text x="${at(x)}" y="${at(y)}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}${kind ? ` class="${kind}"` : ''}>${escaped(content)}</text>`;
}

export function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="rule" x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}"/>`;
}

export function dot(x: number, y: number, radius: number, { colour, variant }: Look, title: string, faint = false): string {
  const paint = variant % 2 === 1 ? `class="s-${colour} hollow" stroke-width="1.5"` : `class="f-${colour}"`;
  return `<circle ${paint} cx="${at(x)}" cy="${at(y)}" r="${radius}"${faint ? ' opacity="0.45"' : ''}><title>${escaped(title)}</title></circle>`;
}

/** A horizontal bar from low to high: an interval. */
export function span(x1: number, x2: number, y: number, { colour }: Look, title: string): string {
  return `<line class="s-${colour}" stroke-width="2" x1="${at(x1)}" y1="${at(y)}" x2="${at(x2)}" y2="${at(y)}"><title>${escaped(title)}</title></line>`;
}

/** A rectangle in a colour of its own. @param outlined within its edge */
export function box(x: number, y: number, width: number, height: number, fill: string, title: string, outlined = false): string {
  const rect = (inset: number, paint: string) =>
    `<rect x="${at(x + inset)}" y="${at(y + inset)}" width="${at(width - 2 * inset)}" height="${at(height - 2 * inset)}" rx="2" ${paint}>`;
  const marked = outlined
    ? `${rect(1, 'fill="none" stroke="#000" stroke-width="2"')}</rect>${rect(2.5, 'fill="none" stroke="#fff"')}</rect>`
    : '';
  return `${rect(0, `fill="${fill}" stroke="#b9bdb9" stroke-width="0.5"`)}<title>${escaped(title)}</title></rect>${marked}`;
}

/** What fills between two lines, faint. @param outline around it, closed */
export function band(outline: readonly (readonly [x: number, y: number])[], { colour }: Look): string {
  return `<polygon class="f-${colour}" opacity="0.15" points="${outline.map(([x, y]) => `${at(x)},${at(y)}`).join(' ')}"/>`;
}

/** A short vertical line across a row. */
export function tick(x: number, y: number, half: number, title: string): string {
  return `<line class="s-custom" stroke-width="1.5" stroke-dasharray="2 2" x1="${at(x)}" y1="${at(y - half)}" x2="${at(x)}" y2="${at(y + half)}"><title>${escaped(title)}</title></line>`;
}

export function curve(points: readonly (readonly [x: number, y: number])[], { colour, variant }: Look, title: string): string {
  const path = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('');
  const dash = dashes[variant % dashes.length];
  return `<path class="s-${colour}" stroke-width="2"${dash ? ` stroke-dasharray="${dash}"` : ''} d="${path}"><title>${escaped(title)}</title></path>`;
}

/** Series in a line, wrapped. @returns the marks, and the height they take */
export function legend(
  x: number,
  y: number,
  width: number,
  series: readonly { readonly label: string; readonly look: Look }[],
): { marks: string[]; height: number } {
  const marks: string[] = [];
  let [left, line] = [x, 0];
  for (const { label, look } of series) {
    const room = 40 + 6.6 * label.length;
    if (left > x && left + room > x + width) [left, line] = [x, line + 1];
    const middle = y + 18 * line;
    marks.push(
      curve(
        [
          [left, middle - 4],
          [left + 20, middle - 4],
        ],
        look,
        label,
      ),
      dot(left + 10, middle - 4, 3.5, look, label),
      text(left + 26, middle, label),
    );
    left += room;
  }
  return { marks, height: 18 * (line + 1) };
}

/** Linear from values to places. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly from: number;
  readonly to: number;
}

export function place({ low, high, from, to }: Scale, value: number): number {
  return from + ((value - low) / (high - low)) * (to - from);
}

/** Round numbers within the scale, about as many. */
export function ticks({ low, high }: Pick<Scale, 'low' | 'high'>, about = 5): number[] {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}

/** Values from 0 up with some air around them. @param narrowest a difference smaller than this is not blown up */
export function spread(values: readonly number[], most = Infinity, narrowest = 0): { low: number; high: number } {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const air = Math.max(0.08 * (max - min), (narrowest - (max - min)) / 2) || 0.08 * Math.abs(max) || 1;
  return { low: Math.max(0, min - air), high: Math.min(most, max + air) };
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
