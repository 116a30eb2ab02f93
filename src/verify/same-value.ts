/**
 * Whether two expressions have one value: exactly where both come out as rational numbers; by the stated rounding where one is a decimal number;
 * else by their values at a few fixed points, each with a bound of its error (`approximate.ts`). There is no algebra, and no step is unbounded.
 */
import { approximate, type Approximate, type Point } from './approximate.ts';
import { exactValue, sameRational, wholeOf } from './exact-value.ts';
import { partsOf, TooComplex, type Expression } from './expression.ts';
import { magnitude, roundingPlaces, roundsTo, type Rational } from './rational.ts';
import { inFull, written } from './written.ts';

/** What was found, and the end of a sentence for the reader: "… they differ: why". */
export interface Comparison {
  readonly equal: boolean;
  readonly why: string;
}

export const same = (why: string): Comparison => ({ equal: true, why });
export const different = (why: string): Comparison => ({ equal: false, why });

/**
 * Whether an expression is a number as one writes it: a literal, or one fraction bar, power or root over literals, or one times a power of ten, with
 * its sign and percent. Everything else is work that was left standing.
 */
function isNumeral(expression: Expression): boolean {
  const literal = (part: Expression): boolean => part.kind === 'number' || (part.kind === 'negative' && part.of.kind === 'number');
  const wholeLiteral = (part: Expression): boolean => {
    const value = literal(part) ? exactValue(part) : null;
    return value !== null && wholeOf(value) !== null;
  };
  switch (expression.kind) {
    case 'number':
    case 'based':
      return true;
    case 'negative':
      return expression.of.kind !== 'negative' && isNumeral(expression.of);
    case 'percent':
    case 'degrees':
      return isNumeral(expression.of);
    case 'quotient':
      return expression.bar && literal(expression.top) && literal(expression.bottom);
    case 'power':
      return literal(expression.base) && wholeLiteral(expression.exponent);
    case 'root':
      return literal(expression.of) && (expression.degree === null || literal(expression.degree));
    case 'product': {
      const [first, second] = expression.factors;
      return (
        expression.factors.length === 2 &&
        literal(first!) &&
        second!.kind === 'power' &&
        isTen(second!.base) &&
        wholeLiteral(second!.exponent)
      );
    }
    case 'symbol':
    case 'sum':
    case 'call':
    case 'either':
      return false;
  }
}

const isTen = (expression: Expression) =>
  expression.kind === 'number' && sameRational(expression.value, { numerator: 10n, denominator: 1n });

/** @throws TooComplex where neither can be said */
export function sameValue(gold: Expression, answer: Expression): Comparison {
  const infinite = [infinity(gold), infinity(answer)];
  if (infinite[0] !== 0 || infinite[1] !== 0) {
    return infinite[0] === infinite[1] ? same('both are infinite') : different('one is infinite, or on the other side');
  }
  if (gold.kind === 'based' || answer.kind === 'based') return sameDigits(gold, answer);
  const right = exactValue(gold);
  if (right && isNumeral(gold) && !isNumeral(answer) && answer.kind !== 'symbol') {
    return different(`${written(answer)} is left to work out, where the gold is a number`);
  }
  const found = exactValue(answer);
  if (right && found) {
    if (sameRational(right, found)) return same(`both are exactly ${writtenRational(right)}`);
    if (roundsTo(right, found, Math.max(placesOf(gold), placesOf(answer)))) return same('they agree when rounded to six decimals');
    return different(`${writtenRational(found)} is not ${writtenRational(right)}`);
  }
  const symbols = [...new Set([...symbolsOf(gold), ...symbolsOf(answer)])];
  const decimals = Math.max(placesOf(gold), placesOf(answer));
  if (symbols.length === 0 && decimals >= roundingPlaces && (right || found)) {
    const [a, b] = [approximate(gold, nowhere), approximate(answer, nowhere)];
    if (a && b && nearly(a, b)) return same('they agree when rounded to six decimals');
  }
  return sameAtPoints(
    symbols,
    (at) => [approximate(gold, at), approximate(answer, at)],
    () => inFull(gold) === inFull(answer),
  );
}

/** `52_8` is itself, and `52` where the base is left out; it is not 42, which may be what the question said. */
function sameDigits(gold: Expression, answer: Expression): Comparison {
  const digits = (part: Expression) => {
    if (part.kind === 'based') return part.digits;
    return part.kind === 'number' && part.places === 0 && part.value.denominator === 1n ? String(part.value.numerator) : null;
  };
  if (gold.kind === 'based' && answer.kind === 'based' && gold.base !== answer.base) return different('the bases differ');
  return digits(gold) === digits(answer) ? same('the same digits') : different('other digits');
}

