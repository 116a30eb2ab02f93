/** Answers that are words: a name, `even`, or the letter of a choice. What is compared is letters and digits, not their case or what stands between. */
import { functionOf, symbolOf } from './notation.ts';
import { isSign, type Token } from './tokens.ts';

/** Numbers written out are not compared: `forty two` is no text. */
const numberWords =
  /^(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|third|quarter|dozen)s?$/i;
/** More are a sentence, which nobody says twice in the same words. */
const maxWords = 10;

/** Letters and digits alone, without case and accents. */
export function plainText(tokens: readonly Token[]): string {
  const text = tokens.map((token) => (['word', 'digits'].includes(token.kind) ? token.text : '')).join('');
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Whether a gold answer is a text: words that are no letters of a formula, nothing to be worked out between them, no number written out. */
export function isText(tokens: readonly Token[]): boolean {
  const words = tokens.filter(({ kind }) => kind === 'word');
  if (words.length === 0 || words.length > maxWords || words.some(({ text }) => numberWords.test(text))) return false;
  const upright = words.some((word) => word.upright);
  if (!upright && tokens.some(({ kind }) => kind === 'digits')) return false;
  const between = ({ kind, text }: Token) =>
    ['word', 'blank', 'gap', 'mark', 'digits'].includes(kind) || (kind === 'sign' && ".,:;'-()&/".includes(text));
  if (!tokens.every(between)) return false;
  return upright || words.some((word) => [...word.text].length > 2 && functionOf(word) === null && symbolOf(word) === null);
}

/** The letter of a choice and what is said behind it: `(B)`, `B.`, `\text{(B)}`, `(B) 42`. */
export interface Choice {
  readonly letter: string;
  readonly rest: readonly Token[];
}

/** @param anyCase a small letter by itself is one too */
export function choiceOf(tokens: readonly Token[], anyCase: boolean): Choice | null {
  const said = tokens.filter(({ kind }) => kind !== 'mark');
  let at = 0;
  const blanks = () => {
    while (said[at]?.kind === 'blank') at++;
  };
  blanks();
  const open = isSign(said[at], '(');
  if (open) at++;
  blanks();
  const token = said[at++];
  if (token?.kind !== 'word' || !/^[A-Ja-j]$/.test(token.text)) return null;
  if (!/^[A-J]$/.test(token.text) && !anyCase && !(open && token.upright)) return null;
  blanks();
  const closed = isSign(said[at], ')');
  if (open !== closed && !closed) return null;
  if (closed || isSign(said[at], '.:')) at++;
  const rest = said.slice(at);
  // `A + B`, `B = 5`, `A B`: a formula.
  if (rest.some(({ kind }) => kind !== 'blank') && !closed) return null;
  if (rest.some((one) => isSign(one, '+*/=^,[({<>|_')) && !rest.some(({ kind }) => kind === 'word')) return null;
  return { letter: token.text.toUpperCase(), rest };
}
