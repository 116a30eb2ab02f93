/** The rewards of a run by name, and what a configuration says of each. What they are worth is `rewards.ts`. */

/** By the names under which their metrics stand, `rewards/correct/mean`. */
export const rewardNames = ['correct', 'format', 'think_answer', 'max_words', 'contains', 'ends_with', 'no_commas', 'lowercase'] as const;
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
}

/** Which of them needs what beside its weight. */
export const rewardNeeds: Readonly<Partial<Record<RewardName, 'most' | 'text'>>> = {
  max_words: 'most',
  contains: 'text',
  ends_with: 'text',
};

/** Where a configuration names none. */
export const usualRewards: readonly RewardChoice[] = [{ name: 'correct', weight: 1 }];
