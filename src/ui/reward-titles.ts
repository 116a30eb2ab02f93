/** What the page calls the rewards of a run, when each is earned, and the fields of one. What they are worth is verify/rewards.ts. */
import type { RewardChoice, RewardField, RewardName } from '../verify/reward-names.ts';

export const rewardTitles: Readonly<Record<RewardName, { readonly title: string; readonly earned: string }>> = {
  correct: { title: 'Right answer', earned: 'by the rules of its question' },
  exact: { title: 'Letter for letter', earned: 'the answer is written as the gold answer is: 0.5 is not 1/2' },
  format: { title: 'One answer', earned: 'exactly one, in the form that is asked for' },
  think_answer: { title: 'Think, then answer', earned: '<think>…</think><answer>…</answer> and nothing else' },
  max_words: { title: 'Few words', earned: 'no more than so many' },
  contains: { title: 'Contains a text', earned: 'wherever it stands' },
  ends_with: { title: 'Ends with a text', earned: 'but for blanks' },
  matches: { title: 'Matches a pattern', earned: 'a regular expression, anywhere in the reply' },
  no_commas: { title: 'No commas', earned: 'not one' },
  lowercase: { title: 'No capitals', earned: 'no letter from A to Z' },
};

export const rewardLabels: Readonly<Record<'weight' | RewardField, string>> = {
  weight: 'Weight',
  most: 'Words',
  text: 'Text',
  pattern: 'Pattern',
  flags: 'Flags',
};

/** What a reward says of its fields when it is added. */
export const rewardBeginnings: Readonly<Record<RewardField, Partial<RewardChoice>>> = {
  most: { most: 40 },
  text: { text: '' },
  pattern: { pattern: '' },
  flags: {},
};

/** `1 × Right answer + 0.1 × One answer` */
export const rewardSum = (choices: readonly RewardChoice[]): string =>
  choices
    .map(({ name, weight }, i) => {
      const sign = i === 0 ? (weight < 0 ? '−' : '') : weight < 0 ? ' − ' : ' + ';
      return `${sign}${Number.isFinite(weight) ? Math.abs(weight) : '?'} × ${rewardTitles[name].title}`;
    })
    .join('');
