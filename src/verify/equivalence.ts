/**
 * When two written answers are the same: equal as exact numbers, else equal as text once spacing and mere decoration are gone.
 * There is no algebra: `x + 1` and `1 + x` differ. What a number is, is `number.ts`.
 */
import type { Amount } from './amount.ts';
import { readAmount, sameAmount } from './number.ts';
import { tokensOf } from './tokens.ts';

/** An answer that was read once, to be compared with many. */
export type Reading = { readonly amount: Amount } | { readonly amount: null; readonly text: string };

/** Linear time on any text. */
export function readAnswer(answer: string): Reading {
  const amount = readAmount(answer);
  return amount ? { amount } : { amount, text: plain(answer) };
}

/** Whether two answers are the same; an empty one is the same as none. */
export function sameReading(a: Reading, b: Reading): boolean {
  if (a.amount && b.amount) return sameAmount(a.amount, b.amount);
  return a.amount === null && b.amount === null && a.text === b.text && a.text !== '';
}

/** Without blanks, but for those between two numbers. */
function plain(answer: string): string {
  const tokens = tokensOf(answer).filter(({ kind }) => kind !== 'mark');
  return tokens
    .map(({ kind, text }, i) => {
      if (kind !== 'blank' && kind !== 'gap') return text;
      return tokens[i - 1]?.kind === 'digits' && tokens[i + 1]?.kind === 'digits' ? ' ' : '';
    })
    .join('')
    .replace(/\.$/, '');
}
