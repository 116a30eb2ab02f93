/** The glossary: every metric has one entry, the code it names is there, and its formulas can be drawn. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import katex from 'katex';
import { expect, it } from 'vitest';
import { heldOutMetrics } from '../../src/evaluate/held-out.ts';
import { readRecording } from '../../src/exchange/read-recording.ts';
import { metricNames } from '../../src/rl/metric-names.ts';
import { entries, type Entry } from '../../src/ui/glossary/terms.ts';

const root = resolve(import.meta.dirname, '../..');
const all: readonly Entry[] = Object.values(entries);
const explained = all.flatMap(({ metrics = [] }) => metrics as readonly string[]);
const explains = (pattern: string, metric: string) =>
  pattern === metric || (pattern.endsWith('/*') && metric.startsWith(pattern.slice(0, -1)));

it('explains every metric once: those of a step, and those of its held-out questions', () => {
  const { runs } = readRecording(readFileSync(resolve(root, 'public/runs/rlvr-permix/recording.json'), 'utf8'));
  const asked = Object.keys(heldOutMetrics(runs[0]!.heldOut[0]!));
  expect(asked).toContain('eval/worst');
  const metrics = [...metricNames, ...asked];
  const times = (metric: string) => explained.filter((pattern) => explains(pattern, metric)).length;
  expect(metrics.filter((metric) => times(metric) !== 1)).toEqual([]);
  expect(explained.filter((pattern) => !metrics.some((metric) => explains(pattern, metric)))).toEqual([]);
});

it('names code that is there', () => {
  for (const { title, code } of all) {
    const file = resolve(root, code.file);
    expect(existsSync(file), `${title}: ${code.file}`).toBe(true);
    const declared = new RegExp(`^export (async )?(function\\*? |const |class )${code.name}\\b`, 'm');
    expect(readFileSync(file, 'utf8'), `${title}: ${code.name} in ${code.file}`).toMatch(declared);
  }
});

it('has formulas that KaTeX draws, and words of its own for each', () => {
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
  for (const { title, formula } of all) {
    if (!formula) continue;
    expect(() => katex.renderToString(formula, { throwOnError: true, strict: true }), title).not.toThrow();
    // The fonts of these are large and need not be served.
    expect(formula, title).not.toMatch(/\\(mathbb|mathcal|mathfrak|mathsf|mathscr|mathtt)/);
  }
});
