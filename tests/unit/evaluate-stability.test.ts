/** The measures of stability against hand-computed cases, and what must hold for every table. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { lotteryCurve } from '../../src/evaluate/lottery.ts';
import { meanPassAtK, passAtK, passLevels } from '../../src/evaluate/pass-at-k.ts';
import { quantile } from '../../src/statistics/quantile.ts';
import { wilsonInterval } from '../../src/statistics/intervals.ts';
import { bootstrapPss, shuffledNull, shuffledNulls } from '../../src/evaluate/resample.ts';
import { accuracies, logOddsShift, stability, type SolveTable } from '../../src/evaluate/stability.ts';
import { Stream } from '../../src/random/counter.ts';
import { sharedJson } from '../helpers/shared.ts';

const code = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return labErrorCode(error);
  }
  return null;
};

/** Three personas, four problems, greedy: accuracies 3/4, 2/4, 1/4. */
const table: SolveTable = {
  correct: [
    [1, 1, 1, 0],
    [1, 1, 0, 0],
    [1, 0, 0, 0],
  ],
  samples: 1,
};

const anyTable = fc
  .record({ personas: fc.integer({ min: 2, max: 6 }), problems: fc.integer({ min: 1, max: 8 }), samples: fc.integer({ min: 1, max: 4 }) })
  .chain(({ personas, problems, samples }) =>
    fc
      .array(fc.array(fc.integer({ min: 0, max: samples }), { minLength: problems, maxLength: problems }), {
        minLength: personas,
        maxLength: personas,
      })
      .map((correct): SolveTable => ({ correct, samples })),
  );

describe('stability', () => {
  it('is as computed by hand', () => {
    const result = stability(table, 0.5);
    expect(accuracies(table)).toEqual([0.75, 0.5, 0.25]);
    expect(result.pss).toBeCloseTo(1 / 3, 12);
    expect(result.pssMean).toBeCloseTo(0.5, 12);
    expect(result.mean).toBeCloseTo(0.5, 12);
    expect(result.spread).toBeCloseTo(0.5, 12);
    expect(result.std).toBeCloseTo(Math.sqrt((0.25 ** 2 + 0.25 ** 2) / 3), 12);
    expect(result.worstCaseUtility).toBeCloseTo(-0.25, 12);
    // Problem 1 of the three that anybody solves.
    expect(result.itemStability).toBeCloseTo(1 / 3, 12);
    expect(stability(table, null).worstCaseUtility).toBeNull();
  });

  it('counts a problem as solved where more than half of its samples are right', () => {
    const correct = [
      [3, 2, 4],
      [4, 4, 0],
    ];
    // Problem 1 by both, problems 2 and 3 by one each: half of the samples is not enough.
    expect(stability({ correct, samples: 4 }, null).itemStability).toBeCloseTo(1 / 3, 12);
  });

  it('is 0, not NaN, where nobody is ever right', () => {
    const zero = {
      correct: [
        [0, 0],
        [0, 0],
      ],
      samples: 1,
    };
    const result = stability(zero, 0);
    expect(result).toMatchObject({ pss: 0, pssMean: 0, min: 0, max: 0, mean: 0, spread: 0, std: 0, worstCaseUtility: 0, itemStability: 0 });
    expect(shuffledNull(zero, 1, 10)).toMatchObject({ mean: 0, p: 1 });
    expect(bootstrapPss(zero, 1, 10)).toMatchObject({ low: 0, high: 0 });
  });

  it('refuses, in a sentence, what cannot be compared', () => {
    expect(() => stability({ correct: [[1]], samples: 1 }, null)).toThrow(/compares personas, and there is 1/);
    expect(() => stability({ correct: [], samples: 1 }, null)).toThrow(/there is none/);
    expect(() => stability({ correct: [[], []], samples: 1 }, null)).toThrow(/problems, and there is none/);
    expect(() => stability({ correct: [[1], [1, 0]], samples: 1 }, null)).toThrow(/same problems/);
    expect(code(() => stability({ correct: [[2], [1]], samples: 1 }, null))).toBe('config');
    expect(code(() => stability({ correct: [[0], [0]], samples: 0 }, null))).toBe('config');
  });

  it('does not depend on the order of personas or problems, and is bounded', () => {
    fc.assert(
      fc.property(anyTable, fc.integer(), (any, seed) => {
        const stream = new Stream(seed, 0);
        const order = stream.shuffle(any.correct[0]!.map((_, i) => i));
        const moved = { ...any, correct: stream.shuffle(any.correct).map((row) => order.map((i) => row[i]!)) };
        const [a, b] = [stability(any, 0.5), stability(moved, 0.5)];
        for (const name of Object.keys(a) as (keyof typeof a)[]) expect(b[name]).toBeCloseTo(a[name]!, 12);
        for (const name of ['pss', 'pssMean', 'itemStability'] as const) {
          expect(a[name]).toBeGreaterThanOrEqual(0);
          expect(a[name]).toBeLessThanOrEqual(1 + 1e-12);
        }
        expect(a.pss).toBeLessThanOrEqual(a.pssMean + 1e-12);
      }),
    );
  });

  it('is 1 where the persona changes nothing', () => {
    fc.assert(
      fc.property(anyTable, ({ correct, samples }) => {
        const same = { correct: correct.map(() => correct[0]!), samples };
        const right = correct[0]!.some((count) => count > 0);
        expect(stability(same, null)).toMatchObject({ pss: right ? 1 : 0, spread: 0 });
        // Shuffling equal columns changes nothing either.
        expect(shuffledNull(same, 3, 5)).toMatchObject({ mean: right ? 1 : 0, p: 1 });
      }),
    );
  });
});

