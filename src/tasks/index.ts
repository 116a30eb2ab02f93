/** All tasks with exact answers, in the order the page lists them. The open questions are in `roleplay.ts`. */
import { LabError } from '../errors.ts';
import { addition } from './addition.ts';
import { chain, comparing, multiplication } from './arithmetic.ts';
import { countdown } from './countdown.ts';
import { reverse, sort } from './digits.ts';
import { oneDigitDifferences, oneDigitProducts, oneDigitStories, oneDigitSums } from './one-digit.ts';
import type { Task } from './question.ts';
import { wordProblem } from './word-problem.ts';

export { checkKnobs } from './define.ts';

export const tasks: readonly Task[] = [
  addition,
  multiplication,
  comparing,
  chain,
  wordProblem,
  reverse,
  sort,
  countdown,
  oneDigitSums,
  oneDigitDifferences,
  oneDigitProducts,
  oneDigitStories,
];

/** @throws LabError 'config' on an unknown id, naming those there are. */
export function taskById(id: string): Task {
  const task = tasks.find((candidate) => candidate.id === id);
  if (task) return task;
  throw new LabError('config', `There is no task "${id}".`, `Choose one of ${tasks.map((candidate) => candidate.id).join(', ')}.`);
}
