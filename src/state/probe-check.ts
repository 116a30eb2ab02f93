/** Marks a probe's reply where the question is a plain sum, difference or product; any other question gets no mark. */
import { verifyGold } from '../verify/verify.ts';

export function expectedAnswer(question: string): number | null {
  const symbol = /(\d{1,6})\s*(\+|-|−|–|×|\*|plus|minus|times)\s*(\d{1,6})(?!\s*[-+*×−])/.exec(question);
  if (symbol) {
    const [, left, sign, right] = symbol;
    const a = Number(left);
    const b = Number(right);
    if (sign === '+' || sign === 'plus') return a + b;
    return sign === '×' || sign === '*' || sign === 'times' ? a * b : a - b;
  }
  const words = /\b(?:sum of|add) (\d{1,6}) and (\d{1,6})\b/i.exec(question);
  return words ? Number(words[1]) + Number(words[2]) : null;
}

/** Null: cannot be said. */
export function isRight(question: string, reply: string): boolean | null {
  const expected = expectedAnswer(question);
  return expected === null ? null : (verifyGold(reply, String(expected))?.correct ?? null);
}
