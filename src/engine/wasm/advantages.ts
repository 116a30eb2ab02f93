/**
 * Advantages from rewards, group by group, in plain numbers: there are as many as rollouts. The definition, with its sources, is in
 * portable/kernels/group-advantage.ts. A reward that is NaN has no part in anything, and the advantage 0; so has a group of equals.
 */
import advantageShader from '../../../shaders/rl/group-advantage.wgsl';
import { noSuch } from '../../errors.ts';
import type { AdvantageKind } from '../engine.ts';

const epsilon = advantageShader.constants.EPSILON;

/** @param rewards [G * groupSize], group after group */
export function groupAdvantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Float32Array {
  if (rewards.length % groupSize !== 0) throw new Error(`${rewards.length} rewards do not make groups of ${groupSize}`);
  const spread = kind === 'batch-std' ? deviation(scored(rewards)) : 0;
  const advantages = new Float32Array(rewards.length);
  for (let first = 0; first < rewards.length; first += groupSize) {
    const group = scored(rewards.subarray(first, first + groupSize));
    const same = group.every((reward) => reward === group[0]);
    for (let i = first; i < first + groupSize; i++) {
      const reward = rewards[i]!;
      if (Number.isNaN(reward)) continue;
      if (kind === 'none') advantages[i] = reward;
      else if (!same) advantages[i] = compared(reward, group, kind, spread);
    }
  }
  return advantages;
}

const scored = (rewards: Float32Array): number[] => [...rewards].filter((reward) => !Number.isNaN(reward));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of a sample. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** @param spread of the whole batch */
function compared(reward: number, group: readonly number[], kind: Exclude<AdvantageKind, 'none'>, spread: number): number {
  const centred = reward - mean(group);
  switch (kind) {
    case 'group-std':
      return centred / (deviation(group) + epsilon);
    case 'group':
      return centred;
    case 'leave-one-out':
      return (centred * group.length) / (group.length - 1);
    case 'batch-std':
      return centred / (spread + epsilon);
    default:
      return noSuch('advantage', kind);
  }
}
