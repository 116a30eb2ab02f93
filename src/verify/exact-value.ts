/** The exact value of an expression: a rational number, or null where it has none, or none that is worked out here. */
import { TooComplex, type Expression } from './expression.ts';
import { NoNumber, negative, quotient, type Rational } from './rational.ts';

/** A number of more bits is written out by nobody. */
const maxBits = 20_000;

/** @throws TooComplex where a value grows beyond every answer */
export function exactValue(expression: Expression): Rational | null {
  try {
    return exact(expression);
  } catch (error) {
    // A division by zero.
    if (error instanceof NoNumber) return null;
    throw error;
  }
}

export function sameRational(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator;
}

function exact(expression: Expression): Rational | null {
  switch (expression.kind) {
    case 'number':
      return expression.value;
    case 'sum':
      return fold(expression.terms, (a, b) => ({
        numerator: a.numerator * b.denominator + b.numerator * a.denominator,
        denominator: a.denominator * b.denominator,
      }));
    case 'product':
      return fold(expression.factors, times);
    case 'negative': {
      const value = exact(expression.of);
      return value && negative(value);
    }
    case 'quotient': {
      const [top, bottom] = [exact(expression.top), exact(expression.bottom)];
      return top && bottom && quotient(top, bottom);
    }
    case 'power': {
      const [base, power] = [exact(expression.base), exact(expression.exponent)];
      const whole = power && wholeOf(power);
      return base && whole !== null ? raised(base, whole) : null;
    }
    case 'root':
      return exactRoot(expression);
    case 'percent': {
      const value = exact(expression.of);
      return value && { numerator: value.numerator, denominator: value.denominator * 100n };
    }
    case 'degrees':
      return exact(expression.of);
    case 'based': {
      let value = 0n;
      for (const digit of expression.digits) value = value * BigInt(expression.base) + BigInt(digit);
      return { numerator: value, denominator: 1n };
    }
    case 'call':
      return exactCall(expression);
    case 'symbol':
    case 'either':
      return null;
  }
}

function fold(parts: readonly Expression[], join: (a: Rational, b: Rational) => Rational): Rational | null {
  let result: Rational | null = null;
  for (const part of parts) {
    const value = exact(part);
    if (value === null) return null;
    result = result === null ? value : bounded(join(result, value));
  }
  return result;
}

const times = (a: Rational, b: Rational): Rational => ({
  numerator: a.numerator * b.numerator,
  denominator: a.denominator * b.denominator,
});

function bounded(value: Rational): Rational {
  if (bits(value.numerator) > maxBits || bits(value.denominator) > maxBits) throw new TooComplex('a number in it is too large');
  return value;
}

/** About how many, at no cost that grows faster than the number. */
const bits = (value: bigint): number => value.toString(16).length * 4;

/** As a whole number; null where it is none, or far too large for an exponent. */
export function wholeOf({ numerator, denominator }: Rational): number | null {
  if (numerator % denominator !== 0n) return null;
  const value = numerator / denominator;
  return value > 1_000_000n || value < -1_000_000n ? null : Number(value);
}

function raised(base: Rational, power: number): Rational | null {
  if (power < 0 && base.numerator === 0n) throw new NoNumber();
  const size = Math.abs(power);
  const largest = Math.max(bits(base.numerator), bits(base.denominator));
  // 1 and -1 may be raised as high as one likes.
  if (largest > 4 && largest * size > maxBits) throw new TooComplex('a number in it is too large');
  if (size > maxBits && base.numerator !== base.denominator && base.numerator !== -base.denominator && base.numerator !== 0n)
    throw new TooComplex('a number in it is too large');
  const n = BigInt(base.numerator === base.denominator || base.numerator === -base.denominator ? size % 2 : size);
  const value = { numerator: base.numerator ** n, denominator: base.denominator ** n };
  return power < 0 ? quotient({ numerator: 1n, denominator: 1n }, value) : value;
}

/** `\sqrt{25}`, `\sqrt[3]{-8}`; null where it does not come out. */
function exactRoot({ of, degree }: Expression & { kind: 'root' }): Rational | null {
  const value = exact(of);
  const power = degree === null ? 2 : wholeOf(exact(degree) ?? { numerator: 1n, denominator: 2n });
  if (value === null || power === null || power < 2 || power > 100) return null;
  if (value.numerator < 0n && power % 2 === 0) return null;
  const [top, bottom] = [wholeRoot(value.numerator, power), wholeRoot(value.denominator, power)];
  return top === null || bottom === null ? null : { numerator: top, denominator: bottom };
}

/** The whole number whose power this is; null where there is none. Newton's method, which doubles the right digits. */
function wholeRoot(value: bigint, power: number): bigint | null {
  if (value < 0n) {
    const root = wholeRoot(-value, power);
    return root === null ? null : -root;
  }
  if (value < 2n) return value;
  const n = BigInt(power);
  let guess = 1n << BigInt(Math.ceil(bits(value) / power) + 1);
  for (;;) {
    const next = ((n - 1n) * guess + value / guess ** (n - 1n)) / n;
    if (next >= guess) return guess ** n === value ? guess : null;
    guess = next;
  }
}

function exactCall({ name, of }: Expression & { kind: 'call' }): Rational | null {
  const values = of.map(exact);
  if (values.some((value) => value === null)) return null;
  const [first, second] = values as Rational[];
  switch (name) {
    case 'abs':
      return { ...first!, numerator: first!.numerator < 0n ? -first!.numerator : first!.numerator };
    case 'floor':
      return { numerator: floorOf(first!), denominator: 1n };
    case 'ceil':
      return { numerator: -floorOf(negative(first!)), denominator: 1n };
    case 'factorial': {
      const n = wholeOf(first!);
      if (n === null || n < 0) return null;
      if (n > 1000) throw new TooComplex('a number in it is too large');
      return { numerator: factorial(n), denominator: 1n };
    }
    case 'binomial': {
      const [n, k] = [wholeOf(first!), second ? wholeOf(second) : null];
      if (n === null || k === null || k < 0 || n < k) return null;
      if (n > 1000) throw new TooComplex('a number in it is too large');
      return { numerator: factorial(n) / (factorial(k) * factorial(n - k)), denominator: 1n };
    }
    case 'min':
    case 'max':
      return (values as Rational[]).reduce((a, b) => {
        const less = a.numerator * b.denominator < b.numerator * a.denominator;
        return less === (name === 'min') ? a : b;
      });
    case 'gcd':
    case 'lcm': {
      const numbers = (values as Rational[]).map((value) =>
        value.numerator % value.denominator === 0n ? value.numerator / value.denominator : null,
      );
      if (numbers.some((value) => value === null || value === 0n)) return null;
      const all = (numbers as bigint[]).reduce((a, b) => (name === 'gcd' ? gcd(a, b) : (a * b) / gcd(a, b)));
      return bounded({ numerator: all < 0n ? -all : all, denominator: 1n });
    }
    case 'sin':
    case 'cos':
    case 'tan':
    case 'cot':
    case 'sec':
    case 'csc':
    case 'arcsin':
    case 'arccos':
    case 'arctan':
    case 'sinh':
    case 'cosh':
    case 'tanh':
    case 'ln':
    case 'log':
    case 'exp':
      return null;
  }
}

function floorOf({ numerator, denominator }: Rational): bigint {
  const down = numerator / denominator;
  return numerator < 0n && numerator % denominator !== 0n ? down - 1n : down;
}

function factorial(n: number): bigint {
  let result = 1n;
  for (let i = 2n; i <= BigInt(n); i++) result *= i;
  return result;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
}
