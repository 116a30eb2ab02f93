/**
 * What the rewards of groups say before any advantage is taken of them (that is the engine's, `engine/engine.ts`).
 */

/** Which groups say nothing: all scored rewards equal, or fewer than two of them. */
export function constantGroups(rewards: readonly (number | null)[], groupSize: number): boolean[] {
  return Array.from({ length: rewards.length / groupSize }, (_, group) =>
    isConstant(scored(rewards.slice(group * groupSize, (group + 1) * groupSize))),
  );
}

function scored(rewards: readonly (number | null)[]): number[] {
  return rewards.filter((reward) => reward !== null);
}

function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}