function nearly(gold: Approximate, answer: Approximate): boolean {
  const apart = Math.hypot(gold.re - answer.re, gold.im - answer.im);
  return apart <= 5e-7 && apart <= 1e-5 * Math.hypot(gold.re, gold.im);
}

/** Decimals of a literal, as written; 0 for any other expression. */
function placesOf(expression: Expression): number {
  if (expression.kind === 'negative') return placesOf(expression.of);
  return expression.kind === 'number' ? expression.places : 0;
}

/** 1 for ∞, -1 for -∞, 0 for any other. */
function infinity(expression: Expression): -1 | 0 | 1 {
  if (expression.kind === 'symbol') return expression.name === '∞' ? 1 : 0;
  return expression.kind === 'negative' && infinity(expression.of) === 1 ? -1 : 0;
}

/** Free symbols, by name. */
export function symbolsOf(expression: Expression): Set<string> {
  const found = new Set<string>();
  const walk = (part: Expression): void => {
    if (part.kind === 'symbol' && !['π', 'e', 'i', '∞'].includes(part.name)) found.add(part.name);
    partsOf(part).forEach(walk);
  };
  walk(expression);
  return found;
}

const nowhere: Point = () => ({ re: NaN, im: 0, error: 0 });

/** Positive, negative and complex ones: √(x²) is x for some of them only. */
const shapes = [
  { sign: 1, imaginary: 0 },
  { sign: 1, imaginary: 0 },
  { sign: 1, imaginary: 0 },
  { sign: -1, imaginary: 0 },
  { sign: -1, imaginary: 0 },
  { sign: 1, imaginary: 1 },
  { sign: -1, imaginary: 1 },
] as const;

/** Values of all symbols for the k-th point, the same in every run. */
export function pointAt(symbols: readonly string[], k: number): Point {
  const { sign, imaginary } = shapes[k % shapes.length]!;
  const values = new Map(
    symbols.map((symbol, i): [string, Approximate] => {
      // The fractional parts of multiples of an irrational number are spread evenly; of each symbol of another.
      const part = (n: number) => (n * Math.sqrt(2 + 3 * i) + 0.37 * (i + 1)) % 1;
      return [symbol, { re: sign * (0.3 + 1.6 * part(k + 1)), im: imaginary * (0.2 + part(k + 7)), error: 0 }];
    }),
  );
  return (symbol) => values.get(symbol) ?? { re: NaN, im: 0, error: 0 };
}

export const pointCount = shapes.length;

/** @param alike they are written alike, which settles what cannot be evaluated */
function sameAtPoints(
  symbols: readonly string[],
  values: (at: Point) => readonly [Approximate | null, Approximate | null],
  alike: () => boolean,
): Comparison {
  let compared = 0;
  const count = symbols.length === 0 ? 1 : pointCount;
  for (let k = 0; k < count; k++) {
    const [a, b] = values(pointAt(symbols, k));
    if (a === null || b === null) continue;
    if (Math.hypot(a.re - b.re, a.im - b.im) > 4 * (a.error + b.error)) {
      return different(symbols.length === 0 ? `${shown(b)} is not ${shown(a)}` : `their values differ where ${wordsOf(symbols, k)}`);
    }
    compared++;
  }
  if (compared < Math.min(count, 3)) {
    if (alike()) return same('both are read as the same expression');
    throw new TooComplex('its value cannot be worked out well enough');
  }
  return same(
    symbols.length === 0
      ? `both are ${shown(values(nowhere)[0]!)} within the rounding of doubles`
      : `their values agree at ${compared} points`,
  );
}

function wordsOf(symbols: readonly string[], k: number): string {
  const at = pointAt(symbols, k);
  return symbols
    .slice(0, 3)
    .map((symbol) => `${symbol} is ${shown(at(symbol))}`)
    .join(', ');
}

function shown({ re, im }: Approximate): string {
  const digits = (value: number) => String(Number(value.toPrecision(8)));
  return Math.abs(im) < 1e-12 ? digits(re) : `${digits(re)}${im < 0 ? '-' : '+'}${digits(Math.abs(im))}i`;
}

/** In lowest terms, clipped. */
function writtenRational({ numerator, denominator }: Rational): string {
  let [a, b] = [magnitude(numerator), denominator];
  if (String(numerator).length + String(denominator).length > 200) return 'a long number';
  while (b !== 0n) [a, b] = [b, a % b];
  const divisor = a === 0n ? 1n : a;
  const [top, bottom] = [numerator / divisor, denominator / divisor];
  const text = bottom === 1n ? String(top) : `${top}/${bottom}`;
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
