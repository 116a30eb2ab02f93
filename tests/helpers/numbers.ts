/** Seeded arrays, and comparison of float32 results with float64 references, for tests. */
import { expect } from 'vitest';
import { Stream } from '../../src/random/counter.ts';

/** Normal draws that are exact in float32. */
export function normals(count: number, seed: number, scale = 1, shift = 0): number[] {
  const stream = new Stream(seed, 0x7e57);
  return Array.from({ length: count }, () => Math.fround(shift + scale * stream.normal()));
}

export function integers(count: number, seed: number, low: number, high: number): number[] {
  const stream = new Stream(seed, 0x1717);
  return Array.from({ length: count }, () => stream.integer(low, high));
}

/** [rows][columns] of a flat array. */
export function grid<T>(values: ArrayLike<T>, columns: number): T[][] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    Array.from({ length: columns }, (_, column) => values[row * columns + column]!),
  );
}

/** |actual - expected| <= absolute + relative |expected|, everywhere; the message names the worst place. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  { relative = 2e-5, absolute = 2e-6 } = {},
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let worst = { at: -1, excess: 0 };
  for (let i = 0; i < expected.length; i++) {
    const excess = Math.abs(actual[i]! - expected[i]!) - absolute - relative * Math.abs(expected[i]!);
    // written so that NaN is an excess, and equal infinities are none
    if (actual[i] !== expected[i] && !(excess <= worst.excess)) worst = { at: i, excess };
  }
  if (worst.at >= 0) expect.fail(`${what}[${worst.at}] is ${actual[worst.at]}, expected ${expected[worst.at]}`);
}

/** d f / d x by central differences in float64. @param places where; absent: everywhere */
export function differences(x: readonly number[], f: (x: readonly number[]) => number, places = x.map((_, i) => i)): number[] {
  const h = 1e-5;
  return places.map((i) => {
    const moved = [...x];
    moved[i] = x[i]! + h;
    const above = f(moved);
    moved[i] = x[i]! - h;
    return (above - f(moved)) / (2 * h);
  });
}
