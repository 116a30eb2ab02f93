/**
 * What the rewards of groups say before any advantage is taken of them (that is the engine's, `engine/engine.ts`).
 */

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
