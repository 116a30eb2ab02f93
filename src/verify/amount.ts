/**
 * The grammar of an amount, over tokens, all of which it must account for. What could be two things (`2,5`, `1 2`, `3 100/200`) is none.
 * There is no arithmetic beyond a quotient and a power of ten.
 *
 *   amount   = [ currency ] [ sign ] value [ "%" | unit ]
 *   value    = whole [ fraction ] | decimal | value "/" value | value "*" "10" "^" exponent | "(" amount ")"
 *   fraction = "1/2" | "\frac{1}{2}" | "½"
 */
import { exponent, negative, NoNumber, quotient, timesTen, whole, type Rational } from './rational.ts';
import { isSign, type Token } from './tokens.ts';
import { currencySigns, isCurrency, isDegree, unitOf } from './units.ts';

export interface Amount extends Rational {
  /** A percent sign is part of the answer: 10% is neither 10 nor 0.1. */
  readonly percent: boolean;
  /** The unit's own name where it is a known one; words that are no known unit are ''. Null: there are no words. */
  readonly unit: string | null;
}

/** The amount that the tokens are, all of them; null where they are none. */
export function parseAmount(tokens: readonly Token[]): Amount | null {
  try {
    return new Reader(tokens).amount(null);
  } catch (error) {
    if (error instanceof NoNumber) return null;
    throw error;
  }
}

