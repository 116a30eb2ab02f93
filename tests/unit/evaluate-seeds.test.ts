/** Student's t against published values, and what several seeds say about a claim. */
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { claimOverSeeds, type SeedPair } from '../../src/evaluate/seeds.ts';
import { incompleteBeta, logGamma, studentCdf, studentQuantile } from '../../src/statistics/student.ts';
import { tInterval } from '../../src/statistics/intervals.ts';
import { Stream } from '../../src/random/counter.ts';

const pairs = (...values: (readonly [number, number])[]): SeedPair[] =>
  values.map(([claimed, against], seed) => ({ seed, claimed, against }));

describe("Student's t", () => {
  it('has the known quantiles', () => {
    // scipy.stats.t.ppf
    const known = [
      [0.975, 1, 12.706204736174694],
      [0.975, 2, 4.302652729749462],
      [0.975, 4, 2.7764451051977934],
      [0.95, 9, 1.833112932656237],
      [0.995, 30, 2.7499956535672254],
      [0.6, 3.5, 0.27326545405577973],
      [0.9999, 4, 13.033671720896821],
      [0.975, 1e6, 1.959966356814107],
      [0.75, 0.5, 1.5537739740300383],
    ] as const;
    for (const [p, df, t] of known) {
      expect(studentQuantile(p, df) / t).toBeCloseTo(1, 9);
      expect(studentQuantile(1 - p, df) / -t).toBeCloseTo(1, 9);
      expect(studentCdf(t, df)).toBeCloseTo(p, 10);
    }
    expect(studentQuantile(0.5, 3)).toBe(0);
    expect(() => studentQuantile(1, 3)).toThrow(RangeError);
  });

  it('stands on a beta function and a gamma function that are right', () => {
    // scipy.special.betainc, gammaln
    const beta = [
      [2, 3, 0.4, 0.5248],
      [0.5, 0.5, 0.1, 0.20483276469913345],
      [10, 0.5, 0.9, 0.15164090963470994],
      [200, 100, 0.7, 0.8911569343550899],
    ] as const;
    for (const [a, b, x, value] of beta) expect(incompleteBeta(a, b, x)).toBeCloseTo(value, 11);
    expect(incompleteBeta(2, 3, 0)).toBe(0);
    expect(incompleteBeta(2, 3, 1)).toBe(1);
    const gamma = [
      [0.1, 2.252712651734206],
      [0.5, 0.5723649429247],
      [1, 0],
      [3.7, 1.428072326665388],
      [150, 600.0094705553274],
    ] as const;
    for (const [x, value] of gamma) expect(logGamma(x)).toBeCloseTo(value, 10);
  });
});

describe('the interval over seeds', () => {
  it('is as computed by hand', () => {
    // mean 2, s 1, t(.975, 2) = 4.3027: 2 ± 4.3027 / √3
    const { mean, low, high } = tInterval([1, 2, 3], 0.95);
    expect(mean).toBe(2);
    expect(low).toBeCloseTo(2 - 4.302652729749462 / Math.sqrt(3), 9);
    expect(high).toBeCloseTo(2 + 4.302652729749462 / Math.sqrt(3), 9);
  });

  it('covers the truth as often as it says, with five seeds', () => {
    const stream = new Stream(11, 0);
    const runs = 2000;
    let covered = 0;
    for (let run = 0; run < runs; run++) {
      const truth = 0.2;
      const seeds = Array.from({ length: 5 }, (_, seed) => {
        // What both recipes share (the seed's luck) cancels in the pair.
        const luck = stream.normal();
        const against = Math.exp(-1 + luck);
        return { seed, against, claimed: against * Math.exp(truth + 0.3 * stream.normal()) };
      });
      const claim = claimOverSeeds(seeds);
      if (claim.low! <= Math.exp(truth) && Math.exp(truth) <= claim.high!) covered++;
    }
    // Three standard errors of a share of .95 over 2000 runs.
    expect(Math.abs(covered / runs - 0.95)).toBeLessThan(0.015);
  });
});

describe('a claim over seeds', () => {
  it('is reproduced, not reproduced or undecided', () => {
    const better = claimOverSeeds(pairs([0.6, 0.5], [0.75, 0.6], [0.7, 0.6]));
    expect(better.verdict).toBe('reproduced');
    expect(better.low).toBeGreaterThan(1);
    expect(better.ratio).toBeCloseTo(Math.cbrt(1.2 * 1.25 * (0.7 / 0.6)), 12);
    const worse = claimOverSeeds(pairs([0.5, 0.6], [0.6, 0.75], [0.6, 0.7]));
    expect(worse.verdict).toBe('not reproduced');
    expect(worse.ratio! * better.ratio!).toBeCloseTo(1, 12);
    const open = claimOverSeeds(pairs([0.6, 0.5], [0.5, 0.6], [0.7, 0.6]));
    expect(open.verdict).toBe('undecided');
    expect(open.reason).toMatch(/contains 1/);
    expect(claimOverSeeds(pairs([0.5, 0.5], [0.7, 0.7])).verdict).toBe('not reproduced');
  });

  it('decides nothing without an interval', () => {
    expect(claimOverSeeds([])).toMatchObject({ verdict: 'undecided', ratio: null, low: null });
    const one = claimOverSeeds(pairs([0.9, 0.3]));
    expect(one).toMatchObject({ verdict: 'undecided', low: null, high: null });
    expect(one.ratio).toBeCloseTo(3, 12);
    const zero = claimOverSeeds(pairs([0.9, 0.3], [0.5, 0], [0, 0]));
    expect(zero).toMatchObject({ verdict: 'undecided', ratio: null, logRatios: [expect.closeTo(Math.log(3)), null, null] });
    expect(zero.reason).toMatch(/seed 1 a value is 0/);
  });

  it('does not depend on the order of the seeds', () => {
    const all = pairs([0.6, 0.5], [0.75, 0.6], [0.7, 0.65], [0.5, 0.52]);
    const [a, b] = [claimOverSeeds(all), claimOverSeeds(all.toReversed())];
    expect(b.verdict).toBe(a.verdict);
    expect(b.low).toBeCloseTo(a.low!, 12);
  });

  it('refuses what is no pair', () => {
    const code = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return labErrorCode(error);
      }
      return null;
    };
    expect(code(() => claimOverSeeds(pairs([NaN, 0.5])))).toBe('config');
    expect(code(() => claimOverSeeds(pairs([-0.1, 0.5])))).toBe('config');
    expect(code(() => claimOverSeeds([...pairs([0.5, 0.5]), ...pairs([0.5, 0.5])]))).toBe('config');
    expect(code(() => claimOverSeeds(pairs([0.5, 0.5]), 1))).toBe('config');
    expect(code(() => tInterval([1], 0.95))).toBe('config');
  });
});
