/** Sums and differences of two whole numbers, never below zero: the main task of the bundled policy. */
import { defineTask } from './define.ts';

const sums = [
  (a: number, b: number) => `What is ${a} + ${b}?`,
  (a: number, b: number) => `${a} + ${b} = ?`,
  (a: number, b: number) => `Add ${a} and ${b}.`,
  (a: number, b: number) => `Compute ${a} + ${b}.`,
  (a: number, b: number) => `What is ${a} plus ${b}?`,
  (a: number, b: number) => `Find the sum of ${a} and ${b}.`,
];
const differences = [
  (a: number, b: number) => `What is ${a} - ${b}?`,
  (a: number, b: number) => `${a} - ${b} = ?`,
  (a: number, b: number) => `Subtract ${b} from ${a}.`,
  (a: number, b: number) => `Compute ${a} - ${b}.`,
  (a: number, b: number) => `What is ${a} minus ${b}?`,
  (a: number, b: number) => `Take ${b} away from ${a}.`,
];

export const addition = defineTask({
  id: 'addition',
  description: 'a + b or a - b; the result is never negative.',
  knobs: [{ name: 'max', label: 'Largest operand', low: 9, high: 999, initial: 49 }],
  draw(stream, { max }) {
    const a = stream.integer(0, max!);
    const b = stream.integer(0, max!);
    const [low, high] = a < b ? [a, b] : [b, a];
    if (stream.uniform() < 0.5) return { content: `${low}+${high}`, answer: `${a + b}`, phrase: (draw) => draw.pick(sums)(a, b) };
    return { content: `${high}-${low}`, answer: `${high - low}`, phrase: (draw) => draw.pick(differences)(high, low) };
  },
});
