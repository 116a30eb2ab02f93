/** The pieces of an expression that are made of words and digits: numbers, their units, and names with an index. */
import { Unreadable, type Expression } from './expression.ts';
import { relatorOf } from './notation.ts';
import { negative, whole } from './rational.ts';
import { isWord, TokenReader } from './token-reader.ts';
import { isSign } from './tokens.ts';
import { unitOf } from './units.ts';

const maxUnitWords = 4;

export class NumberReader extends TokenReader {
  /** How many tokens from here are a unit; it ends the answer, or what a comma, a bracket or a relation ends. */
  protected unitLength(): number {
    let at = this.at;
    let words = 0;
    for (; ; at++) {
      const token = this.tokens[at];
      if (token?.kind === 'word') {
        if (isWord(token, 'and or')) break;
        // What is longer is no unit, and would be walked over from each of its words.
        if (words === maxUnitWords) return 0;
        const unit = unitOf(token.text, { upright: token.upright, glued: !token.spaced && !token.upright, first: words === 0 });
        // Words that are no known unit count as one where they are set as text: `\text{ square units}`.
        if (unit === null || (unit === '' && !token.upright)) return 0;
        if (!token.upright && token.text.length < 2) return 0;
        words++;
      } else if (words > 0 && (token?.kind === 'raised' || isSign(token, '^'))) {
        if (token!.kind !== 'raised') at += isSign(this.tokens[at + 1], '{') ? 3 : 1;
      } else if (!(words > 0 && isSign(token, '/.') && this.tokens[at + 1]?.kind === 'word')) break;
    }
    const end = this.tokens[at];
    return words > 0 && (!end || isSign(end, ',;)]}=:') || isWord(end, 'and or') || relatorOf(end) !== null) ? at - this.at : 0;
  }

  /** `42`, `4.20`, `.5`, `1,234` outside brackets, `0.\overline{3}`, `52_8` */
  protected number(): Expression {
    let digits = this.token?.kind === 'digits' ? this.tokens[this.at++]!.text : '';
    if (this.brackets === 0) {
      while (digits.length > 0 && this.isThousands(digits)) {
        digits += this.tokens[this.at + 1]!.text;
        this.at += 2;
      }
    }
    const based = isSign(this.token, '_') ? this.base(digits) : null;
    if (based) return based;
    let decimals = '';
    let repeating = '';
    const next = this.tokens[this.at + 1];
    if (isSign(this.token, '.') && !next?.spaced && (next?.kind === 'digits' || next?.text === '\\overline')) {
      this.at++;
      if (next.kind === 'digits') decimals = this.tokens[this.at++]!.text;
      if (this.command('\\overline') !== null) {
        this.expect('{');
        repeating = this.token?.kind === 'digits' ? this.tokens[this.at++]!.text : '';
        if (repeating === '') throw new Unreadable('no digits repeat');
        this.expect('}');
      }
    } else if (isSign(this.token, '.') && digits !== '' && (!next || isSign(next, ',)]}'))) this.at++;
    else if (digits === '') throw new Unreadable('“.” is not expected');
    const scale = 10n ** BigInt(decimals.length);
    const value = { numerator: BigInt(digits + decimals), denominator: scale };
    if (repeating === '') return this.scientific({ kind: 'number', value, places: decimals.length });
    const nines = 10n ** BigInt(repeating.length) - 1n;
    return {
      kind: 'number',
      value: { numerator: value.numerator * nines + BigInt(repeating), denominator: scale * nines },
      places: 0,
    };
  }

  /** `1.5e3`, in one piece. */
  protected scientific(number: Expression & { kind: 'number' }): Expression {
    const [mark, sign, digits] = this.tokens.slice(this.at, this.at + 3);
    if (mark?.kind !== 'word' || mark.spaced || mark.upright || !/^e$/i.test(mark.text)) return number;
    const signed = isSign(sign, '+-') && !sign!.spaced;
    const exponent = signed ? digits : sign;
    if (exponent?.kind !== 'digits' || exponent.spaced) return number;
    this.at += signed ? 3 : 2;
    const power: Expression = { kind: 'number', value: whole(exponent.text), places: 0 };
    const ten: Expression = { kind: 'number', value: whole('10'), places: 0 };
    const scale: Expression = {
      kind: 'power',
      base: ten,
      exponent: signed && sign!.text === '-' ? { ...power, value: negative(power.value) } : power,
    };
    return { kind: 'product', factors: [number, scale] };
  }

  protected isThousands(digits: string): boolean {
    const [comma, group] = this.tokens.slice(this.at, this.at + 2);
    if (!isSign(comma, ',') || comma!.spaced || group?.kind !== 'digits' || group.spaced) return false;
    return group.text.length === 3 && !digits.startsWith('0');
  }

  /** From the `_` behind digits. */
  protected base(digits: string): Expression {
    this.at++;
    const braced = this.take('{') !== null;
    const token = this.token;
    const base = token?.kind === 'digits' ? Number(token.text) : NaN;
    if (!(base >= 2 && base <= 36)) throw new Unreadable('a number has an index that is no base');
    this.at++;
    if (braced) this.expect('}');
    if ([...digits].some((digit) => Number(digit) >= base)) throw new Unreadable(`${digits} is no number to the base ${base}`);
    return { kind: 'based', digits, base };
  }

  /** With its index and primes, which belong to its name. */
  protected indexed(symbol: string): Expression {
    let name = symbol;
    while (this.take("'") !== null || this.command('\\prime') !== null) name += '′';
    if (this.take('_') !== null) {
      if (this.take('{') !== null) {
        let index = '';
        while (this.token && !isSign(this.token, '{}')) index += this.tokens[this.at++]!.text;
        this.expect('}');
        name += `_${index}`;
      } else {
        const token = this.token;
        if (token?.kind !== 'digits' && token?.kind !== 'word') throw new Unreadable('an index is missing');
        this.at++;
        name += `_${token.text}`;
      }
    }
    return { kind: 'symbol', name };
  }

  protected isSeparatingWord(): boolean {
    return isWord(this.token, 'and or in');
  }
}
