/** What the page's benchmark decides: how its time is divided, whether it goes on, what its clock can say, and how its rows are shown beside those that are kept. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leastOfRollouts, leastOfSteps, patienceOf } from '../../src/benchmark/allowance.ts';
import { clockTick, readable } from '../../src/benchmark/clock.ts';
import { kept } from '../../src/benchmark/kept.ts';
import { makeReport, Rows, type Report } from '../../src/benchmark/report.ts';
import { leftRows, shownGroups } from '../../src/benchmark/shown.ts';
import { Suite } from '../../src/benchmark/suite.ts';
import { TabWatch } from '../../src/benchmark/watch.ts';
import { benchConfig } from '../../src/benchmark/workload.ts';
import { labErrorCode } from '../../src/errors.ts';

describe('the time that there is', () => {
  it('goes to stages by their weight among those to come', () => {
    expect(patienceOf({ weight: 3, ahead: 12, least: null, left: 120_000 })).toBe(30_000);
    expect(patienceOf({ weight: 3, ahead: 3, least: 500, left: 40_000 })).toBe(40_000);
    // What a slow adapter's shaders took is gone; what must be measured is measured once.
    expect(patienceOf({ weight: 3, ahead: 9, least: null, left: -5000 })).toBe(0);
  });

  it('leaves out what would not fit, by what was measured before it', () => {
    // All contenders took half a second of a step; one of forty times its work does not fit four times into a minute, one of twenty does.
    expect(patienceOf({ weight: 1, ahead: 2, least: leastOfSteps(500, 1e9, 40e9), left: 60_000 })).toBeNull();
    expect(patienceOf({ weight: 1, ahead: 2, least: leastOfSteps(500, 1e9, 20e9), left: 60_000 })).toBe(30_000);
    expect(leastOfRollouts(100, 128, 1280)).toBe(5000);
    expect(patienceOf({ weight: 1, ahead: 1, least: Infinity, left: 60_000 })).toBeNull();
  });
});

describe('whether it goes on', () => {
  it('waits while the tab is out of sight, and neither that time nor what was measured in it counts', async () => {
    let time = 0;
    const watch = new TabWatch(undefined, () => time);
    const suite = new Suite({ repeats: 2, patience: Infinity, hurry: Infinity }, () => {}, watch);
    const found: number[] = [];
    let round = 0;
    const measuring = suite.repeat(async () => {
      round++;
      time += 10;
      if (round === 1) watch.see(false);
      const value = round;
      return () => void found.push(value);
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const waits = round;
    time += 1000;
    expect(watch.now()).toBe(10);
    watch.see(true);
    await measuring;
    expect([waits, found]).toEqual([1, [2, 3]]);
    expect(watch.now()).toBe(30);
  });

  it('ends where the reader cancels, also while it waits', async () => {
    const watch = new TabWatch();
    watch.see(false);
    const next = watch.next();
    watch.cancel();
    expect(labErrorCode(await next.catch((error: unknown) => error))).toBe('cancelled');
    expect(labErrorCode(await watch.next().catch((error: unknown) => error))).toBe('cancelled');
  });
});

it('a clock that a browser rounds says means, a fine one itself', () => {
  let calls = 0;
  // Ten looks to a tick of a tenth of a millisecond.
  expect(clockTick(() => Math.floor(calls++ / 10) / 10)).toBeCloseTo(0.1, 9);
  expect(readable([0, 0.1, 0.2], 0.1)).toEqual([expect.closeTo(0.1, 9)]);
  expect(readable([0.31, 0.29], 0.001)).toEqual([0.31, 0.29]);
  expect(readable([], 1)).toEqual([]);
});

function report(software: boolean): Report {
  const rows = new Rows();
  rows.add('trainStep.d128.256', 'fused', [10]);
  rows.add('trainStep.d128.256', 'portable', [60]);
  rows.add('trainStep.dispatches', 'fused', [113]);
  rows.add('host.step', 'wasm', [200]);
  rows.add('host.step', 'portable', [800]);
  rows.add('host.products', 'wasm', [50]);
  const occasion = { adapter: 'an adapter', software, runtime: 'a browser', version: '1.0.0', date: '2026-01-01T00:00:00.000Z' };
  return makeReport(
    occasion,
    benchConfig(128),
    rows.list((_, engine) => (engine === 'jax-js' ? 'a peer' : 'no time')),
  );
}

describe('what is shown', () => {
  const row = (software: boolean, name: string) =>
    shownGroups(report(software))
      .flatMap(({ rows }) => rows)
      .find((one) => one.name === name)!;

  it('an engine beside the portable one, the target, and what is kept with the peer’s ratio', () => {
    expect(row(false, 'trainStep.d128.256')).toMatchObject({ engine: 'fused', figure: '10 ms', portable: '60 ms', ratio: '6×' });
    expect(row(false, 'trainStep.d128.256').kept[0]).toEqual({ where: 'SwiftShader 5.0.0', figures: 'fused 6.6×, jax-js 5.4×' });
    expect(row(false, 'host.step')).toMatchObject({ engine: 'wasm', figure: '200 ms', portable: '800 ms', ratio: '4×' });
    expect(row(false, 'trainStep.dispatches').target).toBe('≤ 150');
  });

  it('of a software adapter no times, only ratios and what is no time', () => {
    expect(row(true, 'trainStep.d128.256')).toMatchObject({ figure: null, portable: null, ratio: '6×' });
    expect(row(true, 'trainStep.dispatches').figure).toBe('113');
    expect(row(true, 'host.products').figure).toBe('50 GFLOP/s');
  });

  it('names what was not measured by its reason, peers aside, and groups of nothing are not there', () => {
    expect(shownGroups(report(false)).map(({ title }) => title)).toEqual(['Training on WebGPU', 'On WebAssembly']);
    const [left, ...more] = leftRows(report(false));
    expect([left!.why, more]).toEqual(['no time', []]);
    expect(left!.what).toContain('rollouts, d 128, 16 rows');
    expect(shownGroups(makeReport(report(false), benchConfig(128), [])).length).toBe(0);
  });
});

it('figures that are kept in the code stand in docs/benchmarks.md, in the row and column that they are kept for', () => {
  const document = readFileSync(resolve(import.meta.dirname, '../../docs/benchmarks.md'), 'utf8');
  const lines = document.split('\n').filter((line) => line.startsWith('|'));
  const [swiftshader, lavapipe, host] = kept;
  const row = (start: string) =>
    lines
      .find((line) => line.startsWith(`| ${start}`))!
      .split('|')
      .map((cell) => cell.replaceAll('**', '').trim());
  const columns = { [swiftshader!.where]: 3, [lavapipe!.where]: 4, [host!.where]: 3 };
  const starts = {
    'trainStep.dispatches': 'dispatches per training step',
    'decodeToken.dispatches': 'dispatches per decoded token',
    'trainStep.encode': 'JavaScript to encode one training step, in Node',
    'trainStep.d128.256': 'training step, d 128, B·T 256',
    'rollout.16': 'rollouts, d 128, 16 rows',
    'host.distinct': 'places computed in an update',
    'host.step': 'training step of the bundled policy, one thread, beside',
    'host.threads': 'the same, one thread over two',
    'host.products': 'products, 1024 × 96 → 448',
  } as const;
  for (const { where, date, rows } of kept) {
    expect(document).toContain(date);
    expect(Object.keys(rows).length).toBeGreaterThan(3);
    for (const [name, figures] of Object.entries(rows)) {
      const cell = row(starts[name as keyof typeof starts])[columns[where]!]!;
      for (const { figure } of figures!) expect(cell, `${name} on ${where}`).toContain(figure);
    }
  }
});
