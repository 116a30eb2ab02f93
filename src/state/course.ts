/** How a run went, in as many numbers as a small line has room for: the worst voice on held-out questions, else the reward. */
import { heldOutMetrics } from '../evaluate/held-out.ts';
import { mean } from '../statistics/moments.ts';
import type { RunHistory } from '../worker/api.ts';

export interface Course {
  readonly of: 'worst voice' | 'reward';
  /** Ascending steps. */
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** More are drawn as means of neighbours. */
const mostPoints = 40;

/** Null for a run that has not made two of either. */
export function courseOf({ heldOut, steps }: Pick<RunHistory, 'heldOut' | 'steps'>): Course | null {
  const asked = heldOut.flatMap((evaluation) => {
    const value = heldOutMetrics(evaluation)['eval/worst'];
    return value === undefined || Number.isNaN(value) ? [] : [{ step: evaluation.step, value }];
  });
  if (asked.length > 1) return { of: 'worst voice', points: thinned(asked) };
  const rewards = steps.flatMap(({ step, metrics: { reward } }) =>
    reward === undefined || Number.isNaN(reward) ? [] : [{ step, value: reward }],
  );
  return rewards.length > 1 ? { of: 'reward', points: thinned(rewards) } : null;
}

function thinned(points: Course['points']): Course['points'] {
  const width = Math.ceil(points.length / mostPoints);
  return Array.from({ length: Math.ceil(points.length / width) }, (_, i) => {
    const some = points.slice(i * width, (i + 1) * width);
    return { step: some.at(-1)!.step, value: mean(some.map(({ value }) => value)) };
  });
}