describe('log-odds shift', () => {
  it('is the difference of corrected log-odds, finite at the ends', () => {
    expect(logOddsShift(3, 4, 1, 4)).toBeCloseTo(Math.log(3.5 / 1.5) - Math.log(1.5 / 3.5), 12);
    expect(logOddsShift(5, 10, 5, 10)).toBe(0);
    expect(logOddsShift(10, 10, 0, 10)).toBeCloseTo(2 * Math.log(21), 12);
  });
});

describe("Wilson's interval", () => {
  it('has the published values', () => {
    // scipy.stats.binomtest(k, n).proportion_ci(method='wilson')
    const half = wilsonInterval(0.5, 10);
    expect(half.low).toBeCloseTo(0.2365931, 6);
    expect(half.high).toBeCloseTo(0.7634069, 6);
    const most = wilsonInterval(0.9, 300);
    expect(most.low).toBeCloseTo(0.8608335, 6);
    expect(most.high).toBeCloseTo(0.9290521, 6);
    expect(wilsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(0.2775328, 6) });
    expect(wilsonInterval(1, 10)).toEqual({ low: expect.closeTo(0.7224672, 6), high: 1 });
  });
});

describe('the shuffled null', () => {
  /** P personas of the same accuracy, or from .3 upwards. */
  const synthetic = (personas: number, problems: number, seed: number, spread: number): SolveTable => {
    const stream = new Stream(seed, 7);
    const correct = Array.from({ length: personas }, (_, p) =>
      Array.from({ length: problems }, () => (stream.uniform() < 0.5 + spread * (p / (personas - 1) - 0.5) ? 1 : 0)),
    );
    return { correct, samples: 1 };
  };

  it('is what a policy that ignores its personas scores', () => {
    const tables = Array.from({ length: 40 }, (_, seed) => synthetic(10, 100, seed, 0));
    const nulls = tables.map((one) => shuffledNull(one, 1, 60));
    const measured = tables.map((one) => stability(one, null).pss);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(nulls.map((null_) => null_.mean))).toBeCloseTo(mean(measured), 1);
    // Its p-value is about uniform: far from always small, far from always large.
    expect(mean(nulls.map(({ p }) => p))).toBeGreaterThan(0.3);
    expect(mean(nulls.map(({ p }) => p))).toBeLessThan(0.7);
  });

  it('tells a persona that matters', () => {
    const one = synthetic(10, 100, 1, 0.6);
    const null_ = shuffledNull(one, 1, 200);
    expect(stability(one, null).pss).toBeLessThan(null_.low);
    expect(null_.p).toBeCloseTo(1 / 201, 12);
  });

  it('of the spread is what a policy that ignores its personas scores, and tells a persona that matters', () => {
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const alike = Array.from({ length: 40 }, (_, seed) => synthetic(10, 100, seed, 0));
    const nulls = alike.map((one) => shuffledNulls(one, 1, 60).spread);
    expect(mean(nulls.map((null_) => null_.mean))).toBeCloseTo(mean(alike.map((one) => stability(one, null).spread)), 1);
    expect(mean(nulls.map(({ p }) => p))).toBeGreaterThan(0.3);
    expect(mean(nulls.map(({ p }) => p))).toBeLessThan(0.7);
    const apart = synthetic(10, 100, 1, 0.6);
    const { spread, pss } = shuffledNulls(apart, 1, 200);
    expect(stability(apart, null).spread).toBeGreaterThan(spread.high);
    expect(spread.p).toBeCloseTo(1 / 201, 12);
    expect(pss).toEqual(shuffledNull(apart, 1, 200));
  });

  it('is the same for the same seed', () => {
    const one = synthetic(4, 20, 1, 0.2);
    expect(shuffledNull(one, 5, 50)).toEqual(shuffledNull(one, 5, 50));
    expect(bootstrapPss(one, 5, 50)).toEqual(bootstrapPss(one, 5, 50));
    expect(shuffledNull(one, 6, 50)).not.toEqual(shuffledNull(one, 5, 50));
  });

  it('has a bootstrap beside it that spans the measured value of an easy case', () => {
    const one = synthetic(2, 200, 1, 0.4);
    const { low, high } = bootstrapPss(one, 1, 400);
    const { pss } = stability(one, null);
    expect(low).toBeLessThan(pss);
    expect(high).toBeGreaterThan(pss);
    expect(code(() => bootstrapPss(one, 1, 0))).toBe('config');
  });

  it('takes percentiles between order statistics', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 0)).toBe(1);
    expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    expect(quantile([7], 0.3)).toBe(7);
  });
});

