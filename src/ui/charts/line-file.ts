/** The lines of a `LinePlot` as what `chart-file.ts` writes into files: all on one axis, what seeds span as their bands. */
import type { DrawnCurve } from './curve.svelte.ts';
import type { Chart } from './chart-file.ts';
import type { Series } from './series.ts';

/** @param axes what is written at them, and limits that are not to be found in the numbers */
export function lineChart(series: readonly Series[], axes: Pick<Chart, 'across' | 'range' | 'log' | 'mark'>): Chart {
  const steps = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
  return { steps, end: null, curves: series.map((one) => drawn(one, steps)), ...axes };
}

function drawn({ label, colour, dashes, x, line, low, high }: Series, steps: readonly number[]): DrawnCurve {
  const places = new Map(x.map((step, i) => [step, i]));
  const on = (values: readonly (number | null)[]) => steps.map((step) => values[places.get(step) ?? -1] ?? null);
  return {
    label,
    colour: colour.replace(/^var\((.*)\)$/, '$1'),
    dash: dashes === '' ? [] : dashes.split(' ').map(Number),
    raw: steps.map(() => null),
    line: on(line),
    // One seed spans nothing.
    ...(low.some((value, i) => value !== high[i]) ? { band: { low: on(low), high: on(high) } } : {}),
  };
}
