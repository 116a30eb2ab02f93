/**
 * The number that a written answer is, exactly, or null where it is not one: an amount (`amount.ts`), perhaps behind a name that it is the value of
 * and behind the words that announce it.
 *
 *   answer = [ "the answer is" ] { name "=" } amount [ "." ]
 */
import { parseAmount, type Amount } from './amount.ts';
import { roundsTo, whole, type Rational } from './rational.ts';
import { isSign, tokensOf, type Token } from './tokens.ts';

/** Longer answers, blanks aside, are not numbers anybody meant to write. */
const maxLength = 200;

/** Linear time on any text. */
export function readAmount(text: string): Amount | null {
  // Most answers are digits and nothing else.
  if (/^-?\d{1,30}$/.test(text)) return { ...whole(text), percent: false, unit: null };
  const short = text.trim().replace(/[^\S\n\r]+/g, ' ');
  return short.length > maxLength ? null : readTokens(tokensOf(short));
}

/** Whether two amounts are the same answer. */
export function sameAmount(a: Amount, b: Amount): boolean {
  const units = !a.unit || !b.unit || a.unit === b.unit;
  return units && a.percent === b.percent && a.numerator * b.denominator === b.numerator * a.denominator;
}

/**
 * Whether an answer is the number of its gold, as the rules in docs/verifier.md have it: a percentage is a hundredth, and a decimal of six places or
 * more stands for what it is rounded from.
 * @param decimals of the longer one, as written
 */
export function sameNumber(gold: Amount, answer: Amount, decimals: number): { readonly equal: boolean; readonly why: string } {
  if (gold.unit && answer.unit && gold.unit !== answer.unit) return { equal: false, why: `${answer.unit} is not ${gold.unit}` };
  const [right, found] = [plainNumber(gold), plainNumber(answer)];
  if (right.numerator * found.denominator === found.numerator * right.denominator) return { equal: true, why: 'the same number' };
  if (roundsTo(right, found, decimals)) return { equal: true, why: 'the same number when rounded to six decimals' };
  return { equal: false, why: 'another number' };
}

function plainNumber({ numerator, denominator, percent }: Amount): Rational {
  return { numerator, denominator: percent ? denominator * 100n : denominator };
}

/** Decimals behind the last point of a text; 0 where it has none. */
export function decimalsOf(text: string): number {
  const point = text.lastIndexOf('.');
  return point < 0 ? 0 : (/^\d*/.exec(text.slice(point + 1))?.[0].length ?? 0);
}

function readTokens(tokens: readonly Token[]): Amount | null {
  const said = withoutPhrase(tidied(tokens));
  const equals = said.findLastIndex((token) => isSign(token, '='));
  const amount = parseAmount(said.slice(equals + 1));
  const sides = equals < 0 ? [] : sidesOf(said.slice(0, equals));
  return amount && sides.every((side) => isNameOf(side, amount)) ? amount : null;
}

const parts = ({ kind }: Token) => kind === 'blank' || kind === 'gap' || kind === 'mark';

/** Without what surrounds an answer: blanks, one full stop or comma, emphasis. */
export function tidied(all: readonly Token[]): readonly Token[] {
  const tokens = [...all];
  const trim = () => {
    while (tokens.length > 0 && parts(tokens.at(-1)!)) tokens.pop();
  };
  trim();
  if (tokens.length > 1 && isSign(tokens.at(-1), '.,;:。')) tokens.pop();
  trim();
  for (const emphasis of '*_') {
    if (tokens.length > 2 && isSign(tokens[0], emphasis) && isSign(tokens.at(-1), emphasis))
      tokens.splice(0, tokens.length, ...tokens.slice(1, -1));
  }
  return tokens;
}

const announcement = /^(?:(?:so|thus|hence|therefore) )?(?:the |my |our )?(?:final |correct )?(?:answer|result|solution)(?: is| equals)?\b/;

/** Without `The final answer is: ` or `Answer: ` in front. */
export function withoutPhrase(tokens: readonly Token[]): readonly Token[] {
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'word') words.push(token.text.toLowerCase());
    else if (!parts(token) && !isSign(token, ':')) break;
  }
  const said = announcement.exec(words.join(' '));
  if (!said) return tokens;
  // As many words as were recognised, and a colon after them.
  let at = 0;
  for (let left = said[0].split(' ').length; left > 0; at++) if (tokens[at]!.kind === 'word') left--;
  while (tokens[at] && parts(tokens[at]!)) at++;
  return tokens.slice(isSign(tokens[at], ':') ? at + 1 : at);
}

/** What stands left of the last `=`, parted where there are others. */
function sidesOf(tokens: readonly Token[]): Token[][] {
  const sides: Token[][] = [[]];
  for (const token of tokens) {
    if (isSign(token, '=')) sides.push([]);
    else sides.at(-1)!.push(token);
  }
  // `= 5`
  return sides.length === 1 && sides[0]!.every(({ kind }) => kind === 'blank' || kind === 'mark') ? [] : sides;
}

const greek =
  /^\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega|angle|measuredangle|triangle|overline|hat|bar|vec|widehat|ell)$/;

/**
 * Whether a side is what the amount is the value of: a name (`x`, `x_1`, `f(2)`, `\angle ABC`), a sum that is worked out, or the same amount.
 * An equation between expressions (`2x + 3`) names nothing.
 */
function isNameOf(side: readonly Token[], amount: Amount): boolean {
  const own = readTokens(side);
  if (own) return sameAmount(own, amount);
  let letters = false;
  let digits = false;
  let operators = false;
  let depth = 0;
  for (const [i, token] of side.entries()) {
    const { kind, text } = token;
    if (kind === 'blank' || kind === 'mark') continue;
    if (isSign(token, '([{')) depth++;
    else if (isSign(token, ')]}')) depth--;
    else if (kind === 'word') {
      if (/^(?:or|and|if|not)$/i.test(text)) return false;
      letters = true;
    } else if (kind === 'command' && greek.test(text)) letters = true;
    else if (kind === 'digits') digits ||= depth === 0 && !isSign(side[i - 1], '_');
    else if (isSign(token, '+-*/') || ['\\times', '\\cdot', '\\div', '\\frac'].includes(text)) operators = true;
    else if (!(isSign(token, "_'|:") || (isSign(token, ',') && depth > 0))) return false;
  }
  return letters !== (digits || operators);
}
