/** A chart as files: what `curve.svelte.ts` draws, as a table and as a drawing on white that stands by itself. */
import { csvTable } from '../../evaluate/csv.ts';
import { band, curve, legend, picture as drawing, place, rule, spread, text, ticks, type Colour, type Look } from '../../exchange/svg.ts';
import type { DrawnCurve, Picture } from './curve.svelte.ts';

/** A row a step; of every curve the numbers, and the line that is drawn through them where it is another. */
export function chartCsv({ steps, curves }: Picture): string {
  const named = curves.map((one, i) => ({
    ...one,
    label: curves.findIndex(({ label }) => label === one.label) < i ? `${one.label} (${i + 1})` : one.label,
  }));
  const columns = named.flatMap(({ label, raw, line }) => {
    const smoothed = line.some((value, i) => value !== null && value !== raw[i]);
    return [
      ...(raw.some((value) => value !== null) ? [{ label, values: raw }] : []),
      ...(smoothed ? [{ label: `${label}, line`, values: line }] : []),
    ];
  });
  return csvTable(
    ['step', ...columns.map(({ label }) => label)],
    Array.from(steps, (step, row) => [step, ...columns.map(({ values }) => values[row] ?? '')]),
  );
}

/** The page's custom properties, in the words of svg.ts. */
const colours: Readonly<Record<string, Colour>> = {
  '--bad': 'bad',
  '--voice-none': 'base',
  '--run-1': 'hue1',
  '--run-2': 'hue6',
  '--run-3': 'hue3',
  '--run-4': 'hue8',
};

function lookOf({ colour, dash }: DrawnCurve): Look {
  const known = colours[colour] ?? (colour.replace('--recipe-', '').replace('--voice-', 'hue') as Colour);
  return { colour: known, variant: dash?.length ? Math.min(3, dash.length) : 0 };
}

const [width, height] = [720, 380];
const box = { left: 56, right: width - 16, top: 62, bottom: height - 74 };

export function chartSvg({ steps, end, curves, range }: Picture, title: string, unit: string): string {
  const values = curves
    .flatMap(({ raw, line, band: around }) => [raw, line, around?.low ?? [], around?.high ?? []].flat())
    .filter((value) => value !== null);
  const limits = range ? { low: range[0], high: range[1] } : spread(values.length > 0 ? values : [0, 1]);
  const x = { low: Math.min(1, steps[0] ?? 0), high: Math.max(end ?? 0, steps[steps.length - 1] ?? 1, 1), from: box.left, to: box.right };
  const y = { ...limits, from: box.bottom, to: box.top };
  const points = (line: readonly (number | null)[]) =>
    line.flatMap((value, i) => (value === null ? [] : [[place(x, steps[i]!), place(y, value)] as const]));
  const marks = [text(10, 24, title, { kind: 'head' }), text(10, 42, unit, { kind: 'soft' })];
  for (const tick of ticks(limits)) {
    marks.push(
      rule(box.left, place(y, tick), box.right, place(y, tick)),
      text(box.left - 8, place(y, tick) + 4, String(tick), { anchor: 'end', kind: 'soft' }),
    );
  }
  for (const tick of ticks(x, 8)) marks.push(text(place(x, tick), box.bottom + 17, String(tick), { anchor: 'middle', kind: 'soft' }));
  marks.push(text((box.left + box.right) / 2, box.bottom + 33, 'step', { anchor: 'middle', kind: 'soft' }));
  for (const one of curves) {
    const look = lookOf(one);
    if (one.band) marks.push(band([...points(one.band.high), ...points(one.band.low).toReversed()], look));
    if (one.raw.some((value, i) => value !== null && value !== one.line[i]))
      marks.push(`<g opacity="0.3">${curve(points(one.raw), look, one.label)}</g>`);
    const line = points(one.line);
    if (line.length > 0) marks.push(curve(line, look, one.label));
  }
  const drawn = curves.filter(({ line }) => line.some((value) => value !== null));
  marks.push(
    ...legend(
      box.left,
      height - 16,
      box.right - box.left,
      drawn.map((one) => ({ label: one.label, look: lookOf(one) })),
    ).marks,
  );
  const said = drawn.map(({ label, line }) => `${label}: ${line.findLast((value) => value !== null)} at the end`).join('; ');
  return drawing(width, height, title, said, marks, 'light');
}
