/**
 * The value of an expression at a point, as a complex number in double precision with a bound of its own error, carried along: two expressions
 * whose values are further apart than their bounds are different, whatever was rounded on the way. Where nothing certain can be said (a division
 * by about zero, an overflow), the value is null.
 */
import type { Expression, FunctionName } from './expression.ts';

export interface Approximate {
  readonly re: number;
  readonly im: number;
  /** |value - true value| is at most this. */
  readonly error: number;
}

/** Values of the free symbols. */
export type Point = (symbol: string) => Approximate;

const epsilon = 2.3e-16;
const real = (re: number, error = Math.abs(re) * epsilon): Approximate => ({ re, im: 0, error });
const size = ({ re, im }: Approximate) => Math.hypot(re, im);

/** With the rounding of the operation that gave it; null where it says nothing any more. */
function checked(re: number, im: number, error: number): Approximate | null {
  const value = { re, im, error: error + 4 * epsilon * Math.hypot(re, im) };
  if (!Number.isFinite(re) || !Number.isFinite(im) || !Number.isFinite(value.error)) return null;
  return value.error > 1e-6 * Math.max(1, Math.hypot(re, im)) ? null : value;
}

const add = (a: Approximate, b: Approximate) => checked(a.re + b.re, a.im + b.im, a.error + b.error + epsilon * (size(a) + size(b)));
const negate = ({ re, im, error }: Approximate): Approximate => ({ re: -re, im: -im, error });

function multiply(a: Approximate, b: Approximate): Approximate | null {
  const error = size(a) * b.error + size(b) * a.error + a.error * b.error;
  return checked(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, error);
}

function divide(a: Approximate, b: Approximate): Approximate | null {
  const square = b.re * b.re + b.im * b.im;
  const distance = Math.sqrt(square) - b.error;
  // What may be zero divides nothing.
  if (!(distance > 0) || square === 0) return null;
  const re = (a.re * b.re + a.im * b.im) / square;
  const im = (a.im * b.re - a.re * b.im) / square;
  return checked(re, im, (a.error + Math.hypot(re, im) * b.error) / distance);
}

function exponential(a: Approximate): Approximate | null {
  const factor = Math.exp(a.re);
  return checked(factor * Math.cos(a.im), factor * Math.sin(a.im), factor * Math.expm1(Math.min(a.error, 1)) + factor * epsilon * size(a));
}

/** The main branch. */
function logarithm(a: Approximate): Approximate | null {
  const modulus = size(a);
  if (!(modulus > a.error)) return null;
  // On the cut the branch hangs on a rounding.
  if (a.re < 0 && a.im !== 0 && Math.abs(a.im) <= a.error) return null;
  return checked(Math.log(modulus), Math.atan2(a.im, a.re), a.error / (modulus - a.error) + epsilon);
}

function wholePower(a: Approximate, power: number): Approximate | null {
  if (power < 0) {
    const below = wholePower(a, -power);
    return below && divide(real(1, 0), below);
  }
  let [result, square, left]: [Approximate | null, Approximate | null, number] = [real(1, 0), a, power];
  while (left > 0 && result) {
    if (left % 2 === 1) result = square && multiply(result, square);
    left = Math.floor(left / 2);
    if (left > 0) square = square && multiply(square, square);
    if (!square) return null;
  }
  return result;
}

function power(base: Approximate, exponent: Approximate): Approximate | null {
  if (exponent.im === 0 && Number.isInteger(exponent.re) && Math.abs(exponent.re) <= 1e6) return wholePower(base, exponent.re);
  if (exponent.im === 0 && exponent.re === 0.5) return squareRoot(base);
  if (base.re === 0 && base.im === 0 && base.error === 0) return exponent.re > 0 ? real(0, 0) : null;
  const log = logarithm(base);
  const product = log && multiply(exponent, log);
  return product && exponential(product);
}

