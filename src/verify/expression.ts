/**
 * What an answer that is more than a number is read as: a tree of expressions, and what collects them (lists, tuples, intervals, relations,
 * matrices). Types and limits only: it is made by `parse-answer.ts`, and compared by `same-answer.ts`.
 */
import type { Rational } from './rational.ts';

/** A value: with symbols in it a function of them. */
export type Expression =
  /** `places`: decimals as written. */
  | { readonly kind: 'number'; readonly value: Rational; readonly places: number }
  /** `π`, `e`, `i` and `∞` are among them, by these names. */
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'sum'; readonly terms: readonly Expression[] }
  | { readonly kind: 'product'; readonly factors: readonly Expression[] }
  | { readonly kind: 'negative'; readonly of: Expression }
  /** `bar`: written with a fraction bar or a slash, not as `÷`. */
  | { readonly kind: 'quotient'; readonly top: Expression; readonly bottom: Expression; readonly bar: boolean }
  | { readonly kind: 'power'; readonly base: Expression; readonly exponent: Expression }
  | { readonly kind: 'root'; readonly of: Expression; readonly degree: Expression | null }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly of: readonly Expression[] }
  | { readonly kind: 'percent'; readonly of: Expression }
  | { readonly kind: 'degrees'; readonly of: Expression }
  /** `52_8`: the digits, and their base. */
  | { readonly kind: 'based'; readonly digits: string; readonly base: number }
  /** `a ± b`: both at once. `sign` 1 for ±, -1 for ∓. */
  | { readonly kind: 'either'; readonly of: Expression; readonly sign: 1 | -1 };

export type FunctionName =
  | 'sin'
  | 'cos'
  | 'tan'
  | 'cot'
  | 'sec'
  | 'csc'
  | 'arcsin'
  | 'arccos'
  | 'arctan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'ln'
  | 'log'
  | 'exp'
  | 'abs'
  | 'floor'
  | 'ceil'
  | 'factorial'
  | 'binomial'
  | 'min'
  | 'max'
  | 'gcd'
  | 'lcm';

export type Relator = '=' | '≠' | '<' | '>' | '≤' | '≥' | '∈' | '≈';

/** What an answer can be. */
export type Answer =
  | Expression
  /** Several at once, without brackets (`1, 2`, `1 or 2`) or in braces: their order says nothing. */
  | { readonly kind: 'list'; readonly items: readonly Answer[]; readonly braces: boolean }
  /** In round or square brackets or angles: their order counts. Of two it may be an interval. */
  | { readonly kind: 'tuple'; readonly open: '(' | '[' | '<'; readonly close: ')' | ']' | '>'; readonly items: readonly Answer[] }
  | { readonly kind: 'sets'; readonly operator: '∪' | '∩' | '∖'; readonly of: readonly Answer[] }
  | { readonly kind: 'relation'; readonly sides: readonly Answer[]; readonly relators: readonly Relator[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Answer[])[] }
  | { readonly kind: 'ratio'; readonly of: readonly Expression[] };

/** Longer answers are not parsed. */
export const maxAnswerLength = 1000;
/** Deeper ones are not either. */
export const maxDepth = 50;
/** Lists and sets of more than these are not compared in every order. */
export const maxItems = 60;

/** What a grammar throws at a text that it does not cover; the message is the end of a sentence, "… is not read: two numbers side by side". */
export class Unreadable extends Error {}

/** What is thrown at an answer that is longer, deeper or larger than anybody means to write one: it is not equal to anything. */
export class TooComplex extends Error {}

const structures = new Set(['list', 'tuple', 'sets', 'relation', 'matrix', 'ratio']);

export function isExpression(answer: Answer): answer is Expression {
  return !structures.has(answer.kind);
}

/** The parts of an expression, in order. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'number':
    case 'symbol':
    case 'based':
      return [];
    case 'sum':
      return expression.terms;
    case 'product':
      return expression.factors;
    case 'quotient':
      return [expression.top, expression.bottom];
    case 'power':
      return [expression.base, expression.exponent];
    case 'root':
      return expression.degree ? [expression.of, expression.degree] : [expression.of];
    case 'call':
      return expression.of;
    case 'negative':
    case 'percent':
    case 'degrees':
    case 'either':
      return [expression.of];
  }
}
