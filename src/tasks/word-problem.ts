/** One-step word problems. Their operands share the split of the plain sums, differences and products they stand for. */
import { defineTask } from './define.ts';

type Wording = (a: number, b: number, thing: string) => string;

const things = ['pens', 'books', 'cups', 'apples', 'stones', 'coins', 'cards', 'shells'];

const sums: readonly Wording[] = [
  (a, b, thing) => `A box has ${a} ${thing}. ${b} more go in. How many ${thing} now?`,
  (a, b, thing) => `There are ${a} red and ${b} blue ${thing}. How many ${thing} in all?`,
  (a, b, thing) => `You find ${a} ${thing}, then ${b} more. How many in total?`,
];
const differences: readonly Wording[] = [
  (a, b, thing) => `A box has ${a} ${thing}. ${b} are taken out. How many are left?`,
  (a, b, thing) => `There are ${a} ${thing} and ${b} get lost. How many remain?`,
  (a, b, thing) => `You have ${a} ${thing} and give away ${b}. How many are left?`,
];
const products: readonly Wording[] = [
  (a, b, thing) => `There are ${a} bags with ${b} ${thing} each. How many ${thing} in all?`,
  (a, b, thing) => `You buy ${a} boxes of ${b} ${thing}. How many ${thing} is that?`,
];

export const wordProblem = defineTask({
  id: 'word-problem',
  description: 'A sum, a difference or a product told as a short story.',
  knobs: [
    { name: 'max', label: 'Largest operand of sums', low: 9, high: 99, initial: 20 },
    { name: 'factor', label: 'Largest factor, 1: no products', low: 1, high: 12, initial: 5 },
  ],
  draw(stream, { max, factor }) {
    const kind = stream.integer(0, factor! > 1 ? 2 : 1);
    const a = stream.integer(2, kind === 2 ? factor! : max!);
    const b = stream.integer(2, kind === 2 ? factor! : max!);
    const [low, high] = a < b ? [a, b] : [b, a];
    const thing = stream.pick(things);
    if (kind === 0) return { content: `${low}+${high}`, answer: `${a + b}`, phrase: (draw) => draw.pick(sums)(a, b, thing) };
    if (kind === 1)
      return { content: `${high}-${low}`, answer: `${high - low}`, phrase: (draw) => draw.pick(differences)(high, low, thing) };
    return { content: `${low}*${high}`, answer: `${a * b}`, phrase: (draw) => draw.pick(products)(a, b, thing) };
  },
});