function squareRoot(a: Approximate): Approximate | null {
  const modulus = size(a);
  if (modulus === 0) return a.error === 0 ? real(0, 0) : null;
  if (a.im === 0) {
    const root = Math.sqrt(Math.abs(a.re));
    return a.re >= 0 ? checked(root, 0, a.error / root) : checked(0, root, a.error / root);
  }
  if (a.re < 0 && Math.abs(a.im) <= a.error) return null;
  const re = Math.sqrt((modulus + Math.abs(a.re)) / 2);
  const im = Math.abs(a.im) / (2 * re);
  const [x, y] = a.re >= 0 ? [re, im] : [im, re];
  return checked(x, a.im < 0 ? -y : y, a.error / Math.sqrt(modulus));
}

/** Of an odd degree the real root of a real number: `\sqrt[3]{-8}` is -2. */
function root(a: Approximate, degree: Approximate): Approximate | null {
  if (degree.im === 0 && degree.re === 2) return squareRoot(a);
  if (a.im === 0 && a.re < 0 && degree.im === 0 && Math.abs(degree.re % 2) === 1) {
    const positive = root(negate(a), degree);
    return positive && negate(positive);
  }
  const inverse = divide(real(1, 0), degree);
  return inverse && power(a, inverse);
}

/** e^(ia), from which sine and cosine come. */
function turned(a: Approximate): readonly [Approximate, Approximate] | null {
  const e = exponential({ re: -a.im, im: a.re, error: a.error });
  const inverse = exponential({ re: a.im, im: -a.re, error: a.error });
  return e && inverse && [e, inverse];
}

function cosine(a: Approximate): Approximate | null {
  if (a.im === 0) return checked(Math.cos(a.re), 0, a.error + epsilon * Math.abs(a.re));
  const both = turned(a);
  const sum = both && add(both[0], both[1]);
  return sum && checked(sum.re / 2, sum.im / 2, sum.error / 2);
}

function sine(a: Approximate): Approximate | null {
  if (a.im === 0) return checked(Math.sin(a.re), 0, a.error + epsilon * Math.abs(a.re));
  const both = turned(a);
  const difference = both && add(both[0], negate(both[1]));
  return difference && checked(difference.im / 2, -difference.re / 2, difference.error / 2);
}

const ratio = (top: Approximate | null, bottom: Approximate | null) => top && bottom && divide(top, bottom);

/** A real function of a real number, whose slope there is `slope`. */
function ofReal(a: Approximate, value: number, slope: number): Approximate | null {
  return a.im === 0 ? checked(value, 0, Math.abs(slope) * a.error) : null;
}

function called(name: FunctionName, of: readonly Approximate[]): Approximate | null {
  const a = of[0];
  if (!a) return null;
  switch (name) {
    case 'sin':
      return sine(a);
    case 'cos':
      return cosine(a);
    case 'tan':
      return ratio(sine(a), cosine(a));
    case 'cot':
      return ratio(cosine(a), sine(a));
    case 'sec':
      return ratio(real(1, 0), cosine(a));
    case 'csc':
      return ratio(real(1, 0), sine(a));
    case 'arcsin':
      return Math.abs(a.re) < 1 ? ofReal(a, Math.asin(a.re), 1 / Math.sqrt(1 - a.re * a.re)) : edge(a, Math.asin(a.re));
    case 'arccos':
      return Math.abs(a.re) < 1 ? ofReal(a, Math.acos(a.re), 1 / Math.sqrt(1 - a.re * a.re)) : edge(a, Math.acos(a.re));
    case 'arctan':
      return ofReal(a, Math.atan(a.re), 1);
    case 'sinh':
    case 'cosh':
    case 'tanh': {
      const [up, down] = [exponential(a), exponential(negate(a))];
      const [difference, sum] = up && down ? [add(up, negate(down)), add(up, down)] : [null, null];
      const two = real(2, 0);
      return name === 'tanh' ? ratio(difference, sum) : ratio(name === 'sinh' ? difference : sum, two);
    }
    case 'ln':
      return logarithm(a);
    case 'log':
      return ratio(logarithm(a), logarithm(of[1] ?? real(10, 0)));
    case 'exp':
      return exponential(a);
    case 'abs':
      return { re: size(a), im: 0, error: a.error + epsilon * size(a) };
    case 'floor':
    case 'ceil': {
      const value = name === 'floor' ? Math.floor(a.re) : Math.ceil(a.re);
      return a.im === 0 && Math.abs(a.re - Math.round(a.re)) > a.error ? real(value, 0) : null;
    }
    case 'min':
    case 'max':
      return of.every(({ im }) => im === 0) ? of.reduce((x, y) => (x.re < y.re === (name === 'min') ? x : y)) : null;
    // Of whole numbers they are exact; of symbols nothing is worked out.
    case 'factorial':
    case 'binomial':
    case 'gcd':
    case 'lcm':
      return null;
  }
}

