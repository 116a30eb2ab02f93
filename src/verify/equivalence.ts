/**
 * When two written answers are the same: equal as exact rational numbers, else equal as text once spacing and mere
 * decoration are gone. There is no algebra: `x + 1` and `1 + x` differ. A percent sign is part of the answer:
 * 10% is neither 10 nor 0.1.
 */

/** value = numerator / denominator, denominator > 0, not reduced. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export function equivalent(a: string, b: string): boolean {
  const left = readNumber(a);
  const right = readNumber(b);
  if (left && right) return left.numerator * right.denominator === right.numerator * left.denominator;
  return !left && !right && plain(a) === plain(b) && plain(a) !== '';
}

/** Longer answers are not numbers anybody meant to write. */
const maxLength = 200;

/**
 * Reads integers, decimals, fractions (`3/4`, `\frac{3}{4}`, `\frac34`) and mixed numbers (`1\frac{3}{4}`), with sign,
 * thousands separators, currency, and a unit in `\text{…}`. Null for anything else.
 */
export function readNumber(text: string): Rational | null {
  const source = plain(text);
  if (source.length > maxLength) return null;
  const [, sign, rest] = /^([+-]?)(.*)$/s.exec(source)!;
  const value = readUnsigned(rest!);
  return value && sign === '-' ? { ...value, numerator: -value.numerator } : value;
}

function readUnsigned(text: string): Rational | null {
  const decimal = readDecimal(text);
  if (decimal) return decimal;
  const slash = /^\(?([\d.,]+)\)?\/\(?([\d.,]+)\)?$/.exec(text);
  if (slash) return quotient(readDecimal(slash[1]!), readDecimal(slash[2]!));
  const fraction = /^(\d*)\\frac(?:\{(-?[\d.,]+)\}|(\d))(?:\{(-?[\d.,]+)\}|(\d))$/.exec(text);
  if (!fraction) return null;
  const [, whole, top, topDigit, bottom, bottomDigit] = fraction;
  const part = quotient(readSigned(top ?? topDigit!), readSigned(bottom ?? bottomDigit!));
  if (!part || !whole) return part;
  return { numerator: BigInt(whole) * part.denominator + part.numerator, denominator: part.denominator };
}

function readSigned(text: string): Rational | null {
  const value = readDecimal(text.replace(/^-/, ''));
  return value && text.startsWith('-') ? { ...value, numerator: -value.numerator } : value;
}

/** `42`, `4.20`, `.5`, `5.`, `1,234.5`; commas only where they separate thousands. */
function readDecimal(text: string): Rational | null {
  const match = /^(\d+|\d{1,3}(?:,\d{3})+)?(?:\.(\d*))?$/.exec(text);
  const [, whole = '', decimals = ''] = match ?? [];
  const digits = whole.replaceAll(',', '') + decimals;
  if (!match || digits === '') return null;
  return { numerator: BigInt(digits), denominator: 10n ** BigInt(decimals.length) };
}

function quotient(top: Rational | null, bottom: Rational | null): Rational | null {
  if (!top || !bottom || bottom.numerator === 0n) return null;
  const sign = bottom.numerator < 0n ? -1n : 1n;
  return { numerator: sign * top.numerator * bottom.denominator, denominator: sign * top.denominator * bottom.numerator };
}

/** The answer without what LaTeX needs to set it: dollar signs, spaces, sizes, a trailing unit or full stop. */
function plain(text: string): string {
  return text
    .trim()
    .replace(/^(?:\\\(|\\\[|\$+)(.*?)(?:\\\)|\\\]|\$+)$/s, '$1')
    .replace(/\{,\}|\\!/g, (spacing) => (spacing === '{,}' ? ',' : ''))
    .replace(/\\[,;: ]|\\q?quad(?![a-z])|~|\s/g, '')
    .replace(/\\(?:left|right)(?![a-z])/g, '')
    .replace(/\\[dt]frac(?![a-z])/g, '\\frac')
    .replace(/\\?\$/g, '')
    .replace(/\u2212/g, '-')
    .replace(/\^\{?\\circ\}?$/, '')
    .replace(/(.)\\(?:text|mbox|mathrm)\{[^{}]*\}$/, '$1')
    .replace(/\.$/, '');
}