describe('pass@k', () => {
  it('is the chance that k of the n samples hold a right one', () => {
    expect(passAtK(4, 2, 2)).toBeCloseTo(5 / 6, 12);
    expect(passAtK(5, 0, 3)).toBe(0);
    expect(passAtK(5, 5, 1)).toBe(1);
    expect(meanPassAtK([2, 0], 4, 2)).toBeCloseTo(5 / 12, 12);
    expect(passLevels(1)).toEqual([1]);
    expect(passLevels(6)).toEqual([1, 2, 4, 6]);
  });

  it('is c/n at k = 1, certain at k = n, and grows with k', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(300), (n, wish) => {
        const c = Math.min(wish, n);
        expect(passAtK(n, c, 1)).toBeCloseTo(c / n, 10);
        expect(passAtK(n, c, n)).toBe(c > 0 ? 1 : 0);
        for (let k = 2; k <= n; k++) expect(passAtK(n, c, k)).toBeGreaterThanOrEqual(passAtK(n, c, k - 1) - 1e-12);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses what cannot be estimated', () => {
    expect(code(() => passAtK(4, 1, 5))).toBe('config');
    expect(code(() => passAtK(4, 5, 1))).toBe('config');
    expect(code(() => meanPassAtK([], 4, 1))).toBe('config');
  });

  const vectors = sharedJson<{ pass_at_k: { cases: { n: number; c: number; k: number; unbiased: number }[] } }>('vectors/rl_vectors.json');
  it.skipIf(!vectors)('agrees with the vectors (needs ../shared)', () => {
    for (const { n, c, k, unbiased } of vectors!.pass_at_k.cases) expect(passAtK(n, c, k)).toBeCloseTo(unbiased, 10);
  });
});

describe('the persona lottery', () => {
  it('is as computed by hand', () => {
    // Pairs of .2 .5 .8: .5, .8, .8.
    const curve = lotteryCurve([0.8, 0.2, 0.5]);
    expect(curve[0]).toBeCloseTo(0.5, 12);
    expect(curve[1]).toBeCloseTo(0.7, 12);
    expect(curve[2]).toBeCloseTo(0.8, 12);
    expect(code(() => lotteryCurve([]))).toBe('config');
  });

  it('equals the mean over all subsets', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }), (values) => {
        const n = values.length;
        const sums = new Array<number>(n + 1).fill(0);
        const counts = new Array<number>(n + 1).fill(0);
        for (let subset = 1; subset < 1 << n; subset++) {
          const chosen = values.filter((_, i) => subset & (1 << i));
          sums[chosen.length]! += Math.max(...chosen);
          counts[chosen.length]!++;
        }
        lotteryCurve(values).forEach((expected, i) => expect(expected).toBeCloseTo(sums[i + 1]! / counts[i + 1]!, 10));
      }),
    );
  });

  it('starts at the mean, ends at the maximum, never falls, grows less and less, and ignores the order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }), fc.integer(), (values, seed) => {
        const curve = lotteryCurve(values);
        expect(curve).toHaveLength(values.length);
        expect(curve[0]).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 10);
        expect(curve.at(-1)).toBeCloseTo(Math.max(...values), 10);
        for (let k = 1; k < curve.length; k++) expect(curve[k]! - curve[k - 1]!).toBeGreaterThanOrEqual(-1e-12);
        for (let k = 2; k < curve.length; k++) expect(curve[k]! - 2 * curve[k - 1]! + curve[k - 2]!).toBeLessThanOrEqual(1e-10);
        expect(lotteryCurve(new Stream(seed, 0).shuffle(values))).toEqual(curve);
      }),
    );
  });

  it('is flat where all personas are equal', () => {
    for (const value of lotteryCurve(new Array<number>(40).fill(0.3))) expect(value).toBeCloseTo(0.3, 12);
  });
});
