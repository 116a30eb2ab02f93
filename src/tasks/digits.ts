/** Tasks on lists of digits and small numbers: reversing and sorting. The answer is a list; order matters, the separator does not. */
import { defineTask } from './define.ts';
import type { Question } from './question.ts';

const reversals = [
  (digits: string) => `Reverse the digits ${digits}.`,
  (digits: string) => `Write ${digits} backwards.`,
  (digits: string) => `What is ${digits} in reverse?`,
];

export const reverse = defineTask({
  id: 'reverse',
  description: 'Digits in reverse order.',
  knobs: [{ name: 'digits', label: 'Digits', low: 2, high: 10, initial: 3 }],
  draw(stream, { digits }) {
    const list = Array.from({ length: digits! }, () => stream.integer(0, 9));
    const forward = list.join(' ');
    const backward = list.toReversed().join(' ');
    // A palindrome is answered by copying.
    if (forward === backward) return null;
    const content = `reverse ${forward < backward ? forward : backward}`;
    return { content, answer: backward, phrase: (draw) => draw.pick(reversals)(forward) };
  },
  // Single digits need no separator.
  accepts: (answer, question) => /^[\d\s,]+$/.test(answer) && answer.replace(/[\s,]/g, '') === question.answer.replace(/ /g, ''),
});

const sortings = [
  (numbers: string) => `Sort ${numbers}.`,
  (numbers: string) => `Sort ${numbers} from small to large.`,
  (numbers: string) => `Put ${numbers} in increasing order.`,
];

export const sort = defineTask({
  id: 'sort',
  description: 'Numbers from small to large.',
  knobs: [
    { name: 'count', label: 'Numbers', low: 2, high: 8, initial: 3 },
    { name: 'max', label: 'Largest number', low: 9, high: 99, initial: 9 },
  ],
  draw(stream, { count, max }) {
    const numbers = Array.from({ length: count! }, () => stream.integer(0, max!));
    const given = numbers.join(' ');
    const answer = numbers.toSorted((a, b) => a - b).join(' ');
    if (given === answer) return null;
    return { content: `sort ${answer}`, answer, phrase: (draw) => draw.pick(sortings)(given) };
  },
  accepts: sameList,
});

function sameList(answer: string, question: Question): boolean {
  const parts = answer.trim().split(/\s*,\s*|\s+/);
  const gold = question.answer.split(' ');
  return parts.length === gold.length && parts.every((part, i) => /^\d+$/.test(part) && BigInt(part) === BigInt(gold[i]!));
}
