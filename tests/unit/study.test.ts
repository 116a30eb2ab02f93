/** What the Reproduce view says of a study, and where it draws a claim. The file's reading is study-state.test.ts, the verdicts reproduce-claims.test.ts. */
import { describe, expect, it } from 'vitest';
import { claimsOf } from '../../src/state/study.svelte.ts';
import { forestOf } from '../../src/ui/reproduce/study/forest.ts';
import { change, headlinesOf, meanAndHalf, rulingOf } from '../../src/ui/reproduce/study/sentences.ts';
import { studyArms, studyWith } from '../helpers/study-results.ts';

/** PerMix's PSS and fidelity as factors of RLVR's, by seed. */
function study(seeds: readonly number[], pss: (seed: number) => number, fidelity: ((seed: number) => number) | null) {
  return studyWith(seeds, (arm, seed) => {
    const permix = arm.startsWith('permix');
    return { pss: 0.4 * (permix ? pss(seed) : 1), fidelity: fidelity && 0.5 * (permix ? fidelity(seed) : 1), none: 0.9 };
  });
}
const told = (results: ReturnType<typeof study>) => headlinesOf(results, claimsOf(results, 'β 0.02'));

describe('the headline sentences', () => {
  it('say what was reproduced with values, interval and seeds', () => {
    const [pss, fidelity] = told(
      study(
        [1, 2, 3],
        (seed) => 2 + 0.01 * seed,
        (seed) => 1.1 + 0.001 * seed,
      ),
    );
    expect(pss).toMatchObject({ ruling: 'reproduced', verdict: 'reproduced in the model world' });
    expect(pss!.answer).toMatch(/changed accuracy less than/);
    expect(pss!.numbers).toMatch(/^PSS 0\.81 against 0\.40 \(\+102\u00a0%, 95\u00a0% interval \+99\.5 to \+10\d\u00a0%, 3 seeds\)$/);
    expect(pss!.scale).toMatch(/300 problems each.*would show 0\.91, not 1/);
    expect(fidelity!.answer).toMatch(/sounded more like/);
    expect(fidelity!.numbers).toMatch(/^persona fidelity 0\.55 against 0\.50 \(\+10\.2/);
    expect(fidelity!.scale).toBeNull();
  });

  it('say as plainly what was not', () => {
    const [pss] = told(study([1, 2, 3], (seed) => 0.9 + 0.001 * seed, null));
    expect(pss).toMatchObject({ ruling: 'not reproduced', verdict: 'not reproduced' });
    expect(pss!.answer).toMatch(/no less than/);
    expect(pss!.numbers).toContain('−9.8\u00a0%');
  });

  it('say what cannot be said, and never a number that is none', () => {
    const [pss, fidelity] = told(study([1, 2], (seed) => (seed === 1 ? 0.8 : 1.5), null));
    expect(pss!.ruling).toBe('undecided');
    expect(pss!.answer).toMatch(/cannot be said/);
    expect(fidelity).toMatchObject({ ruling: 'undecided', numbers: 'persona fidelity was not measured' });
    const [one] = told(study([4], () => 2, null));
    expect(one!.numbers).toContain('+100\u00a0%, no interval: 1 seed)');
    expect(JSON.stringify([pss, fidelity, one])).not.toMatch(/NaN|null against|undefined/);
  });

  it('are missing where a study compares other methods', () => {
    const results = studyWith([1, 2], () => ({ pss: 0.5, fidelity: 0.5, none: 0.9 }), studyArms.slice(0, 2));
    expect(told(results)).toEqual([]);
  });
});

it('a value with its interval, or words', () => {
  expect(meanAndHalf({ mean: 0.9612, half: 0.0123 })).toBe('0.961 ± 0.012');
  expect(meanAndHalf({ mean: 0.9612, half: null })).toBe('0.961');
  expect(meanAndHalf(null)).toBe('not measured');
  expect(change({ ratio: null, low: null, high: null, seeds: 2, reason: 'With seed 1 a value is 0.' })).toBe('With seed 1 a value is 0');
  expect(rulingOf({ verdict: 'reproduced with the base other' })).toBe('reproduced');
});

describe('the forest plot', () => {
  const claim = claimsOf(
    study([1, 2], () => 2, null),
    'β 0.02',
  )[0]!;
  const of = (ratio: number | null, low = ratio, high = ratio) => ({ ...claim, ratio, low, high });

  it('has 1 on it, and equal factors equally far from it', () => {
    const { place, ticks } = forestOf([of(2, 1.5, 2.5), of(0.5, 0.45, 0.6)]);
    expect(ticks).toEqual([0.5, 1, 2]);
    expect(place(2) - place(1)).toBeCloseTo(place(1) - place(0.5), 10);
    const places = [0.45, 0.5, 1, 2, 2.5].map(place);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect([places[0]! > 0, places.at(-1)! < 100]).toEqual([true, true]);
  });

  it('is not stretched by one huge ratio, and says that it lies beyond', () => {
    const { place, beyond, ticks } = forestOf([of(1.04, 1.02, 1.06), of(29, 25, 1e9), of(null)]);
    expect(ticks).toEqual([1, 2, 4]);
    expect([29, 1e9, 1.02].map(beyond)).toEqual([true, true, false]);
    expect(place(29)).toBe(100);
    expect(place(1.06) - place(1.02)).toBeGreaterThan(2);
  });

  it('stands without any ratio', () => {
    const { place, ticks } = forestOf([of(null)]);
    expect(ticks).toEqual([1]);
    expect(place(1)).toBeCloseTo(50, 10);
  });
});
