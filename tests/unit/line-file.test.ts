/** Plots of lines as files: what a row holds where lines have steps of their own, what seeds span, and a logarithmic axis. */
import { expect, it } from 'vitest';
import { chartCsv, chartSvg } from '../../src/ui/charts/chart-file.ts';
import { lineChart } from '../../src/ui/charts/line-file.ts';

const series = [
  { label: 'RLVR', colour: 'var(--recipe-rlvr)', dashes: '5 3', x: [1, 2], line: [0.1, 10], low: [0.1, 1], high: [0.1, 100] },
  { label: 'PerMix', colour: 'var(--recipe-permix)', dashes: '', x: [2, 3], line: [0, null], low: [0, null], high: [0, null] },
];
const chart = lineChart(series, { across: 'personas tried, k', range: null, log: true, mark: (value) => `<${value}>` });

it('a row holds the numbers of every line there, and the band of those that seeds span', () => {
  expect(chartCsv(chart).trimEnd().split('\r\n')).toEqual([
    '"personas tried, k",RLVR,"RLVR, band from","RLVR, band to",PerMix',
    '1,0.1,0.1,0.1,',
    '2,10,1,100,0',
    '3,,,,',
  ]);
});

it('on a logarithmic axis decades are equally far apart, and what is not above 0 has no place', () => {
  const svg = chartSvg(chart, 'KL & more', '300 held-out problems');
  const levels = [...svg.matchAll(/y="([\d.]+)"[^>]*>&lt;([\d.]+)&gt;</g)].map(([, y, value]) => [Number(value), Number(y)] as const);
  expect(levels.map(([value]) => value)).toEqual([0.1, 1, 10, 100]);
  const gaps = levels.slice(1).map(([, y], i) => levels[i]![1] - y);
  expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThan(0.2);
  expect(svg).toContain('>300 held-out problems<');
  expect(svg).toContain('>personas tried, k<');
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  // From the lowest decade to the last but one.
  const [path] = /<path class="s-rlvr"[^>]* d="M[\d.]+ [\d.]+L[\d.]+ [\d.]+"/.exec(svg)!;
  const ys = [.../[ML][\d.]+ ([\d.]+)/g[Symbol.matchAll](path)].map(([, y]) => Number(y));
  expect(ys[0]! - ys[1]!).toBeCloseTo(2 * gaps[0]!, 0);
});

it('a run of one step is a dot on an axis', () => {
  const one = { label: 'Entropy', colour: '--recipe-permix', raw: [0.7], line: [0.7] };
  const svg = chartSvg({ steps: [1], end: null, curves: [one], range: null }, 'Entropy', 'nats');
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toMatch(/<circle [^>]*cx="56" [^>]*><title>Entropy<\/title>/);
});
