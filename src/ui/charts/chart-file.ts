/** A chart as files: what `curve.svelte.ts` draws, as a table and as a drawing on white that stands by itself. */
import { csvTable } from '../../evaluate/csv.ts';
import {
  band,
  curve,
  dot,
  legend,
  picture as drawing,
  place,
  rule,
  spread,
  text,
  ticks,
  type Colour,
  type Look,
} from '../../exchange/svg.ts';
import type { DrawnCurve, Picture } from './curve.svelte.ts';

/** What of a chart goes into a file, and how its axes are written. */
export type Chart = Pick<Picture, 'steps' | 'end' | 'curves' | 'range'> & {
  /** Under the axis; absent: steps. */
  readonly across?: string;
  /** Of the vertical axis, on which nothing at or below 0 has a place. */
  readonly log?: boolean;
  /** How a round number of the vertical axis is written. */
  readonly mark?: (value: number) => string;
};

/** A row a step; of every curve the numbers, the line that is drawn through them where it is another, and what lies around it. */
export function chartCsv({ steps, curves, across = 'step' }: Chart): string {
  const named = curves.map((one, i) => ({
    ...one,
    label: curves.findIndex(({ label }) => label === one.label) < i ? `${one.label} (${i + 1})` : one.label,
  }));
  const columns = named.flatMap(({ label, raw, line, band: around }) => {
    const own = raw.some((value) => value !== null);
    const smoothed = line.some((value, i) => value !== null && value !== raw[i]);
    return [
      ...(own ? [{ label, values: raw }] : []),
      ...(smoothed ? [{ label: own ? `${label}, line` : label, values: line }] : []),
      ...(around
        ? [
            { label: `${label}, band from`, values: around.low },
            { label: `${label}, band to`, values: around.high },
          ]
        : []),
    ];
  });
  return csvTable(
    [across, ...columns.map(({ label }) => label)],
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

export function chartSvg(
  { steps, end, curves, range, across = 'step', log = false, mark = String }: Chart,
  title: string,
  unit: string,
): string {
  const shown = (value: number | null): value is number => value !== null && (!log || value > 0);
  const values = curves
    .flatMap(({ raw, line, band: around }) => [raw, line, around?.low ?? [], around?.high ?? []].flat())
    .filter(shown)
    .map((value) => (log ? Math.log10(value) : value));
  const limits = log ? decades(values) : range ? { low: range[0], high: range[1] } : spread(values.length > 0 ? values : [0, 1]);
  const first = Math.min(1, steps[0] ?? 0);
  // A run of one step has an axis too.
  const x = { low: first, high: Math.max(end ?? 0, steps[steps.length - 1] ?? 1, first + 1), from: box.left, to: box.right };
  const y = { ...limits, from: box.bottom, to: box.top };
  const up = (value: number) => place(y, log ? Math.log10(value) : value);
  const points = (line: readonly (number | null)[]) =>
    line.flatMap((value, i) => (shown(value) ? [[place(x, steps[i]!), up(value)] as const] : []));
  const marks = [text(10, 24, title, { kind: 'head' }), text(10, 42, unit, { kind: 'soft' })];
  for (const tick of log ? powers(limits) : ticks(limits)) {
    marks.push(
      rule(box.left, up(tick), box.right, up(tick)),
      text(box.left - 8, up(tick) + 4, mark(tick), { anchor: 'end', kind: 'soft' }),
    );
  }
  for (const tick of ticks(x, 8)) marks.push(text(place(x, tick), box.bottom + 17, String(tick), { anchor: 'middle', kind: 'soft' }));
  marks.push(text((box.left + box.right) / 2, box.bottom + 33, across, { anchor: 'middle', kind: 'soft' }));
  for (const one of curves) {
    const look = lookOf(one);
    if (one.band) marks.push(band([...points(one.band.high), ...points(one.band.low).toReversed()], look));
    if (one.raw.some((value, i) => value !== null && value !== one.line[i]))
      marks.push(`<g opacity="0.3">${curve(points(one.raw), look, one.label)}</g>`);
    const line = points(one.line);
    if (line.length === 1) marks.push(dot(...line[0]!, 3, look, one.label));
    else if (line.length > 0) marks.push(curve(line, look, one.label));
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

/** Whole powers of ten around logarithms. */
function decades(logs: readonly number[]): { low: number; high: number } {
  if (logs.length === 0) return { low: 0, high: 1 };
  const low = Math.floor(Math.min(...logs));
  return { low, high: Math.max(low + 1, Math.ceil(Math.max(...logs))) };
}

const powers = ({ low, high }: { low: number; high: number }) =>
  Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(3)));