class Reader {
  readonly #tokens: Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = [...tokens];
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#at];
  }

  /** Over blanks and what carries no value. @returns whether there was a blank */
  #skip(): boolean {
    let blank = false;
    for (let token = this.#token; token && ['blank', 'gap', 'mark'].includes(token.kind); token = this.#token) {
      blank ||= token.kind !== 'mark';
      this.#at++;
    }
    return blank;
  }

  #takeSign(signs: string): string | null {
    if (!isSign(this.#token, signs)) return null;
    return this.#tokens[this.#at++]!.text;
  }

  #expect(sign: string): void {
    if (this.#takeSign(sign) === null) throw new NoNumber();
  }

  /** @param closing the bracket that ends it; null: everything is used up */
  amount(closing: string | null): Amount {
    this.#currency();
    const sign = this.#takeSign('+-');
    this.#currency();
    const value = this.#value();
    const { percent, unit } = this.#unit();
    if (closing === null ? this.#token !== undefined : this.#takeSign(closing) === null) throw new NoNumber();
    return { ...(sign === '-' ? negative(value) : value), percent, unit };
  }

  /** `$`, `€`, `US$`, `USD`, in front of a number. */
  #currency(): void {
    for (;;) {
      this.#skip();
      const token = this.#token;
      if (!token || !isCurrency(token)) return;
      this.#at++;
      if (token.kind === 'word' && isSign(this.#token, '.')) this.#at++;
    }
  }

  #value(): Rational {
    let value = this.#operand(true);
    const start = this.#at;
    this.#skip();
    if (this.#command('\\over') || (isSign(this.#token, '/') && this.#startsOperand(1))) {
      this.#at++;
      value = quotient(value, this.#signed());
    } else this.#at = start;
    return value;
  }

  /** Whether a number begins after the token at the cursor: `5 / 2`, but not `5 / hour`. */
  #startsOperand(offset: number): boolean {
    let at = this.#at + offset;
    while (this.#tokens[at] && ['blank', 'mark'].includes(this.#tokens[at]!.kind)) at++;
    const token = this.#tokens[at];
    return token !== undefined && (token.kind === 'digits' || isSign(token, '+-.({') || token.text === '\\frac');
  }

  /** A number that may have a sign, without anything behind it. */
  #signed(): Rational {
    this.#skip();
    const sign = this.#takeSign('+-');
    this.#skip();
    const value = this.#operand(false);
    return sign === '-' ? negative(value) : value;
  }

  /** @param mixed a whole number may be followed by a fraction */
  #operand(mixed: boolean): Rational {
    const token = this.#token;
    if (token?.kind === 'digits' || isSign(token, '.')) return this.#number(mixed);
    if (token?.kind === 'vulgar' || token?.text === '\\frac') return this.#fraction();
    const bracket = this.#takeSign('({');
    if (bracket === null) throw new NoNumber();
    this.#parentheses += bracket === '(' ? 1 : 0;
    const inner = this.amount(bracket === '(' ? ')' : '}');
    this.#parentheses -= bracket === '(' ? 1 : 0;
    if (inner.percent || inner.unit !== null) this.#bracketed = inner;
    return inner;
  }

  #parentheses = 0;
  /** What stood behind a number within brackets, `(5\%)`. */
  #bracketed: Amount | null = null;

  #command(name: string): boolean {
    return this.#token?.kind === 'command' && this.#token.text === name;
  }

  /** `\frac{1}{2}`, `\frac12`, `½` */
  #fraction(): Rational {
    const { kind, text } = this.#tokens[this.#at++]!;
    if (kind === 'vulgar') {
      const [top, bottom] = text.split('/');
      return quotient(whole(top!), whole(bottom!));
    }
    return quotient(this.#argument(), this.#argument());
  }

  /** One digit, or a group. */
  #argument(): Rational {
    this.#skip();
    const token = this.#token;
    if (token?.kind === 'digits') {
      if (token.text.length === 1) this.#at++;
      else this.#tokens[this.#at] = { ...token, text: token.text.slice(1) };
      return whole(token.text[0]!);
    }
    if (token?.text === '\\frac') return this.#fraction();
    this.#expect('{');
    const { percent, unit, ...value } = this.amount('}');
    if (percent || unit !== null) throw new NoNumber();
    return value;
  }

  /** `42`, `4.20`, `.5`, `5.`, `1,234.5`, `12 345`, `1.5e3`, `2*10^6`, `3 1/2` */
  #number(mixed: boolean): Rational {
    const digits = this.#token?.kind === 'digits' ? this.#grouped() : '';
    let decimals = '';
    if (isSign(this.#token, '.') && this.#tokens[this.#at + 1]?.kind === 'digits') {
      decimals = this.#tokens[this.#at + 1]!.text;
      this.#at += 2;
    } else if (digits === '') throw new NoNumber();
    const value: Rational = { numerator: BigInt(digits + decimals), denominator: 10n ** BigInt(decimals.length) };
    if (mixed && decimals === '') {
      const part = this.#part();
      if (part) return { numerator: value.numerator * part.denominator + part.numerator, denominator: part.denominator };
    }
    return this.#scaled(value, digits + (decimals && '.'));
  }

  /** A whole number's digits, with what parts its thousands. */
  #grouped(): string {
    const groups = [this.#tokens[this.#at++]!.text];
    let separator: string | null = null;
    for (;;) {
      const token = this.#token;
      const next = this.#tokens[this.#at + 1];
      const parts = token && (token.kind === 'blank' || isSign(token, ",'")) && next?.kind === 'digits';
      if (!parts) break;
      if (token.kind === 'blank' && this.#slashAfter(this.#at + 2)) {
        // `3 1/2`; but `3 100/200` may be 3100/200 as well.
        if (next.text.length === 3 && groups.at(-1)!.length <= 3) throw new NoNumber();
        break;
      }
      if ((separator ??= token.text) !== token.text) throw new NoNumber();
      groups.push(next.text);
      this.#at += 2;
    }
    if (separator !== null && !areThousands(groups, separator)) throw new NoNumber();
    // `(1,234)` may be a pair.
    if (separator === ',' && this.#parentheses > 0) throw new NoNumber();
    return groups.join('');
  }

  #slashAfter(at: number): boolean {
    while (this.#tokens[at]?.kind === 'blank') at++;
    return isSign(this.#tokens[at], '/');
  }

  /** The fraction of a mixed number, a proper one; null where there is none. */
  #part(): Rational | null {
    const start = this.#at;
    const blank = this.#skip();
    const token = this.#token;
    let part: Rational | null = null;
    if (token?.kind === 'vulgar' || token?.text === '\\frac') part = this.#fraction();
    else if (token?.kind === 'digits' && blank) {
      this.#at++;
      this.#skip();
      this.#expect('/');
      this.#skip();
      const bottom = this.#token;
      if (bottom?.kind !== 'digits') throw new NoNumber();
      this.#at++;
      part = quotient(whole(token.text), whole(bottom.text));
    } else this.#at = start;
    if (part && (part.numerator < 0n || part.numerator >= part.denominator)) throw new NoNumber();
    return part;
  }

  /** With its power of ten. @param written as digits, for `10^6` */
  #scaled(value: Rational, written: string): Rational {
    if (this.#token?.kind === 'word' && /^e$/i.test(this.#token.text) && !this.#token.upright) {
      this.#at++;
      return timesTen(value, this.#exponent());
    }
    if (written === '10' && this.#raises()) return timesTen(whole('1'), this.#power());
    const start = this.#at;
    this.#skip();
    const times10 =
      (isSign(this.#token, '*') ||
        this.#command('\\times') ||
        this.#command('\\cdot') ||
        (this.#token?.kind === 'word' && /^x$/i.test(this.#token.text))) &&
      this.#at++ >= 0;
    this.#skip();
    if (times10 && this.#token?.kind === 'digits' && this.#token.text === '10') {
      this.#at++;
      if (this.#raises()) return timesTen(value, this.#power());
    }
    this.#at = start;
    return value;
  }

  /** Whether an exponent is next; `10^\circ` has none. */
  #raises(): boolean {
    const token = this.#token;
    return token?.kind === 'raised' || (isSign(token, '^') && !isDegree(token!, this.#tokens, this.#at));
  }

  /** `^6`, `^{-6}`, `⁶` */
  #power(): number {
    const token = this.#tokens[this.#at++]!;
    if (token.kind === 'raised') return exponent(token.text);
    this.#skip();
    const braced = this.#takeSign('{') !== null;
    const power = this.#exponent();
    if (braced) this.#expect('}');
    return power;
  }

  #exponent(): number {
    const sign = this.#takeSign('+-') ?? '';
    const token = this.#token;
    if (token?.kind !== 'digits') throw new NoNumber();
    this.#at++;
    return exponent(sign + token.text);
  }

  /** What may stand behind a number without changing it; stops at the first token that may not. */
  #unit(): { percent: boolean; unit: string | null } {
    let percent = this.#bracketed?.percent ?? false;
    let unit = this.#bracketed?.unit ?? null;
    this.#bracketed = null;
    let glued = true;
    /** The word before, which an exponent, a slash or a hyphen may follow. */
    let afterWord = false;
    for (;;) {
      if (this.#skip()) glued = false;
      const token = this.#token;
      if (!token) break;
      const { kind, text } = token;
      if (isSign(token, '%') && !percent && unit === null) percent = true;
      else if (isCurrency(token) && kind !== 'word') unit ??= '';
      else if (isDegree(token, this.#tokens, this.#at)) {
        this.#at += isSign(token, '^') ? (isSign(this.#tokens[this.#at + 1], '{') ? 3 : 1) : 0;
        unit ??= '';
        if (/^[CFK]$/.test(this.#tokens[this.#at + 1]?.text ?? '')) this.#at++;
      } else if (kind === 'word') {
        const said = this.#percentWord();
        if (said > 0 && !percent && unit === null) {
          percent = true;
          this.#at += said - 1;
        } else {
          const name = currencySigns.has(text)
            ? ''
            : unitOf(text, { upright: token.upright, glued: glued && !token.upright, first: unit === null });
          if (name === null) throw new NoNumber();
          unit ??= name;
          afterWord = true;
          glued = false;
          this.#at++;
          continue;
        }
      } else if (afterWord && kind === 'raised' && /^-?[123]$/.test(text)) {
        // cm²
      } else if (afterWord && isSign(token, '^')) {
        this.#at++;
        const braced = this.#takeSign('{') !== null;
        this.#takeSign('-');
        if (!/^[123]$/.test(this.#token?.text ?? '')) throw new NoNumber();
        if (braced && !isSign(this.#tokens[++this.#at], '}')) throw new NoNumber();
      } else if ((afterWord && isSign(token, ".-'*")) || this.#command('\\cdot') || isSign(token, '/')) {
        // An abbreviation's point; what joins two words of a unit: `man-hours`, `km/h`, `N*m`.
        if (!isSign(token, '.') && !this.#wordAfter()) throw new NoNumber();
      } else if (isSign(token, '(') && this.#wordAfter()) {
        const end = this.#tokens.findIndex((one, i) => i > this.#at && isSign(one, ')'));
        if (end < 0) break;
        // A unit in brackets: read on within them.
        this.#tokens.splice(end, 1);
      } else break;
      afterWord = false;
      this.#at++;
    }
    return { percent, unit };
  }

  #wordAfter(): boolean {
    let at = this.#at + 1;
    while (this.#tokens[at]?.kind === 'blank') at++;
    return this.#tokens[at]?.kind === 'word';
  }

  /** How many tokens say `percent`; 0 for none. */
  #percentWord(): number {
    const text = this.#token!.text.toLowerCase();
    if (text === 'percent' || text === 'pct') return 1;
    const [, blank, cent] = this.#tokens.slice(this.#at, this.#at + 3);
    return text === 'per' && blank?.kind === 'blank' && cent?.text.toLowerCase() === 'cent' ? 3 : 0;
  }
}

/**
 * Groups of three, as most write; or India's two, but for the last three. A single comma before other numbers of digits is a decimal comma or a
 * list, and blanks part numbers.
 */
function areThousands(groups: readonly string[], separator: string): boolean {
  const [first, ...rest] = groups;
  if (first!.startsWith('0') || first!.length > 3) return false;
  if (rest.every(({ length }) => length === 3)) return true;
  return (
    separator === ',' && first!.length <= 2 && rest.length > 1 && rest.every(({ length }, i) => length === (i < rest.length - 1 ? 2 : 3))
  );
}
