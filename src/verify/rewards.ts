/**
 * What a reply can earn beside being right, and how a run adds it up: weights times values between 0 and 1. All of them look at the text of one
 * reply and nothing else, in linear time. What is right is `verify.ts`; a length in tokens is punished by rl/shaping.ts.
 */
import { noSuch } from '../errors.ts';
import { LinearPattern } from '../policy/linear-pattern.ts';
import type { AnswerForm } from './answer-forms.ts';
import { extractAnswers } from './extract.ts';
import type { RewardChoice, RewardName } from './reward-names.ts';
import { withoutThinking } from './thinking.ts';
import type { Verdict } from './verdict.ts';

export interface Earning {
  readonly completion: string;
  /** The answer of the question. */
  readonly gold: string;
  readonly verdict: Verdict;
  /** The closing mark of a thinking that the prompt opened. */
  readonly opened: string | null;
  /** How the run has answers said. */
  readonly answers: readonly AnswerForm[];
}

/** By name, before the weights. Of a reply whose thinking never ended nothing is earned. */
export function earned(choices: readonly RewardChoice[], earning: Earning): Readonly<Partial<Record<RewardName, number>>> {
  const reply = withoutThinking(earning.completion, earning.opened);
  return Object.fromEntries(choices.map((choice) => [choice.name, reply === null ? 0 : valueOf(choice, reply, earning)]));
}

/** Weights times values. */
export const total = (choices: readonly RewardChoice[], values: Readonly<Partial<Record<RewardName, number>>>): number =>
  choices.reduce((sum, { name, weight }) => sum + weight * (values[name] ?? 0), 0);

function valueOf(choice: RewardChoice, reply: string, { completion, gold, verdict, opened, answers }: Earning): number {
  const { name, most, text } = choice;
  switch (name) {
    case 'correct':
      return verdict.reward;
    case 'exact':
      return Number(isExact(reply, gold, answers));
    case 'format':
      return Number(extractAnswers(reply, answers.slice(0, 1))?.answers.length === 1);
    case 'think_answer':
      return Number(isThinkAnswer(completion, opened));
    case 'max_words':
      return Number(wordsOf(reply) <= most!);
    case 'contains':
      return Number(reply.includes(text!));
    case 'ends_with':
      return Number(trimmed(reply).endsWith(text!));
    case 'matches':
      return Number(patternOf(choice).test(reply, mostPatternStates) ?? false);
    case 'no_commas':
      return Number(!reply.includes(','));
    case 'lowercase':
      return Number(!/[A-Z]/.test(reply));
    default:
      return noSuch('reward', name);
  }
}

/** Blanks as they are everywhere, also in Python, where the same is asked (exchange/project/python). */
const blanks = ' \t\n\r\f\v';

function wordsOf(text: string): number {
  let count = 0;
  let inside = false;
  for (const letter of text) {
    const blank = blanks.includes(letter);
    if (!blank && !inside) count++;
    inside = !blank;
  }
  return count;
}

/** Instructions × characters: a longer reply earns nothing, in Python too, which would take seconds for it. */
export const mostPatternStates = 2 ** 22;

const patterns = new WeakMap<RewardChoice, LinearPattern>();

function patternOf(choice: RewardChoice): LinearPattern {
  const pattern = patterns.get(choice) ?? new LinearPattern(choice.pattern!, choice.flags);
  patterns.set(choice, pattern);
  return pattern;
}

/** Letter for letter: every answer that it says, or, where it says none in a form of the run, the reply itself. */
function isExact(reply: string, gold: string, answers: readonly AnswerForm[]): boolean {
  return (extractAnswers(reply, answers)?.answers ?? [reply]).every((said) => said.trim() === gold.trim());
}

function trimmed(text: string): string {
  let end = text.length;
  while (end > 0 && blanks.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** `<think>…</think>`, then `<answer>…</answer>` and nothing else but blanks; the prompt may have opened the thinking. */
function isThinkAnswer(completion: string, opened: string | null): boolean {
  const text = opened === '</think>' ? `<think>${completion}` : completion;
  const marks = ['<think>', '</think>', '<answer>', '</answer>'];
  const places = marks.map((mark) => text.indexOf(mark));
  if (places.some((place, i) => place < 0 || place !== text.lastIndexOf(marks[i]!) || place < (places[i - 1] ?? 0))) return false;
  const between = [
    text.slice(0, places[0]),
    text.slice(places[1]! + marks[1]!.length, places[2]),
    text.slice(places[3]! + marks[3]!.length),
  ];
  return between.every((part) => trimmed(part) === '');
}
