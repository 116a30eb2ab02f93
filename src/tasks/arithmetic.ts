/** Tasks with one whole number as their answer, beside addition: products, comparing two numbers, chains of terms. */
import { defineTask } from './define.ts';

const products = [
  (a: number, b: number) => `What is ${a} * ${b}?`,
  (a: number, b: number) => `${a} * ${b} = ?`,
  (a: number, b: number) => `Multiply ${a} by ${b}.`,
  (a: number, b: number) => `Compute ${a} * ${b}.`,
  (a: number, b: number) => `What is ${a} times ${b}?`,
];

export const multiplication = defineTask({
  id: 'multiplication',
  description: 'The product of two whole numbers.',
  knobs: [{ name: 'max', label: 'Largest factor', low: 9, high: 99, initial: 12 }],
  draw(stream, { max }) {
    const a = stream.integer(0, max!);
    const b = stream.integer(0, max!);
    return { content: `${Math.min(a, b)}*${Math.max(a, b)}`, answer: `${a * b}`, phrase: (draw) => draw.pick(products)(a, b) };
  },
});

const larger = [
  (a: number, b: number) => `Which is larger, ${a} or ${b}?`,
  (a: number, b: number) => `Which number is bigger, ${a} or ${b}?`,
  (a: number, b: number) => `Name the larger of ${a} and ${b}.`,
];
const smaller = [
  (a: number, b: number) => `Which is smaller, ${a} or ${b}?`,
  (a: number, b: number) => `Which number is less, ${a} or ${b}?`,
  (a: number, b: number) => `Name the smaller of ${a} and ${b}.`,
];

export const comparing = defineTask({
  id: 'comparing',
  description: 'The larger or the smaller of two different numbers.',
  knobs: [{ name: 'max', label: 'Largest number', low: 9, high: 9999, initial: 99 }],
  draw(stream, { max }) {
    const a = stream.integer(0, max!);
    const b = stream.integer(0, max!);
    if (a === b) return null;
    const [low, high] = a < b ? [a, b] : [b, a];
    const askLarger = stream.uniform() < 0.5;
    return {
      content: `compare ${low},${high}`,
      answer: `${askLarger ? high : low}`,
      phrase: (draw) => draw.pick(askLarger ? larger : smaller)(a, b),
    };
  },
});

const chains = [(terms: string) => `What is ${terms}?`, (terms: string) => `${terms} = ?`, (terms: string) => `Compute ${terms}.`];

export const chain = defineTask({
  id: 'chain',
  description: 'Several numbers added and subtracted from left to right, never below zero on the way.',
  knobs: [
    { name: 'terms', label: 'Terms', low: 3, high: 6, initial: 3 },
    { name: 'max', label: 'Largest term', low: 5, high: 99, initial: 9 },
  ],
  draw(stream, { terms, max }) {
    let total = stream.integer(0, max!);
    let text = `${total}`;
    const signed = [`+${total}`];
    for (let i = 1; i < terms!; i++) {
      const term = stream.integer(1, max!);
      const sign = term <= total && stream.uniform() < 0.5 ? '-' : '+';
      total += sign === '+' ? term : -term;
      text += ` ${sign} ${term}`;
      signed.push(`${sign}${term}`);
    }
    return { content: `chain ${signed.toSorted().join('')}`, answer: `${total}`, phrase: (draw) => draw.pick(chains)(text) };
  },
});
