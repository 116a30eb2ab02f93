/**
 * Sums, differences, products and one-step stories of one-digit numbers, in the words in which one asks a chat-tuned policy: where a policy of
 * a hundred million parameters is sometimes right and sometimes wrong. The four share their split, which is one of their own: by that of the
 * larger tasks (`addition.ts`) only four sums would be held out, three of them 9 and 10. The bundled policy saw most of them in its pre-training.
 */
import type { Stream } from '../random/counter.ts';
import { defineTask, type Problem } from './define.ts';

type Wording = (a: number, b: number) => string;
type Told = (a: number, b: number, thing: string, who: string) => string;

const sums: readonly Wording[] = [
  (a, b) => `What is ${a} + ${b}?`,
  (a, b) => `What is ${a} plus ${b}?`,
  (a, b) => `How much is ${a} + ${b}?`,
  (a, b) => `What is the sum of ${a} and ${b}?`,
  (a, b) => `What do you get when you add ${a} and ${b}?`,
  (a, b) => `Please add ${a} and ${b}.`,
  (a, b) => `Can you add ${b} to ${a} for me?`,
  (a, b) => `Tell me what ${a} plus ${b} is.`,
  (a, b) => `I need to know how much ${a} and ${b} are together.`,
  (a, b) => `Calculate ${a} + ${b}.`,
];
const differences: readonly Wording[] = [
  (a, b) => `What is ${a} - ${b}?`,
  (a, b) => `What is ${a} minus ${b}?`,
  (a, b) => `How much is ${a} - ${b}?`,
  (a, b) => `What is the difference between ${a} and ${b}?`,
  (a, b) => `What is left when you take ${b} away from ${a}?`,
  (a, b) => `Please subtract ${b} from ${a}.`,
  (a, b) => `Can you take ${b} from ${a} for me?`,
  (a, b) => `Tell me what ${a} minus ${b} is.`,
  (a, b) => `I need to know how much more ${a} is than ${b}.`,
  (a, b) => `Calculate ${a} - ${b}.`,
];
const products: readonly Wording[] = [
  (a, b) => `What is ${a} * ${b}?`,
  (a, b) => `What is ${a} times ${b}?`,
  (a, b) => `How much is ${a} x ${b}?`,
  (a, b) => `What is the product of ${a} and ${b}?`,
  (a, b) => `What do you get when you multiply ${a} by ${b}?`,
  (a, b) => `Please multiply ${a} by ${b}.`,
  (a, b) => `Can you multiply ${a} and ${b} for me?`,
  (a, b) => `Tell me what ${a} times ${b} is.`,
  (a, b) => `I need to know how much ${a} times ${b} is.`,
  (a, b) => `Calculate ${a} * ${b}.`,
];

const things = ['apples', 'books', 'pencils', 'cookies', 'marbles', 'stickers', 'flowers', 'cards'];
const people = ['Anna', 'Tom', 'Maria', 'Sam', 'Lena', 'Ben'];

const sumStories: readonly Told[] = [
  (a, b, thing, who) => `${who} has ${a} ${thing} and gets ${b} more. How many ${thing} does ${who} have now?`,
  (a, b, thing) => `There are ${a} ${thing} on the table and ${b} ${thing} on the floor. How many ${thing} are there in total?`,
  (a, b, thing, who) => `${who} buys ${a} ${thing} in the morning and ${b} ${thing} in the evening. How many ${thing} is that altogether?`,
];
const differenceStories: readonly Told[] = [
  (a, b, thing, who) => `${who} has ${a} ${thing} and gives ${b} of them away. How many ${thing} does ${who} have left?`,
  (a, b, thing) => `There are ${a} ${thing} in a box. ${b} of them are taken out. How many ${thing} remain in the box?`,
  (a, b, thing, who) => `${who} had ${a} ${thing} but lost ${b}. How many ${thing} are left?`,
];
const productStories: readonly Told[] = [
  (a, b, thing) => `There are ${a} bags with ${b} ${thing} in each. How many ${thing} are there in total?`,
  (a, b, thing, who) => `${who} has ${a} boxes. Every box holds ${b} ${thing}. How many ${thing} does ${who} have?`,
  (a, b, thing, who) => `${who} buys ${b} ${thing} every day for ${a} days. How many ${thing} is that altogether?`,
];

/** What the split goes by, and the answer. */
type Fact = Pick<Problem, 'content' | 'answer'>;

const sumOf = (a: number, b: number): Fact => ({ content: `one-digit ${Math.min(a, b)}+${Math.max(a, b)}`, answer: `${a + b}` });
const differenceOf = (high: number, low: number): Fact => ({ content: `one-digit ${high}-${low}`, answer: `${high - low}` });
const productOf = (a: number, b: number): Fact => ({ content: `one-digit ${Math.min(a, b)}*${Math.max(a, b)}`, answer: `${a * b}` });

function two(stream: Stream, low: number): [number, number] {
  return [stream.integer(low, 9), stream.integer(low, 9)];
}

export const oneDigitSums = defineTask({
  id: 'one-digit-sums',
  description: 'Two numbers from 1 to 9 added, for a chat-tuned policy.',
  knobs: [],
  draw(stream) {
    const [a, b] = two(stream, 1);
    return { ...sumOf(a, b), phrase: (draw) => draw.pick(sums)(a, b) };
  },
});

export const oneDigitDifferences = defineTask({
  id: 'one-digit-differences',
  description: 'A number from 1 to 9 taken from one that is no smaller, for a chat-tuned policy.',
  knobs: [],
  draw(stream) {
    const [a, b] = two(stream, 1);
    const [low, high] = a < b ? [a, b] : [b, a];
    return { ...differenceOf(high, low), phrase: (draw) => draw.pick(differences)(high, low) };
  },
});

export const oneDigitProducts = defineTask({
  id: 'one-digit-products',
  description: 'Two numbers from 1 to 9 multiplied, for a chat-tuned policy.',
  knobs: [],
  draw(stream) {
    const [a, b] = two(stream, 1);
    return { ...productOf(a, b), phrase: (draw) => draw.pick(products)(a, b) };
  },
});

export const oneDigitStories = defineTask({
  id: 'one-digit-stories',
  description: 'A sum, a difference or a product of one-digit numbers told as a story, for a chat-tuned policy.',
  knobs: [],
  draw(stream) {
    const kind = stream.integer(0, 2);
    // From 2, so that no noun is in the singular.
    const [a, b] = two(stream, 2);
    const [low, high] = a < b ? [a, b] : [b, a];
    const [thing, who] = [stream.pick(things), stream.pick(people)];
    if (kind === 0) return { ...sumOf(a, b), phrase: (draw) => draw.pick(sumStories)(a, b, thing, who) };
    if (kind === 1) return { ...differenceOf(high, low), phrase: (draw) => draw.pick(differenceStories)(high, low, thing, who) };
    return { ...productOf(a, b), phrase: (draw) => draw.pick(productStories)(a, b, thing, who) };
  },
});
