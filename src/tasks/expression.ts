/**
 * A parser for arithmetic over whole numbers with + - * / and parentheses, evaluated exactly on fractions.
 * It is a grammar, not `eval` behind a character filter: powers, integer division, signs, decimals, juxtaposition
 * and anything else that could smuggle in a number are not part of the language.
 *
 *   sum     = product { ("+" | "-") product }
 *   product = atom { ("*" | "/") atom }
 *   atom    = digits | "(" sum ")"
 */

/** value = numerator / denominator, denominator > 0, not reduced. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export interface Expression {
  /** Null where something is divided by zero. */
  readonly value: Fraction | null;
  /** Every number written, in order. */
  readonly numbers: readonly bigint[];
}

/** Longer texts are refused: no honest answer is longer, and recursion stays shallow. */
const maxLength = 200;

/** Null when the text is not an expression. LaTeX's `\times`, `\cdot`, `\div`, `\left(` and the signs × · ÷ − are read. */
export function parseExpression(text: string): Expression | null {
  if (text.length > maxLength) return null;
  const plain = text
    .replace(/\\times(?![a-z])|\\cdot(?![a-z])|[×·]/g, '*')
    .replace(/\\div(?![a-z])|÷/g, '/')
    .replace(/\\left\(/g, '(')
    .replace(/\\right\)/g, ')')
    .replace(/\u2212/g, '-');
  const tokens = plain.match(/\d+|[^\s]/g) ?? [];
  const numbers: bigint[] = [];
  let at = 0;

  // Each returns undefined where the grammar is broken, null where the value is undefined.
  function sum(): Fraction | null | undefined {
    let left = product();
    while (left !== undefined && (tokens[at] === '+' || tokens[at] === '-')) left = apply(tokens[at++]!, left, product());
    return left;
  }
  function product(): Fraction | null | undefined {
    let left = atom();
    while (left !== undefined && (tokens[at] === '*' || tokens[at] === '/')) left = apply(tokens[at++]!, left, atom());
    return left;
  }
  function atom(): Fraction | null | undefined {
    const token = tokens[at++];
    if (token === '(') {
      const inner = sum();
      return tokens[at++] === ')' ? inner : undefined;
    }
    if (token === undefined || !/^\d+$/.test(token)) return undefined;
    const number = BigInt(token);
    numbers.push(number);
    return { numerator: number, denominator: 1n };
  }

  const value = sum();
  return value === undefined || at !== tokens.length ? null : { value, numbers };
}

function apply(operator: string, a: Fraction | null, b: Fraction | null | undefined): Fraction | null | undefined {
  if (b === undefined) return undefined;
  if (a === null || b === null) return null;
  const denominator = a.denominator * b.denominator;
  if (operator === '*') return { numerator: a.numerator * b.numerator, denominator };
  if (operator === '/') {
    if (b.numerator === 0n) return null;
    const sign = b.numerator < 0n ? -1n : 1n;
    return { numerator: sign * a.numerator * b.denominator, denominator: sign * a.denominator * b.numerator };
  }
  const right = b.numerator * a.denominator;
  return { numerator: a.numerator * b.denominator + (operator === '+' ? right : -right), denominator };
}

/** The whole number an expression stands for; null for a fraction or an undefined value. */
export function wholeValue(expression: Expression): bigint | null {
  const { value } = expression;
  return value !== null && value.numerator % value.denominator === 0n ? value.numerator / value.denominator : null;
}
