/** The picture as data: what a cell says, what stands under a column, what is left empty, and its sentences. */
import { describe, expect, it } from 'vitest';
import { stability } from '../../src/evaluate/stability.ts';
import { personaGroup } from '../../src/persona/groups.ts';
import { personas, voices } from '../../src/persona/world.ts';
import { recipeNames } from '../../src/rl/config.ts';
import { estimateOf, footOf, inOrder, rowsOf, worstRows, type Cell, type PictureColumn } from '../../src/evaluate/picture.ts';
import { cellNote, cellWords, footLines } from '../../src/evaluate/picture-words.ts';
import { colourAt } from '../../src/state/voices.ts';

const rows = rowsOf(personaGroup(personas, 'voices'), voices);
const of = (right: number, total = 50): Cell => ({ right, total });
const column = (cells: readonly (Cell | null)[], more: Partial<PictureColumn> = {}): PictureColumn => ({
  key: 'a',
  label: 'RLVR',
  recipe: 'rlvr',
  cells,
  ...more,
});
const counts = [45, 40, 35, 30, 25, 20, 15, 10, 5];
const full = column(counts.map((right) => of(right)));

it('has no persona first, then the personas in their voices’ colours', () => {
  expect(rows.map(({ label }) => label).slice(0, 3)).toEqual(['No persona', 'Professor', 'Robot']);
  expect(rows.map(({ voice }) => colourAt(voice))).toEqual(['var(--voice-none)', ...voices.map((_, i) => `var(--voice-${i + 1})`)]);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(9);
});

it('has base, RLVR and PerMix first, in whatever order they come; the others keep theirs', () => {
  const columns = recipeNames.toReversed().map((recipe) => column([], { recipe }));
  expect(inOrder(columns).map(({ recipe }) => recipe)).toEqual(['base', 'rlvr', 'permix', 'custom', 'distill', 'sft']);
  const twice = ['b', 'a'].map((key) => column([], { key }));
  expect(inOrder(twice).map(({ key }) => key)).toEqual(['b', 'a']);
});

describe('a cell', () => {
  it('is a share with Wilson’s interval over problems', () => {
    const { value, low, high } = estimateOf(of(36))!;
    expect(value).toBe(0.72);
    expect([low, high]).toEqual([expect.closeTo(0.583, 3), expect.closeTo(0.825, 3)]);
    // Four replies to each problem tell no more than their problems.
    expect(estimateOf({ right: 144, total: 200, problems: 50 })).toEqual(estimateOf(of(36)));
  });

  it('over seeds is a mean with Student’s interval, of shares; one seed has none', () => {
    const { value, low, high } = estimateOf({ values: [0.5, 0.6, 0.7] })!;
    expect([value, low, high]).toEqual([expect.closeTo(0.6, 12), expect.closeTo(0.6 - 0.2484, 4), expect.closeTo(0.6 + 0.2484, 4)]);
    expect(estimateOf({ values: [1, 0.9] })!.high).toBe(1);
    expect(estimateOf({ values: [0.5] })).toEqual({ value: 0.5, low: null, high: null });
  });

  it('without an answer is empty', () => {
    for (const cell of [null, of(0, 0), { values: [] }]) {
      expect(estimateOf(cell)).toBeNull();
      expect(cellNote(cell)).toBe('');
      expect(cellWords(rows[1]!, full, cell, false)).toBe('Professor, RLVR: no answer yet');
    }
  });
});

