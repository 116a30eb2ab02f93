/**
 * Advantages of one group in float64 on the host, for showing what another objective would have taken. A run's own advantages are the
 * engine's (`engine.advantages`, whose comment has the definitions); tests/unit/token-term.test.ts holds this to the same reference.
 */
import type { AdvantageKind } from '../engine/engine.ts';
import { noSuch } from '../errors.ts';
import { mean, sampleStd } from '../statistics/moments.ts';

/** What keeps a deviation of nothing from dividing by 0; TRL's. */
export const advantageEpsilon = 1e-4;

/** What a row's advantage is made of. */
export interface GroupMoments {
  readonly mean: number;
  /** Sample deviation of the group. */
  readonly std: number;
  readonly size: number;
  /** All rewards are equal: the advantage is 0, whatever the moments say. */
  readonly equal: boolean;
}

export function groupMoments(rewards: readonly number[]): GroupMoments {
  return { mean: mean(rewards), std: sampleStd(rewards), size: rewards.length, equal: rewards.every((one) => one === rewards[0]) };
}

/** @param batchStd sample deviation of all rewards of the step, which only `batch-std` reads */
export function advantageOf(reward: number, group: GroupMoments, kind: AdvantageKind, batchStd: number): number {
  if (kind === 'none') return reward;
  if (group.equal) return 0;
  const centred = reward - group.mean;
  switch (kind) {
    case 'group-std':
      return centred / (group.std + advantageEpsilon);
    case 'group':
      return centred;
    case 'leave-one-out':
      return (centred * group.size) / (group.size - 1);
    case 'batch-std':
      return centred / (batchStd + advantageEpsilon);
    default:
      return noSuch('advantage', kind);
  }
}
