/** "Too small to matter": two one-sided tests, and seeds of several sources as one. */
import { describe, expect, it } from 'vitest';
import { equivalence, fromInterval, pool, ratioInterval, summariseLogRatios } from '../../src/statistics/equivalence.ts';
import { parseOthers, together } from '../../src/study/together.ts';
import { studyFiles, summaryLines } from '../../src/study/files.ts';
import { labErrorCode } from '../../src/errors.ts';
import { studyWith, type Numbers } from '../helpers/study-results.ts';

const around = (center: number, spread: number, n = 6) =>
  Array.from({ length: n }, (_, i) => Math.log(center) + spread * (i % 2 === 0 ? 1 : -1));

describe('equivalence', () => {
  it('is the 90 % interval inside the margin', () => {
    // t(0.95, 5) = 2.015048, std of ±s with ddof 1 over six values = s sqrt(6 / 5).
    const found = equivalence(summariseLogRatios(around(1.005, 0.01)), 0.03, 0.95)!;
    const half = (2.015048 * 0.01 * Math.sqrt(6 / 5)) / Math.sqrt(6);
    expect(found.low).toBeCloseTo(1.005 * Math.exp(-half), 6);
    expect(found.high).toBeCloseTo(1.005 * Math.exp(half), 6);
    expect(found.reading).toBe('equivalent');
  });

  it.each([
    ['equivalent', 1.0, 0.01],
    ['open', 1.0, 0.05],
    ['open', 1.03, 0.001],
    ['larger', 1.1, 0.01],
    ['larger', 0.9, 0.01],
  ] as const)('reads %s for a ratio of %f with a spread of %f', (reading, center, spread) => {
    expect(equivalence(summariseLogRatios(around(center, spread)), 0.03, 0.95)!.reading).toBe(reading);
  });

  it('says nothing of one seed', () => {
    expect(equivalence(summariseLogRatios([0.01]), 0.03, 0.95)).toBeNull();
  });
});

describe('seeds of several sources', () => {
  it('pool to what all values together give', () => {
    const [a, b] = [around(1.02, 0.03, 5), around(0.99, 0.01, 6)];
    const [pooled, direct] = [pool([summariseLogRatios(a), summariseLogRatios(b)]), summariseLogRatios([...a, ...b])];
    expect(pooled.seeds).toBe(11);
    expect(pooled.mean).toBeCloseTo(direct.mean, 12);
    expect(pooled.std).toBeCloseTo(direct.std, 12);
  });

  it('come back from a reported interval', () => {
    const own = summariseLogRatios(around(1.01, 0.02, 4));
    const { low, high } = ratioInterval(own, 0.95)!;
    const back = fromInterval(4, Math.exp(own.mean), low, high, 0.95);
    expect(back.mean).toBeCloseTo(own.mean, 10);
    expect(back.std).toBeCloseTo(own.std, 6);
  });

  const numbers = (arm: string, seed: number): Numbers => ({
    pss: arm.startsWith('permix') ? 0.95 : 0.5 + 0.01 * seed,
    fidelity: arm.startsWith('permix') ? 0.74 : 0.73 + 0.001 * seed,
    none: 0.9,
  });
  const own = studyWith([1, 2, 3], numbers);
  const others = parseOthers(
    {
      format: 'permix-other-seeds',
      setting: 'β 0.02',
      sources: [
        {
          label: 'told as values',
          claims: {
            'permix-pss': {
              pairs: [
                [0.9, 0.5],
                [0.95, 0.45],
              ],
            },
          },
        },
        { label: 'told as an interval', claims: { 'permix-pss': { seeds: 3, ratio: 2, low: 1.8, high: 2.2222 } } },
      ],
    },
    'others.json',
  );
  const found = together(
    own,
    'β 0.02',
    others.sources.map((source) => ({ source, results: null })),
  );

  it('stand beside the study and make one, for the claims that all of them speak of', () => {
    expect(found.map(({ id }) => id)).toEqual(['permix-pss']);
    const [pss] = found;
    expect(pss!.sources.map(({ seeds }) => seeds)).toEqual([3, 2, 3]);
    expect([pss!.fresh.seeds, pss!.all.seeds]).toEqual([5, 8]);
    const logs = [...[1, 2, 3].map((seed) => Math.log(0.95 / (0.5 + 0.01 * seed))), Math.log(0.9 / 0.5), Math.log(0.95 / 0.45)];
    expect(Math.log(pss!.all.ratio)).toBeCloseTo((logs.reduce((a, b) => a + b) + 3 * Math.log(2)) / 8, 10);
  });

  it('are in the files and in what is printed', () => {
    const results = { ...own, together: found };
    const readme = studyFiles(results)['README.md']!;
    expect(readme).toMatch(/## All seeds together/);
    expect(readme).toMatch(/\| told as an interval \| 3 \| ×2\.000/);
    expect(readme).toMatch(/\*\*all seeds\*\* \| \*\*8\*\*/);
    expect(summaryLines(results).join('\n')).toMatch(/All seeds together:\n {2}PerMix has a higher Persona Stability Score than RLVR: ×\d/);
  });

  it('are refused with a sentence where the file is something else', () => {
    try {
      parseOthers(
        { format: 'permix-other-seeds', setting: 'β 0.02', sources: [{ label: 'x', claims: { a: { pairs: [[0, 1]] } } }] },
        'o.json',
      );
      expect.unreachable();
    } catch (error) {
      expect(labErrorCode(error)).toBe('format');
      expect(String(error)).toMatch(/o\.json does not list other seeds/);
    }
  });
});
