/**
 * Reads an answer that has to be a whole number. It is strict on purpose: an expression or a fraction is not an answer,
 * or the question itself ("17 + 25") would be one.
 */

/** Longer answers are no numbers anybody meant to write. */
const maxLength = 200;

/** Reads `42`, `-7`, `$ 7`, `42.0`, `1,042` and `1{,}042`; null for anything else. */
export function readInteger(answer: string): bigint | null {
  if (answer.length > maxLength) return null;
  const plain = answer
    .replace(/\{,\}|\\[,!]/g, ',')
    .replace(/\\?\$/g, '')
    .replace(/\u2212/g, '-')
    .trim()
    .replace(/\.0*$/, '');
  if (!/^[+-]? ?(\d+|\d{1,3}(,\d{3})+)$/.test(plain)) return null;
  return BigInt(plain.replace(/[+, ]/g, ''));
}
