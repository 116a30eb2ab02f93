/** Reads the newest steps like an experienced colleague would, and says what stands out. Pure. */
import { mean } from '../statistics/moments.ts';
import type { NoticeLevel } from '../worker/api.ts';
import type { Metrics } from './metrics.svelte.ts';
import { smooth } from './series.ts';

export interface Finding {
  readonly level: 'good' | NoticeLevel;
  readonly title: string;
  readonly text: string;
}

function tail(column: ArrayLike<number> | null, count: number): number[] {
  if (!column) return [];
  return Array.from(column)
    .slice(-count)
    .filter((value) => Number.isFinite(value));
}

/** Most serious first; one calm sentence where nothing stands out. */
export function examine(metrics: Metrics): Finding[] {
  const steps = metrics.length;
  if (steps === 0) return [];
  const found: Finding[] = [];

  const losses = metrics.column('loss');
  const gradients = metrics.column('grad_norm');
  const broken = [losses, gradients].some((column) => column && Math.abs(column[steps - 1]!) === Infinity);
  const skipped = tail(metrics.column('skipped_updates'), 10).filter((value) => value > 0).length;
  if (broken || skipped > 0) {
    found.push({
      level: 'error',
      title: 'Non-finite step',
      text: 'A loss or gradient was not a number, so that update was skipped and the weights stayed as they were. A lower learning rate usually cures it.',
    });
  }

  const constant = tail(metrics.column('frac_reward_zero_std'), 3);
  if (constant.length && mean(constant) >= 0.999) {
    const reward = metrics.latest('reward') ?? 0;
    found.push({
      level: 'warning',
      title: 'Nothing to compare',
      text:
        reward > 0.5
          ? 'Every group is all right, so no rollout is better than its neighbours and nothing is learnt. Try a harder task.'
          : 'Every group is all wrong, so no rollout is better than its neighbours and nothing is learnt. Try an easier task or larger groups.',
    });
  }

  const truncated = tail(metrics.column('completions/clipped_ratio'), 3);
  if (truncated.length && mean(truncated) > 0.5) {
    found.push({
      level: 'warning',
      title: 'Cut off',
      text: `${Math.round(100 * mean(truncated))} % of the replies hit the length limit before they ended. Raise the longest reply.`,
    });
  }

  const entropy = metrics.column('entropy');
  const early = tail(entropy?.subarray(0, 5) ?? null, 5);
  const late = tail(entropy, 5);
  if (steps >= 15 && early.length && late.length && mean(late) < 0.2 * mean(early)) {
    found.push({
      level: 'warning',
      title: 'Entropy collapse',
      text: 'The policy has stopped trying other replies. A larger beta or an entropy bonus keeps it curious; a lower learning rate slows the fall.',
    });
  }

  const difference = metrics.latest('sampling/sampling_logp_difference/mean');
  if (difference !== null && difference > 1e-3) {
    found.push({
      level: 'warning',
      title: 'Sampler and trainer disagree',
      text: `Their log-probs differ by ${difference.toPrecision(2)} nats on average; on one engine that should be nearly 0.`,
    });
  }

  const reward = metrics.column('reward');
  if (reward && steps >= 10) {
    const line = smooth(reward, 0.8).filter((value): value is number => value !== null);
    const change = mean(line.slice(-5)) - mean(line.slice(0, 5));
    if (change > 0.05) {
      found.push({ level: 'good', title: 'Reward is rising', text: `By ${change.toFixed(2)} since the first steps, smoothed.` });
    } else if (change < -0.05) {
      found.push({
        level: 'warning',
        title: 'Reward is falling',
        text: `By ${(-change).toFixed(2)} since the first steps, smoothed. A lower learning rate or a larger beta is the usual answer.`,
      });
    }
  }

  const rank: Readonly<Record<Finding['level'], number>> = { error: 0, warning: 1, good: 2, info: 3 };
  found.sort((a, b) => rank[a.level] - rank[b.level]);
  if (found.length) return found;
  return [
    {
      level: 'info',
      title: 'Nothing unusual',
      text: steps < 10 ? 'Too early for a trend; ten steps will show one.' : 'Reward is about level.',
    },
  ];
}