function edge(a: Approximate, value: number): Approximate | null {
  return a.im === 0 && Math.abs(a.re) === 1 && a.error <= epsilon ? real(value) : null;
}

/** @returns null where the value is not defined there, or not known well enough to compare it with another */
export function approximate(expression: Expression, at: Point): Approximate | null {
  switch (expression.kind) {
    case 'number': {
      const { numerator, denominator } = expression.value;
      return number(numerator, denominator);
    }
    case 'symbol':
      if (expression.name === 'π') return real(Math.PI);
      if (expression.name === 'e') return real(Math.E);
      if (expression.name === 'i') return { re: 0, im: 1, error: 0 };
      return expression.name === '∞' ? null : at(expression.name);
    case 'sum':
      return joined(expression.terms, add, at);
    case 'product':
      return joined(expression.factors, multiply, at);
    case 'negative': {
      const value = approximate(expression.of, at);
      return value && negate(value);
    }
    case 'quotient':
      return ratio(approximate(expression.top, at), approximate(expression.bottom, at));
    case 'power': {
      const [base, exponent] = [approximate(expression.base, at), approximate(expression.exponent, at)];
      return base && exponent && power(base, exponent);
    }
    case 'root': {
      const of = approximate(expression.of, at);
      const degree = expression.degree ? approximate(expression.degree, at) : real(2, 0);
      return of && degree && root(of, degree);
    }
    case 'call': {
      const of = expression.of.map((part) => (part.kind === 'degrees' ? radians(part.of, at) : approximate(part, at)));
      return of.every((value) => value !== null) ? called(expression.name, of) : null;
    }
    case 'percent': {
      const value = approximate(expression.of, at);
      return value && divide(value, real(100, 0));
    }
    case 'degrees':
      return approximate(expression.of, at);
    case 'based': {
      let value = 0;
      for (const digit of expression.digits) value = value * expression.base + Number(digit);
      return real(value);
    }
    // They are taken apart before.
    case 'either':
      return null;
  }
}

function joined(parts: readonly Expression[], join: (a: Approximate, b: Approximate) => Approximate | null, at: Point): Approximate | null {
  let result: Approximate | null = null;
  for (const [i, part] of parts.entries()) {
    const value = approximate(part, at);
    result = i === 0 ? value : result && value && join(result, value);
    if (result === null) return null;
  }
  return result;
}

function radians(expression: Expression, at: Point): Approximate | null {
  const value = approximate(expression, at);
  return value && multiply(value, real(Math.PI / 180));
}

/** As near as a double comes, also where both parts are beyond doubles. */
function number(numerator: bigint, denominator: bigint): Approximate | null {
  const [top, bottom] = [Number(numerator), Number(denominator)];
  if (Number.isFinite(top) && Number.isFinite(bottom)) {
    const exact = Number.isSafeInteger(top) && bottom === 1;
    return real(top / bottom, exact ? 0 : Math.abs(top / bottom) * 2 * epsilon);
  }
  const scaled = Number((numerator * 10n ** 30n) / denominator) / 1e30;
  return Number.isFinite(scaled) && scaled !== 0 ? real(scaled, Math.abs(scaled) * 4 * epsilon + 1e-30) : null;
}
