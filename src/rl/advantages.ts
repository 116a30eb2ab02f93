/**
 * Rewards of a batch of rollouts → one advantage per rollout, on the host in float64.
 * It is not the loss (`objectives.ts`) and not the reward (`verify/`, `shaping.ts`).
 *
 * Definitions as in TRL's grpo_trainer (`scale_rewards` group / batch / none) and rloo_trainer; `leave-one-out` is
 * Ahmadian et al., "Back to Basics", 2024; `group` is Dr. GRPO (Liu et al. 2025).
 */
import { LabError } from '../errors.ts';
import type { AdvantageKind } from './config.ts';

/** Added to a standard deviation before dividing by it (TRL). */
const epsilon = 1e-4;

/**
 * @param rewards [n * groupSize], the rollouts of a group consecutive; null: no verdict, excluded from every statistic, advantage 0
 * @returns [n * groupSize]. A group whose scored rewards are all equal gets exactly 0, except under `none`.
 */
export function groupAdvantages(rewards: readonly (number | null)[], groupSize: number, kind: AdvantageKind): Float64Array {
  if (groupSize < 2) {
    throw new LabError('config', `A group of ${groupSize} rollout has nothing to be compared with.`, 'Set the group size to 2 or more.');
  }
  if (rewards.length % groupSize !== 0) throw new Error(`${rewards.length} rewards do not divide into groups of ${groupSize}`);
  const advantages = new Float64Array(rewards.length);
  const batchDeviation = kind === 'batch-std' ? deviation(scored(rewards)) : 0;
  for (let first = 0; first < rewards.length; first += groupSize) {
    const group = rewards.slice(first, first + groupSize);
    const known = scored(group);
    // Equality decides, not the deviation: eight rewards of 0.1 can have a deviation of 1e-9 and blow up.
    if (kind !== 'none' && isConstant(known)) continue;
    const baseline = mean(known);
    const scale =
      kind === 'group-std'
        ? 1 / (deviation(known) + epsilon)
        : kind === 'batch-std'
          ? 1 / (batchDeviation + epsilon)
          : kind === 'leave-one-out'
            ? known.length / (known.length - 1) // r - mean of the others = (r - mean) n / (n - 1)
            : 1;
    group.forEach((reward, i) => {
      if (reward !== null) advantages[first + i] = kind === 'none' ? reward : (reward - baseline) * scale;
    });
  }
  return advantages;
}

/** Which groups say nothing: all scored rewards equal, or fewer than two of them. */
export function constantGroups(rewards: readonly (number | null)[], groupSize: number): boolean[] {
  return Array.from({ length: rewards.length / groupSize }, (_, group) =>
    isConstant(scored(rewards.slice(group * groupSize, (group + 1) * groupSize))),
  );
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation (ddof 1); 0 for fewer than two values. */
export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

function scored(rewards: readonly (number | null)[]): number[] {
  return rewards.filter((reward) => reward !== null);
}

function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}
