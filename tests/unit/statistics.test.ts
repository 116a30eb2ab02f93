/** The statistics of this project against textbook values; Student's t has its own table in evaluate-seeds.test.ts. */
import { describe, expect, it } from 'vitest';
import { jackknifeHalf, tInterval, wilsonInterval } from '../../src/statistics/intervals.ts';
import { mean, meanOrNull, populationStd, sampleStd, sum } from '../../src/statistics/moments.ts';
import { quantile } from '../../src/statistics/quantile.ts';
import { logOdds, logRatio } from '../../src/statistics/ratio.ts';

// Whose population deviation is 2 exactly.
const values = [2, 4, 4, 4, 5, 5, 7, 9];

describe('moments', () => {
  it('are those of the textbook', () => {
    expect([sum(values), mean(values), populationStd(values)]).toEqual([40, 5, 2]);
    expect(sampleStd(values)).toBeCloseTo(Math.sqrt(32 / 7), 14);
    expect(mean(Float64Array.of(1, 2))).toBe(1.5);
  });

  it('say what they are of nothing and of one value', () => {
    expect([sum([]), mean([]), meanOrNull([]), meanOrNull([3])]).toEqual([0, NaN, null, 3]);
    expect([populationStd([7]), sampleStd([7]), sampleStd([])]).toEqual([0, 0, 0]);
  });
});

describe('intervals', () => {
  it("are Wilson's for a share: 8 of 10, none and all of 10, nothing asked", () => {
    const eight = wilsonInterval(0.8, 10);
    expect(eight.low).toBeCloseTo(0.4901625, 6);
    expect(eight.high).toBeCloseTo(0.9433178, 6);
    expect(wilsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(0.2775328, 6) });
    expect(wilsonInterval(1, 10)).toEqual({ low: expect.closeTo(0.7224672, 6), high: 1 });
    expect(wilsonInterval(NaN, 0)).toEqual({ low: 0, high: 1 });
  });

  it("are Student's for a mean: t(0.975, 2) = 4.302653", () => {
    const { mean: centre, low, high } = tInterval([1, 2, 3], 0.95);
    expect([centre, low, high]).toEqual([
      2,
      expect.closeTo(2 - 4.302653 / Math.sqrt(3), 5),
      expect.closeTo(2 + 4.302653 / Math.sqrt(3), 5),
    ]);
    expect(() => tInterval([1], 0.95)).toThrow('at least two values');
  });

  it('are the same by the jackknife where the statistic is a plain mean', () => {
    const without = values.map((left) => (sum(values) - left) / (values.length - 1));
    const { mean: centre, high } = tInterval(values, 0.95);
    expect(jackknifeHalf(without)).toBeCloseTo(high - centre, 12);
  });
});

it('quantiles are linear between order statistics', () => {
  expect([0, 0.25, 0.5, 1].map((share) => quantile([1, 2, 3, 4], share))).toEqual([1, 1.75, 2.5, 4]);
  expect(quantile([7], 0.3)).toBe(7);
});

it('ratios add on the logarithmic scale, and 0 has none', () => {
  expect(logRatio(6, 3)).toBe(Math.log(2));
  expect([logRatio(0, 1), logRatio(1, 0), logRatio(-1, 1)]).toEqual([null, null, null]);
  expect(logOdds(3, 4)).toBeCloseTo(Math.log(3.5 / 1.5), 14);
  expect(logOdds(0, 10) + logOdds(10, 10)).toBeCloseTo(0, 14);
});
