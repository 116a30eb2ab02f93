/** The metrics of a step by name, each named once: what the trainer reports, the files hold and the page draws. How they are computed is in `metrics.ts`. */
import { rewardNames, type RewardName } from '../verify/reward-names.ts';
import { stepPhases } from './phases.ts';

/** Beside correctness, which is always measured. */
const otherRewards = rewardNames.filter((name): name is Exclude<RewardName, 'correct'> => name !== 'correct');

/** What differs from one machine or hour to another; `timing_s/…` as in verl. */
export const timingNames = ['step_time', 'tokens_per_second', ...stepPhases.map((phase) => `timing_s/${phase}` as const)] as const;

/** TRL's names exactly, where TRL has one (its documentation, grpo_trainer.md). */
export const metricNames = [
  'reward',
  'reward_std',
  'frac_reward_zero_std',
  'groups/frac_all_correct',
  'groups/frac_all_wrong',
  'rewards/correct/mean',
  'rewards/correct/std',
  ...otherRewards.flatMap((name) => [`rewards/${name}/mean`, `rewards/${name}/std`] as const),
  'rewards/soft_overlong/mean',
  'rewards/soft_overlong/std',
  'completions/mean_length',
  'completions/min_length',
  'completions/max_length',
  'completions/mean_terminated_length',
  'completions/min_terminated_length',
  'completions/max_terminated_length',
  'completions/clipped_ratio',
  'entropy',
  'kl',
  'loss',
  'policy_loss',
  'grad_norm',
  'skipped_updates',
  'sampling/sampling_logp_difference/mean',
  'sampling/sampling_logp_difference/max',
  'ratio_max',
  'cispo_clip_ratio',
  'clip_ratio/low_mean',
  'clip_ratio/low_min',
  'clip_ratio/high_mean',
  'clip_ratio/high_max',
  'clip_ratio/region_mean',
  'learning_rate',
  'num_tokens',
  ...timingNames,
] as const;
export type MetricName = (typeof metricNames)[number];

export const isTiming = (metric: string): boolean => timingNames.some((name) => name === metric);
