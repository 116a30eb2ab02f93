/** Exact numbers, as small as the verifier needs them. */

/** value = numerator / denominator, denominator > 0, not reduced. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What a grammar throws at a text that it does not cover. */
export class NoNumber extends Error {}

/** Larger exponents are nothing anybody meant to write; 10 ** 1000 still costs nothing. */
const maxExponent = 1000;

/** @param digits ASCII digits, at least one */
export function whole(digits: string): Rational {
  return { numerator: BigInt(digits), denominator: 1n };
}

/** With the other sign. */
export function negative<T extends Rational>(value: T): T {
  return { ...value, numerator: -value.numerator };
}

/** @throws NoNumber for a division by zero */
export function quotient(top: Rational, bottom: Rational): Rational {
  if (bottom.numerator === 0n) throw new NoNumber();
  const sign = bottom.numerator < 0n ? -1n : 1n;
  return { numerator: sign * top.numerator * bottom.denominator, denominator: sign * top.denominator * bottom.numerator };
}

/** @throws NoNumber */
export function exponent(text: string): number {
  const power = Number(text);
  if (Math.abs(power) > maxExponent) throw new NoNumber();
  return power;
}

/** `value` times ten to the power. */
export function timesTen({ numerator, denominator }: Rational, power: number): Rational {
  const factor = 10n ** BigInt(Math.abs(power));
  return power < 0 ? { numerator, denominator: denominator * factor } : { numerator: numerator * factor, denominator };
}

export const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

/** Decimals from which on a decimal number stands for the number that it is rounded from. */
export const roundingPlaces = 6;

/**
 * The stated rounding: a decimal of six places or more is right where it agrees with the gold to six. A whole gold is exact, and what is close
 * to zero needs five digits that are right, not places.
 */
export function roundsTo(gold: Rational, answer: Rational, places: number): boolean {
  if (places < roundingPlaces || gold.numerator % gold.denominator === 0n) return false;
  const apart = magnitude(gold.numerator * answer.denominator - answer.numerator * gold.denominator);
  const [scale, own] = [gold.denominator * answer.denominator, magnitude(gold.numerator) * answer.denominator];
  return apart * 2_000_000n <= scale && apart * 100_000n <= own;
}
