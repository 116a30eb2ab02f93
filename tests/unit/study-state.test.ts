/** The committed study as the page reads it: whole or refused with a sentence, cut into settings, averaged over seeds. */
import { describe, expect, it } from 'vitest';
import { armValue } from '../../src/study/claims.ts';
import { readStudy } from '../../src/study/read-study.ts';
import { armsOf, averages, claimsOf, gain, seedCurve, settingsOf, times } from '../../src/state/study.svelte.ts';
import { estimateOf, footOf } from '../../src/evaluate/picture.ts';
import { studyPicture } from '../../src/ui/reproduce/study/study-picture.ts';
import { studyArms, studyWith, type Numbers } from '../helpers/study-results.ts';

const numbers = (arm: string, seed: number): Numbers => ({
  pss: (arm.startsWith('permix') ? 0.8 : 0.4) + 0.01 * seed,
  fidelity: 0.7,
  none: 0.9 + 0.01 * seed,
});
const other = { id: 'rlvr-beta0', label: 'RLVR, β 0', recipe: 'rlvr', setting: 'β 0' } as const;
const study = studyWith([1, 2, 3], numbers, [...studyArms.slice(0, 1), other, ...studyArms.slice(1)]);

describe('reading', () => {
  it('takes what npm run reproduce writes', () => {
    expect(readStudy(JSON.stringify({ ...study, claims: [] })).study.title).toBe('A study');
  });

  it.each([
    ['cut off', JSON.stringify(study).slice(0, 500), /The study, line 1: this is not valid JSON.*npm run reproduce/],
    ['of something else', '{"format":"permix-evaluation","version":1}', /holds something else/],
    ['null', 'null', /holds something else/],
    ['of another version', JSON.stringify({ ...study, version: 2 }), /another version/],
    ['with a run missing', JSON.stringify({ ...study, seeds: [{ seed: 1, runs: study.seeds[0]!.runs.slice(1) }] }), /runs are missing/],
    ['with another kind of value', JSON.stringify({ ...study, study: null }), /study is not what it should be/],
    ['without seeds', JSON.stringify({ ...study, seeds: [] }), /runs are missing/],
  ])('refuses a file %s with a sentence', (_, text, message) => {
    expect(() => readStudy(text)).toThrow(message);
  });
});

describe('one setting', () => {
  it('is the headline’s first, with the base and its own arms under short names', () => {
    expect(settingsOf(study)).toEqual(['β 0.02', 'β 0']);
    expect(armsOf(study, 'β 0.02').map(({ label }) => label)).toEqual(['Base', 'RLVR', 'PerMix']);
    expect(armsOf(study, 'β 0').map(({ label, runs }) => [label, runs.length])).toEqual([
      ['Base', 3],
      ['RLVR', 3],
    ]);
    expect(claimsOf(study, 'β 0.02').map(({ id }) => id)).toContain('permix-pss');
    expect(claimsOf(study, 'β 0').map(({ id }) => id)).not.toContain('permix-pss');
  });

  it('is averaged over seeds', () => {
    const permix = armsOf(study, 'β 0.02')[2]!;
    const { lottery, shuffledPss } = averages(permix);
    expect(lottery).toHaveLength(study.personas.length);
    expect(lottery[0]).toBeCloseTo(0.8 * (1 + (0.82 - 1) / study.personas.length), 12);
    expect(shuffledPss).toBeCloseTo(0.91, 12);
  });

  it('is the picture: every cell over seeds, and under each column what the claims are judged by', () => {
    const { rows, columns } = studyPicture(study, armsOf(study, 'β 0.02'));
    expect(rows.map(({ personaId }) => personaId)).toEqual([null, ...study.personas.map(({ id }) => id)]);
    const permix = columns.find(({ recipe }) => recipe === 'permix')!;
    expect(permix.cells.slice(0, 2).map((cell) => estimateOf(cell)!.value)).toEqual([0.92, 0.8 * 0.82].map((x) => expect.closeTo(x, 12)));
    expect(permix.chance).toBeCloseTo(0.91, 12);
    for (const column of columns) {
      const foot = footOf(rows, column)!;
      const pss = armValue(study, column.key, 'pss')!;
      const close = (x: number) => expect.closeTo(x, 12);
      expect(foot.pss).toEqual({ value: close(pss.mean), low: close(pss.mean - pss.half!), high: close(pss.mean + pss.half!) });
    }
  });

  it('has curves with what seeds span, and gaps where a number is missing', () => {
    const [base, , permix] = armsOf(study, 'β 0.02');
    expect(seedCurve(base!, ({ reward }) => reward, 0)).toBeNull();
    const runs = permix!.runs.map((run, i) => ({ ...run, curve: { ...run.curve!, reward: [0.1 * i, 0.2, 0.3] } }));
    const rewards = seedCurve({ ...permix!, runs }, ({ reward }) => reward, 0)!;
    expect(rewards.steps).toEqual([1, 2, 3]);
    expect([rewards.low[0], rewards.high[0]]).toEqual([0, 0.2]);
    expect(rewards.line[0]).toBeCloseTo(0.1, 12);
    expect(rewards.line[2]).toBeCloseTo(0.3, 12);
    expect(seedCurve(permix!, ({ kl }) => kl, 0)!.line).toEqual([0, null, expect.closeTo(0.01, 12)]);
  });
});

it('effects as a reader says them', () => {
  expect([gain(1.873), gain(0.9), gain(1), gain(20.4)]).toEqual(['+87.3 %', '−10.0 %', '+0.0 %', '+1940 %']);
  expect([times(1.873), times(12.34), times(20_400), times(null)]).toEqual(['×1.87', '×12.3', '×20400', '–']);
});
