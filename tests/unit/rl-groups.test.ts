/** Groups that say nothing, against the shared vectors. */
import { describe, expect, it } from 'vitest';
import { constantGroups } from '../../src/rl/groups.ts';
import { sharedJson } from '../helpers/shared.ts';

const vectors = sharedJson<{ dynamic_sampling: { groups: number[][]; keep_dapo_nonconstant: boolean[] } }>('vectors/rl_vectors.json');

describe('constantGroups', () => {
  it.skipIf(!vectors)('rl vectors (../shared): dynamic sampling keeps the groups that are not constant', () => {
    const { groups, keep_dapo_nonconstant } = vectors!.dynamic_sampling;
    expect(groups.map((group) => !constantGroups(group, group.length)[0])).toEqual(keep_dapo_nonconstant);
  });

  it('decides by equality, group by group, and leaves missing verdicts out', () => {
    expect(constantGroups([0.1, 0.1, 0, 1, 1, null, null, null], 2)).toEqual([true, false, true, true]);
  });
});
