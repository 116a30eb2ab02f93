/** A class's runs as one picture: who stands where, what is counted once, what is left out and why, and the numbers, reckoned by hand. */
import { describe, expect, it } from 'vitest';
import type { HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import { estimateOf, footOf } from '../../src/evaluate/picture.ts';
import { pictureCsv, pictureSvg } from '../../src/exchange/picture-file.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { apart, claimSentence, classCaption, classCurve, classHeading, classOf, classReplies, type ClassRun } from '../../src/run/class.ts';

/** Ten questions to no persona and two voices; so many right of each. */
function asked(step: number, [none, professor, robot]: readonly [number, number, number], questions = 10): HeldOutEvaluation {
  const row = (name: string, personaId: string | null, right: number) => ({
    row: name,
    personaId,
    replies: Array.from({ length: questions }, (_, i) => ({
      question: `${i} + 1?`,
      answer: String(i + 1),
      text: '',
      correct: i < right,
      parsed: null,
      reason: '',
    })),
  });
  const rows = [row('none', null, none), row('professor', 'brilliant-professor', professor), row('robot', 'usual-robot', robot)];
  return { step, rows, seconds: 1 };
}

const before = asked(0, [5, 8, 2]);
function student(name: string, config: RunConfig, seed: number, right: readonly [number, number, number], step = 100): ClassRun {
  return { name, run: { config: { ...config, seed } }, heldOut: [before, asked(step, right)] };
}

const runs = [
  student('ana', recipes.permix, 1, [10, 10, 8]),
  student('bo', recipes.permix, 2, [10, 9, 10]),
  student('PerMix, seed 3', recipes.permix, 3, [10, 10, 9]),
  student('di', recipes.rlvr, 2, [10, 8, 4]),
  student('ed', recipes.rlvr, 1, [9, 10, 6]),
];

describe('a class', () => {
  const { experiments, leftOut } = classOf(runs);
  const [experiment] = experiments;
  const { picture } = experiment!;
  const column = (label: string) => picture.columns.find((one) => one.label === label)!;

  it('is one picture: the base before training, and a column a recipe with its seeds in order', () => {
    expect([experiments.length, leftOut]).toEqual([1, []]);
    expect(picture.rows.map(({ label }) => label)).toEqual(['No persona', 'Brilliant professor', 'Robot']);
    expect(picture.columns.map(({ label, detail }) => [label, detail])).toEqual([
      ['Base', 'before training'],
      ['RLVR', '2 seeds'],
      ['PerMix', '3 seeds'],
    ]);
    expect(column('RLVR').cells).toEqual([{ values: [0.9, 1] }, { values: [1, 0.8] }, { values: [0.6, 0.4] }]);
    expect(classCaption(experiment!)).toBe(
      '5 trainings, 10 held-out questions a row (addition and subtraction) after step 100, the most likely reply',
    );
  });

  it('means are over seeds, with Student’s interval; the base is one policy, with as many questions as were asked', () => {
    // Professor under PerMix: 1, .9, 1. Mean .9667, s .0577, t(.975, 2) = 4.3027, so ± .1434; beyond 1 is cut off.
    expect(estimateOf(column('PerMix').cells[1]!)).toEqual({ value: expect.closeTo(0.96667, 5), low: expect.closeTo(0.82323, 4), high: 1 });
    expect(column('Base').cells).toEqual([5, 8, 2].map((right) => ({ right, total: 10 })));
    // PSS of each seed, then the mean: .8, .9, .9.
    expect(footOf(picture.rows, column('PerMix'))!.pss.value).toBeCloseTo(0.8667, 4);
    // Worst of each seed: .6, .4. Mean .5, s .1414, t(.975, 1) = 12.706, so wider than [0, 1].
    expect(footOf(picture.rows, column('RLVR'))!.worst).toEqual({ value: expect.closeTo(0.5, 9), low: 0, high: 1 });
    expect(footOf(picture.rows, column('Base'))!.pss).toEqual({ value: 0.25, low: null, high: null });
  });

  it('behind a cell is what each of its runs said, and behind the base what the one policy did', () => {
    const behind = (row: string, label: string) =>
      classReplies(experiment!, { row, column: column(label).key }).map(({ whose, replies }) => [
        whose,
        replies.filter(({ correct }) => correct).length,
      ]);
    expect(behind('robot', 'PerMix')).toEqual([
      ['ana, seed 1', 8],
      ['bo, seed 2', 10],
      ['PerMix, seed 3', 9],
    ]);
    expect(behind('professor', 'Base')).toEqual([['', 8]]);
    expect(behind('pirate', 'RLVR')).toEqual([]);
  });

  it('seeds that both were trained with decide between them', () => {
    // Seed 1: .8 / .6, seed 2: .9 / .5. Logarithms .28768, .58779; mean .43773.
    expect(experiment!.claim).toMatchObject({ seeds: 2, ratio: expect.closeTo(1.5492, 4), verdict: 'undecided' });
    expect(claimSentence(experiment!.claim!)).toMatch(
      /^PSS of PerMix over that of RLVR: ×1\.55, 95 % interval ×0\.23 to ×10\.4\d, 2 seeds of both\.$/,
    );
    expect(claimSentence(classOf([runs[0]!, runs[4]!]).experiments[0]!.claim!)).toMatch(
      /: ×1\.33, 1 seed of both\. One seed has no interval\.$/,
    );
  });

  it('curves are of the steps that all seeds were asked at', () => {
    const longer = { ...runs[4]!, heldOut: [before, asked(50, [5, 6, 3]), ...runs[4]!.heldOut.slice(1)] };
    const { columns } = classOf([longer, runs[3]!]).experiments[0]!;
    expect(classCurve(columns[0]!, 'eval/worst')).toEqual({ steps: [0, 100], line: [0.2, 0.5], low: [0.2, 0.4], high: [0.2, 0.6] });
  });

  it('is written as a table and drawn, escaped', () => {
    const lines = pictureCsv(picture).split('\r\n');
    expect(lines[0]).toMatch(/^row,Base,"Base, low","Base, high","Base, n",RLVR,/);
    expect(lines.map((line) => line.split(',')[0])).toEqual([
      'row',
      'No persona',
      'Brilliant professor',
      'Robot',
      'Worst persona',
      'Mean',
      'Spread',
      'PSS',
      'PSS by chance',
      '',
    ]);
    // RLVR, Robot: the mean, no wider than [0, 1], of two.
    expect(lines[3]!.split(',').slice(5, 9)).toEqual(['0.5', '0', '1', '2']);
    const svg = pictureSvg(picture, classHeading, '<b>&');
    expect(svg).toMatch(/^<svg [^]*&lt;b&gt;&amp;[^]*Robot, RLVR: 50 % right, 2 seeds[^]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|undefined|prefers-color-scheme/);
  });
});

describe('what differs', () => {
  it('a seed counts once, and who has it again is said', () => {
    const { experiments, leftOut } = classOf([...runs, student('fy', recipes.rlvr, 1, [0, 0, 0])]);
    expect(leftOut).toEqual(['fy has seed 1 of RLVR, as ed has: a seed counts once.']);
    expect(experiments[0]!.runs).toBe(5);
  });

  it('one seed has no interval', () => {
    const { picture } = classOf([runs[0]!]).experiments[0]!;
    expect(picture.columns.map(({ detail }) => detail)).toEqual(['before training', '1 seed']);
    expect(estimateOf(picture.columns[1]!.cells[0]!)).toEqual({ value: 1, low: null, high: null });
  });

  it('other settings stand apart, and say what they are', () => {
    const { permix } = recipes;
    const others = [
      student('fast', { ...permix, recipe: 'custom', optim: { ...permix.optim, learningRate: 1e-3 } }, 4, [9, 9, 9]),
      student('early', permix, 5, [9, 9, 9], 40),
      student('sums', { ...permix, tasks: [{ id: 'comparing', weight: 1 }] }, 6, [9, 9, 9]),
      { ...student('few', permix, 7, [9, 9, 9]), heldOut: [before, asked(100, [5, 5, 5], 5)] },
      student('cut', { ...permix, optim: { ...permix.optim, microBatchRows: 32 } }, 8, [9, 9, 9]),
    ];
    const { experiments, leftOut } = classOf([...others, ...runs]);
    expect(leftOut).toEqual([]);
    const [first, ...rest] = experiments;
    expect([first!.runs, rest.map(({ runs: count }) => count)]).toEqual([6, [1, 1, 1, 1]]);
    expect(rest.map(({ settings, columns }) => [columns[0]!.seeds[0]!.name, columns[0]!.title, apart(first!.settings, settings)])).toEqual([
      ['fast', 'PerMix', 'lr 0.001 instead of 0.0003'],
      ['early', 'PerMix', 'last asked after step 40 instead of 100'],
      ['sums', 'PerMix', 'tasks comparing instead of addition'],
      ['few', 'PerMix', '5 held-out questions instead of 10'],
    ]);
  });

  it('another mix or objective is a column of its own', () => {
    const { permix } = recipes;
    const own = student('own', { ...permix, recipe: 'custom', mix: { ...permix.mix, noneShare: 0.25 } }, 1, [9, 9, 9]);
    const noKl = student('nokl', { ...permix, objective: { ...permix.objective, beta: 0.5 } }, 1, [9, 9, 9]);
    const { experiments } = classOf([...runs, own, noKl]);
    expect(experiments[0]!.picture.columns.map(({ label }) => label)).toEqual([
      'Base',
      'RLVR',
      'PerMix',
      'PerMix, beta\u00a00.5',
      'Own settings, no persona\u00a025\u00a0%',
    ]);
  });

  it('two mixes of the reader’s own are two columns with names of their own', () => {
    const mixed = (weights: Record<string, number>): RunConfig => ({
      ...recipes.permix,
      recipe: 'custom',
      mix: { ...recipes.permix.mix, weights },
    });
    const [one] = classOf([
      student('fo', mixed({ 'usual-robot': 1 }), 1, [10, 9, 9]),
      student('gi', mixed({ 'usual-pirate': 1 }), 1, [10, 8, 8]),
    ]).experiments;
    const labels = one!.picture.columns.map(({ label }) => label);
    expect(new Set(labels).size).toBe(3);
    expect(labels[2]).toBe(`${labels[1]} (2)`);
  });

  it('runs that say nothing are left out in a sentence', () => {
    const silent = { ...runs[0]!, name: 'silent', heldOut: [] };
    const untrained = { ...runs[0]!, name: 'untrained', heldOut: [before] };
    const { experiments, leftOut } = classOf([silent, untrained, student('base', recipes.base, 1, [5, 8, 2])]);
    expect(experiments).toEqual([]);
    expect(leftOut).toEqual([
      'silent asked no held-out questions on its way, so there is nothing to show of it.',
      'untrained needs at least 10 steps (its questions are asked every 10); continue it.',
      'base learns nothing: the base column is what every run answered before its first step.',
    ]);
  });
});
