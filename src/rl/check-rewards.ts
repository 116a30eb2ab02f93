/** Whether the rewards of a configuration can be earned, in sentences beside the field; the shape of one of them. The rest of a configuration is `check.ts`. */
import type { Complaint } from '../errors.ts';
import { LinearPattern } from '../policy/linear-pattern.ts';
import { z } from '../schema.ts';
import { rewardFields, rewardMay, rewardNames, rewardNeeds, type RewardChoice } from '../verify/reward-names.ts';
import type { RunConfig } from './config.ts';

const words = z.string().check(z.minLength(1), z.maxLength(1000));

export const rewardChoice = z.strictObject({
  name: z.enum(rewardNames),
  weight: z.number().check(z.minimum(-100), z.maximum(100)),
  most: z.optional(z.int().check(z.minimum(1), z.maximum(100_000))),
  text: z.optional(words),
  pattern: z.optional(words),
  flags: z.optional(z.string().check(z.maxLength(10))),
});

/** @returns what keeps its rewards from meaning anything */
export function rewardComplaints({ rewards, objective }: RunConfig): Complaint[] {
  if (!rewards) return [];
  const complaints = rewards.flatMap((choice, i) => {
    const again = rewards.findIndex(({ name }) => name === choice.name) < i;
    const twice = { field: `rewards.${i}`, problem: `{} names ${choice.name} again; give it one weight.` };
    return [...(again ? [twice] : []), ...choiceComplaints(choice, `rewards.${i}`)];
  });
  const wrong = (problem: string) => complaints.unshift({ field: 'rewards', problem });
  if (objective.name === 'sft')
    wrong('{} are earned in a run that learns from given replies; leave them out, or choose another objective.');
  if (rewards.every(({ weight }) => weight === 0)) wrong('{} all have weight 0, so that nothing would be learned.');
  return complaints;
}

/** @param at its path in the configuration */
function choiceComplaints(choice: RewardChoice, at: string): Complaint[] {
  const { name, pattern, flags = '' } = choice;
  const complaints: Complaint[] = [];
  const wrong = (field: string, problem: string) => complaints.push({ field: `${at}.${field}`, problem });
  for (const field of rewardFields) {
    const needed = rewardNeeds[name] === field;
    if (needed && choice[field] === undefined) wrong(field, `{} is missing, which ${name} needs.`);
    if (!needed && rewardMay[name] !== field && choice[field] !== undefined) wrong(field, `{} is nothing that ${name} reads.`);
  }
  if (!/^(?:i|m|s)*$/.test(flags) || new Set(flags).size < flags.length) wrong('flags', '{} must be of i, m and s, each once.');
  else {
    const unread = pattern === undefined ? null : patternProblem(pattern, flags);
    if (unread !== null) wrong('pattern', `{} cannot be read: ${unread}.`);
  }
  return complaints;
}

function patternProblem(pattern: string, flags: string): string | null {
  try {
    new LinearPattern(pattern, flags);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