describe('under a column', () => {
  it('stands what an evaluation says of the same counts, without no persona', () => {
    const { worst, mean, spread, pss } = footOf(rows, full)!;
    const all = stability({ correct: counts.slice(1).map((right) => [right]), samples: 50 }, 0.9);
    expect([worst.value, mean.value, spread.value, pss.value]).toEqual(
      [all.min, all.mean, all.spread, all.pss].map((x) => expect.closeTo(x, 12)),
    );
    expect([worst.low, pss.high]).toEqual([null, null]);
  });

  it('stands nothing until every persona has an answer, or where there are none to compare', () => {
    const waiting = full.cells.with(4, null);
    expect(footOf(rows, column(waiting))).toBeNull();
    expect(worstRows(rows, column(waiting))).toEqual([]);
    expect(footOf(rows, column([]))).toBeNull();
    expect(footOf(rows, column(full.cells.with(0, null)))).toEqual(footOf(rows, full));
    expect(footOf(rows.slice(0, 2), full)).toBeNull();
  });

  it('stands the mean over seeds of each seed’s own, not that of the means', () => {
    const two = rows.slice(0, 3);
    const seeds = column([{ values: [1, 1] }, { values: [0.2, 0.8] }, { values: [0.8, 0.4] }]);
    const { worst, pss, spread } = footOf(two, seeds)!;
    expect(worst.value).toBeCloseTo(0.3, 12);
    expect(pss.value).toBeCloseTo((0.25 + 0.5) / 2, 12);
    expect(spread.value).toBeCloseTo(0.5, 12);
    expect(pss.low).toBe(0);
    expect(worstRows(two, seeds)).toEqual([1]);
    expect(footOf(two, column([null, { values: [0.2, 0.8] }, { values: [0.8] }]))).toBeNull();
  });

  it('is never NaN: a policy that is always wrong has a PSS of 0', () => {
    const wrong = column(counts.map(() => of(0)));
    const said = footLines.map(({ text }) => text(footOf(rows, wrong)!));
    expect(said.map(({ value }) => value)).toEqual(['0', '0', '0', '0.00']);
    expect(said.map(({ note }) => note)).toEqual(['', '', '', '']);
  });

  it('says its intervals in few characters', () => {
    const seeds = column(counts.map((_, i) => ({ values: [0.9 - 0.02 * i, 0.91 - 0.02 * i] })));
    const said = footLines.map(({ key, text }) => [key, text(footOf(rows, seeds)!)]);
    expect(said).toEqual([
      ['worst', { value: '75', note: '68–81' }],
      ['mean', { value: '82', note: '75–88' }],
      ['spread', { value: '14', note: '14–14' }],
      ['pss', { value: '0.84', note: '.83–.85' }],
    ]);
  });

  it('marks every worst row, and none where all are alike', () => {
    expect(worstRows(rows, full)).toEqual([8]);
    expect(worstRows(rows, column(full.cells.with(3, of(5))))).toEqual([3, 8]);
    expect(worstRows(rows, column(full.cells.with(0, of(0))))).toEqual([8]);
    expect(worstRows(rows, column(counts.map(() => of(7))))).toEqual([]);
  });
});

describe('in words', () => {
  it.each<[Cell, boolean, string, string]>([
    [of(36), false, 'Robot, RLVR: 72 % right, 36 of 50, 95 % interval 58 to 83 %', 'n 50'],
    [of(36), true, 'Robot, RLVR: 72 % right, 36 of 50, 95 % interval 58 to 83 %; the worst persona of its column', 'n 50'],
    [
      { right: 144, total: 200, problems: 50 },
      false,
      'Robot, RLVR: 72 % right, 144 of 200 replies to 50 problems, 95 % interval 58 to 83 %',
      'n 50',
    ],
    [{ values: [0.9, 0.92] }, false, 'Robot, RLVR: 91 % right, 2 seeds, 95 % interval 78 to 100 %', '78–100'],
    [{ values: [0.9] }, false, 'Robot, RLVR: 90 % right, 1 seed', ''],
  ])('%j', (cell, worst, words, note) => {
    expect(cellWords(rows[2]!, full, cell, worst)).toBe(words);
    expect(cellNote(cell)).toBe(note);
  });

  it('a persona that was held out is said to be', () => {
    const [persona] = personaGroup(personas, 'held-out');
    expect(cellWords(rowsOf([persona!], voices)[1]!, full, of(1), false)).toMatch(/^Careless professor, held out, RLVR: 2 % right/);
  });
});
