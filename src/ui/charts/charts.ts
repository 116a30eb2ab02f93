/** The curves under the reward: which metric, its unit, and what it means in one sentence. */
import type { MetricName } from '../../rl/metric-names.ts';
import type { TermId } from '../glossary/terms.ts';

export interface Chart {
  /** The first of these names that the run has. */
  readonly metrics: readonly MetricName[];
  readonly title: string;
  /** Its word in the glossary. */
  readonly term: TermId;
  readonly unit: string;
  readonly meaning: string;
  /** Shown until a number arrives, or where this run has none. */
  readonly absent?: string;
  readonly range?: readonly [number, number];
}

/** Graded on what the run itself asks, so that the rewards of two mixes are no comparison. */
export const rewardChart = {
  names: ['reward'],
  title: 'Reward',
  term: 'reward',
  unit: 'share right; band: spread within groups',
  meaning:
    'Share of right answers among a step’s rollouts. RLVR is graded without personas, PerMix under those of its mix, so the two are no comparison.',
  spread: 'reward_std',
  range: [0, 1],
} as const;

export const charts: readonly Chart[] = [
  {
    metrics: ['entropy'],
    title: 'Entropy',
    term: 'entropy',
    unit: 'nats',
    meaning: 'How undecided the policy is at a token. Near 0 it always says the same.',
  },
  {
    metrics: ['kl'],
    title: 'Distance to the base',
    term: 'kl',
    unit: 'KL, nats',
    meaning: 'How far the policy has moved from where it began, per token.',
    absent: 'measured every 10 steps when beta is 0',
  },
  {
    metrics: ['clip_ratio/region_mean', 'cispo_clip_ratio'],
    title: 'Clipped',
    term: 'clip',
    unit: 'share of tokens',
    meaning: 'Tokens whose update was cut short. It stays 0 with one pass a batch, because nothing has moved yet.',
  },
  {
    metrics: ['completions/mean_length'],
    title: 'Reply length',
    term: 'length',
    unit: 'tokens, mean',
    meaning: 'How long the replies are, whether they ended or were cut off.',
  },
  {
    metrics: ['grad_norm'],
    title: 'Gradient norm',
    term: 'gradient',
    unit: 'before clipping',
    meaning: 'How strongly a step pulls at the weights. Sudden spikes are a warning.',
  },
  {
    metrics: ['tokens_per_second'],
    title: 'Speed',
    term: 'time',
    unit: 'tokens a second',
    meaning: 'Prompt and completion tokens that went through the policy in a second of a step.',
  },
];
