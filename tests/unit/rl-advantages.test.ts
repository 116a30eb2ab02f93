/** Advantages, in float64, against the shared vectors and by their properties. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantGroups, groupAdvantages } from '../../src/rl/advantages.ts';
import type { AdvantageKind } from '../../src/rl/config.ts';
import { sharedJson } from '../helpers/shared.ts';

interface Vectors {
  advantages: {
    cases: {
      name: string;
      rewards: (number | null)[];
      group_size: number;
      expected: Record<string, number[]>;
      group_constant?: boolean[];
    }[];
  };
  dynamic_sampling: { groups: number[][]; keep_dapo_nonconstant: boolean[] };
}
const vectors = sharedJson<Vectors>('vectors/rl_vectors.json');
const columns: Record<string, AdvantageKind> = {
  trl_group: 'group-std',
  trl_batch: 'batch-std',
  'trl_none(dr_grpo)': 'group',
  rloo: 'leave-one-out',
};
const kinds: AdvantageKind[] = ['group-std', 'group', 'leave-one-out', 'batch-std'];

describe.skipIf(!vectors)('rl vectors (../shared)', () => {
  for (const { name, rewards, group_size, expected } of vectors?.advantages.cases ?? []) {
    if (group_size < 2) continue; // rejected here; see below
    for (const [column, kind] of Object.entries(columns)) {
      const want = expected[column];
      if (!want) continue;
      it(`${name}: ${kind}`, () => {
        groupAdvantages(rewards, group_size, kind).forEach((advantage, i) => expect(advantage).toBeCloseTo(want[i]!, 9));
      });
    }
  }

  it('dynamic sampling keeps the groups that are not constant', () => {
    const { groups, keep_dapo_nonconstant } = vectors!.dynamic_sampling;
    expect(groups.map((group) => !constantGroups(group, group.length)[0])).toEqual(keep_dapo_nonconstant);
  });
});

describe('groupAdvantages', () => {
  it('worked by hand: one right of four', () => {
    const a = groupAdvantages([1, 0, 0, 0], 4, 'group-std'); // mean 1/4, deviation 1/2
    expect([...a]).toEqual([0.75, -0.25, -0.25, -0.25].map((d) => d * (1 / 0.5001)));
    expect([...groupAdvantages([1, 0, 0, 0], 4, 'group')]).toEqual([0.75, -0.25, -0.25, -0.25]);
    expect(groupAdvantages([1, 0, 0, 0], 4, 'leave-one-out')[0]).toBe(1);
  });

  it('rejects groups of one', () => {
    expect(() => groupAdvantages([1, 0], 1, 'group-std')).toThrow(/group size to 2/);
  });

  it('is exactly 0 for a constant group, whatever rounding makes of its mean', () => {
    for (const kind of kinds)
      expect([...groupAdvantages([...Array(8).fill(0.1), 0, 1, 1, 1, 0, 0, 0, 0], 8, kind)].slice(0, 8)).toEqual(Array(8).fill(0));
  });

  it('leaves rollouts without a verdict out of every statistic', () => {
    for (const kind of kinds) {
      const with3 = groupAdvantages([1, 0, 0, 0.5, 0, 1], 3, kind);
      const padded = groupAdvantages([1, null, 0, 0, 0.5, 0, null, 1], 4, kind);
      expect([...padded].filter((_, i) => i !== 1 && i !== 6)).toEqual([...with3]);
      expect([padded[1], padded[6]]).toEqual([0, 0]);
    }
    expect([...groupAdvantages([1, null, null, 1], 2, 'group-std')]).toEqual([0, 0, 0, 0]);
  });

  it('properties: centred per group, blind to a shift, groups independent', () => {
    const rewards = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(rewards, fc.constantFrom(...kinds), fc.integer({ min: -8, max: 8 }), (values, kind, shift) => {
        const a = groupAdvantages(values, 4, kind);
        for (let g = 0; g < 12; g += 4) expect(Math.abs(a.slice(g, g + 4).reduce((sum, x) => sum + x, 0))).toBeLessThan(1e-6);
        const shifted = groupAdvantages(
          values.map((r) => r + shift),
          4,
          kind,
        );
        // A shift rounds tiny rewards away, so only batches without them compare.
        if (values.every((r) => Math.abs(r) > 1e-3)) shifted.forEach((x, i) => expect(x).toBeCloseTo(a[i]!, 6));
        if (kind !== 'batch-std') {
          const alone = groupAdvantages(values.slice(4, 8), 4, kind);
          expect([...a.slice(4, 8)]).toEqual([...alone]);
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});
