/** Robustness and expected order: against hand-computed cases and a slow τ-b, and what is said where they are not defined. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { declaredOrders, expectation, expectationNotes, shouldNotMatter } from '../../src/evaluate/expectation.ts';
import { tied } from '../../src/ui/evaluate/ties.ts';
import type { Expected, PersonaKind } from '../../src/persona/persona.ts';
import { kendallTauB } from '../../src/statistics/kendall.ts';

/** All pairs, by the definition. */
function slowTau(x: readonly number[], y: readonly number[]): number | null {
  let [sign, onlyX, onlyY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const [dx, dy] = [Math.sign(x[i]! - x[j]!), Math.sign(y[i]! - y[j]!)];
      sign += dx * dy;
      onlyX += dx ** 2;
      onlyY += dy ** 2;
    }
  }
  return onlyX === 0 || onlyY === 0 ? null : sign / Math.sqrt(onlyX * onlyY);
}

describe('τ-b', () => {
  it('is as scipy.stats.kendalltau computes it', () => {
    expect(kendallTauB([1, 2, 3, 4, 5, 6], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])).toBe(1);
    expect(kendallTauB([1, 2, 3], [3, 2, 1])).toBe(-1);
    // kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) of scipy's documentation.
    expect(kendallTauB([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])).toBeCloseTo(-0.47140452079103173, 14);
  });

  it('is not defined where one side is all alike', () => {
    for (const [x, y] of [
      [
        [1, 2],
        [3, 3],
      ],
      [
        [1, 1],
        [2, 3],
      ],
      [[1], [1]],
      [[], []],
    ] as const) {
      expect(kendallTauB(x, y)).toBeNull();
    }
  });

  it('is that of all pairs', () => {
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 8 })), { maxLength: 25 });
    fc.assert(
      fc.property(pairs, (list) => {
        const [x, y] = [list.map(([one]) => one), list.map(([, other]) => other)];
        const slow = slowTau(x, y);
        if (slow === null) expect(kendallTauB(x, y)).toBeNull();
        else expect(kendallTauB(x, y)).toBeCloseTo(slow, 12);
      }),
    );
  });
});

const one = (id: string, kind: PersonaKind, expected?: Expected) => ({ id, kind, ...(expected ? { expected } : {}) });
const level = (rank: number): Expected => ({ order: 'education', rank });
/** N problems, the first n of them right. */
const right = (n: number, problems = 10) => Array.from({ length: problems }, (_, i) => (i < n ? 1 : 0));

describe('what is expected', () => {
  const personas = [
    one('kai', 'neutral', 'same'),
    one('red', 'expert', 'same'),
    one('baker', 'neutral'),
    one('pupil', 'neutral', level(1)),
    one('student', 'neutral', level(2)),
    one('doctor', 'neutral', level(3)),
    one('villain', 'harmful'),
  ];
  const correct = [8, 6, 7, 2, 5, 9, 0].map((n) => right(n));

  it('is asked of those that should not matter, and of orders', () => {
    const { robustness, orders } = expectation(personas, correct, right(9), 1, 1);
    // Kai, red and the baker; the pupil has a rank, and the villain is harmful.
    expect(personas.filter(shouldNotMatter).map(({ id }) => id)).toEqual(['kai', 'red', 'baker']);
    expect(robustness).toMatchObject({ personas: 3, worst: 'red' });
    expect(robustness!.value).toBeCloseTo(0.6 - 0.9, 12);
    expect(robustness!.bootstrap.low).toBeLessThanOrEqual(robustness!.value);
    expect(robustness!.bootstrap.high).toBeGreaterThanOrEqual(robustness!.value);
    expect(robustness!.shuffled.mean).toBeLessThan(0);
    expect(robustness!.shuffled.mean).toBeGreaterThan(robustness!.value);
    expect(orders.map(({ order }) => order)).toEqual(['education', 'kind']);
    expect(orders[0]).toMatchObject({ tau: 1, personas: 3, ranks: 3, why: null });
    expect(orders[1]!.tau).toBeCloseTo(slowTau([2, 3, 2, 2, 2, 2, 1], [8, 6, 7, 2, 5, 9, 0])!, 12);
  });

  it('pulls against PSS: who keeps to an order is not equally right under all', () => {
    const ordered = expectation(
      personas.slice(3, 6),
      [1, 5, 9].map((n) => right(n)),
      right(9),
      1,
      1,
    ).orders[0]!;
    const alike = expectation(
      personas.slice(3, 6),
      [5, 5, 5].map((n) => right(n)),
      right(9),
      1,
      1,
    ).orders[0]!;
    expect(ordered.tau).toBe(1);
    expect(alike).toMatchObject({ tau: null, bootstrap: null, why: 'all its personas are right equally often' });
  });

  it('of too few ranks is not measured, and says why', () => {
    const two = [one('a', 'neutral', level(1)), one('b', 'neutral', level(2)), one('c', 'neutral', level(2))];
    const found = expectation(
      two,
      [1, 2, 3].map((n) => right(n)),
      right(3),
      1,
      1,
    );
    expect(found.orders[0]).toMatchObject({ tau: null, ranks: 2, personas: 3 });
    expect(found.robustness).toBeNull();
    expect(expectationNotes(found, 'tiny')).toEqual([
      expect.stringMatching(/^No robustness/),
      'No τ of the order “education” for tiny: its personas have 2 different ranks, and an order is measured from 3 on.',
    ]);
    const lone = expectation([one('a', 'neutral', level(1))], [right(1)], right(1), 1, 1);
    expect(lone.orders[0]!.why).toMatch(/it has one persona/);
  });

  it('is nothing where nobody declares anything', () => {
    expect(declaredOrders([one('a', 'neutral'), one('b', 'neutral')])).toEqual([]);
    expect(declaredOrders([one('a', 'neutral'), one('b', 'expert')]).map(({ order }) => order)).toEqual(['kind']);
  });

  it('is the same for the same seed, and its interval is narrower for more problems', () => {
    const of = (problems: number) =>
      expectation(
        personas,
        [8, 6, 7, 2, 5, 9, 0].map((n) => right((n * problems) / 10, problems)),
        right((9 * problems) / 10, problems),
        1,
        7,
      );
    expect(of(10)).toEqual(of(10));
    const width = ({ robustness }: ReturnType<typeof of>) => robustness!.bootstrap.high - robustness!.bootstrap.low;
    expect(width(of(400))).toBeLessThan(width(of(10)));
  });
});

it('pairs that are right equally often are counted where their ranks differ', () => {
  const ranked = (list: readonly (readonly [number, number])[]) => list.map(([rank, right]) => ({ rank, right }));
  expect(tied(ranked([]))).toBe(0);
  expect(
    tied(
      ranked([
        [1, 4],
        [2, 4],
        [2, 4],
        [3, 5],
      ]),
    ),
  ).toBe(2);
  expect(
    tied(
      ranked([
        [1, 1],
        [2, 1],
        [3, 1],
      ]),
    ),
  ).toBe(3);
});
