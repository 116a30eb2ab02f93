/** Countdown: combine the given numbers, each exactly once, into the target. Many answers can be right. */
import type { Stream } from '../random/counter.ts';
import { defineTask } from './define.ts';
import { parseExpression, wholeValue } from './expression.ts';
import type { Question } from './question.ts';

const wordings = [
  (numbers: string, target: number) => `Use ${numbers} once each to make ${target}.`,
  (numbers: string, target: number) => `Make ${target} from ${numbers}, each used once.`,
  (numbers: string, target: number) => `Reach ${target} with ${numbers}, each exactly once.`,
];

/** The largest target asked for. */
const maxTarget = 999;

export const countdown = defineTask({
  id: 'countdown',
  description: 'Make a target from two or three numbers with + - * /, each number used once.',
  knobs: [
    { name: 'numbers', label: 'Numbers given', low: 2, high: 3, initial: 2 },
    { name: 'max', label: 'Largest number', low: 9, high: 99, initial: 9 },
  ],
  draw(stream, knobs) {
    const numbers = Array.from({ length: knobs['numbers']! }, () => stream.integer(1, knobs['max']!));
    const answer = randomExpression(stream, numbers);
    const value = wholeValue(parseExpression(answer)!);
    if (value === null || value < 1n || value > BigInt(maxTarget)) return null;
    const shown = stream.shuffle(numbers);
    return {
      content: `countdown ${numbers.toSorted((a, b) => a - b).join(',')}=${value}`,
      answer,
      phrase: (draw) => draw.pick(wordings)(list(shown), Number(value)),
    };
  },
  accepts,
});

/** Joins two random neighbours until one is left; inner pairs are parenthesised, the whole is not. */
function randomExpression(stream: Stream, numbers: readonly number[]): string {
  const parts = numbers.map(String);
  while (parts.length > 1) {
    const i = stream.integer(0, parts.length - 2);
    const joined = `${parts[i]} ${stream.pick(['+', '-', '*', '/'])} ${parts[i + 1]}`;
    parts.splice(i, 2, parts.length > 2 ? `(${joined})` : joined);
  }
  return parts[0]!;
}

/** The gold expression says which numbers were given and what they have to make. */
function accepts(answer: string, question: Question): boolean {
  const gold = parseExpression(question.answer);
  const given = parseExpression(answer);
  if (!gold || !given) return false;
  const target = wholeValue(gold);
  return target !== null && wholeValue(given) === target && sorted(given.numbers) === sorted(gold.numbers);
}

function sorted(numbers: readonly bigint[]): string {
  return numbers.map(String).toSorted().join(' ');
}

function list(numbers: readonly number[]): string {
  return `${numbers.slice(0, -1).join(', ')} and ${numbers.at(-1)}`;
}
