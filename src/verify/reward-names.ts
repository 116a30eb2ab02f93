/** The rewards of a run by name, and what a configuration says of each. What they are worth is `rewards.ts`. */

/** By the names under which their metrics stand, `rewards/correct/mean`. */
export const rewardNames = [
  'correct',
  'exact',
  'format',
  'think_answer',
  'max_words',
  'contains',
  'ends_with',
  'matches',
  'no_commas',
  'lowercase',
] as const;
export type RewardName = (typeof rewardNames)[number];

/** One part of a run's reward. */
export interface RewardChoice {
  readonly name: RewardName;
  /** What its value is multiplied by; below 0 it is a punishment. */
  readonly weight: number;
  /** `max_words`: how many. */
  readonly most?: number;
  /** `contains` and `ends_with`: what. */
  readonly text?: string;
  /** `matches`: a regular expression as JavaScript writes it, read with the flag `u`; and more flags for it, of `i`, `m` and `s`. */
  readonly pattern?: string;
  readonly flags?: string;
}

export const rewardFields = ['most', 'text', 'pattern', 'flags'] as const;
export type RewardField = (typeof rewardFields)[number];

/** Which of them needs what beside its weight, and what one may say. */
export const rewardNeeds: Readonly<Partial<Record<RewardName, RewardField>>> = {
  max_words: 'most',
  contains: 'text',
  ends_with: 'text',
  matches: 'pattern',
};
export const rewardMay: Readonly<Partial<Record<RewardName, RewardField>>> = { matches: 'flags' };

/** Where a configuration names none. */
export const usualRewards: readonly RewardChoice[] = [{ name: 'correct', weight: 1 }];
