/**
 * The grammar of a value: sums, products, powers, functions. What collects values, and may stand in brackets within one, is `parse-answer.ts`.
 *
 *   sum      = [ "-" ] product { ("+" | "-" | "±") product }
 *   product  = factor { [ "*" | "/" ] factor }
 *   factor   = atom { "^" atom | "_" atom | "!" | "%" | "°" | unit }
 *   atom     = number | letter | "(" answer ")" | "\frac" atom atom | "\sqrt" atom | function factor | "|" sum "|" | matrix
 */
import { isExpression, maxDepth, TooComplex, Unreadable, type Answer, type Expression, type FunctionName } from './expression.ts';
import { functionOf, symbolOf } from './notation.ts';
import { NumberReader } from './number-reader.ts';
import { negative, whole } from './rational.ts';
import { isWord } from './token-reader.ts';
import { isSign } from './tokens.ts';
import { currencySigns, isCurrency, isDegree } from './units.ts';

export abstract class ExpressionReader extends NumberReader {
  /** What stands between two commas. */
  protected abstract item(): Answer;
  /** From behind the opening bracket. @param outward `]0,1[`, as in France */
  protected abstract group(open: '(' | '[', outward?: boolean): Answer;
  /** From behind an opening brace: a group, or the items of a set. @param close what ends it */
  protected abstract braces(close: '}' | '\\}'): Answer;
  /** From behind `\begin`. */
  protected abstract matrix(): Answer;

  /** A sum that is an expression. */
  protected value(): Expression {
    const value = this.sum();
    if (!isExpression(value)) throw new Unreadable('a list stands where a value belongs');
    return value;
  }

  protected sum(): Answer {
    const first = this.signed(this.sign());
    if (!isExpression(first)) return first;
    const terms = [first];
    for (let sign = this.sign(); sign !== null; sign = this.sign()) {
      const term = this.signed(sign);
      if (!isExpression(term)) throw new Unreadable('a list cannot be added');
      terms.push(term);
    }
    return terms.length === 1 ? first : { kind: 'sum', terms };
  }

  protected sign(): '+' | '-' | '±' | '∓' | null {
    const token = this.token;
    if (token?.kind === 'command' ? token.text !== '\\pm' && token.text !== '\\mp' : !isSign(token, '+-±∓')) return null;
    this.at++;
    if (token!.text === '\\pm') return '±';
    return token!.text === '\\mp' ? '∓' : (token!.text as '+' | '-' | '±' | '∓');
  }

  protected signed(sign: '+' | '-' | '±' | '∓' | null): Answer {
    const product = this.product();
    if (sign === null || sign === '+') return product;
    if (!isExpression(product)) throw new Unreadable('a list has no sign');
    if (sign === '-') return product.kind === 'number' ? { ...product, value: negative(product.value) } : { kind: 'negative', of: product };
    return { kind: 'either', of: product, sign: sign === '±' ? 1 : -1 };
  }

  protected product(): Answer {
    const first = this.factor();
    if (!isExpression(first)) return first;
    let factors: Expression[] = [first];
    for (;;) {
      const token = this.token;
      const sign = isSign(token, '*/÷') ? token!.text : token?.kind === 'command' ? products[token.text] : undefined;
      if (sign !== undefined) {
        this.at++;
        // `2 \cdot -3`, `1/-2`
        const minus = this.take('+-') === '-';
        const read = this.expressionFactor();
        const factor: Expression = minus ? { kind: 'negative', of: read } : read;
        if (sign === '*') factors.push(factor);
        else factors = [{ kind: 'quotient', top: productOf(factors), bottom: factor, bar: sign === '/' }];
      } else if (token?.text === '\\over') {
        this.at++;
        const bottom = this.product();
        if (!isExpression(bottom)) throw new Unreadable('a list cannot divide');
        factors = [{ kind: 'quotient', top: productOf(factors), bottom, bar: true }];
      } else if (this.startsFactor()) {
        const last = factors.at(-1)!;
        if (token!.kind === 'digits' || isSign(token, '.')) throw new Unreadable('two numbers stand side by side');
        const fraction = token!.kind === 'vulgar' || token!.text === '\\frac';
        const factor = this.expressionFactor();
        // `3\frac12` is a mixed number, not a product
        if (fraction && isWhole(last)) factors[factors.length - 1] = mixed(last, factor);
        else factors.push(factor);
      } else break;
    }
    return productOf(factors);
  }

  protected expressionFactor(): Expression {
    const factor = this.factor();
    if (!isExpression(factor)) throw new Unreadable('a list cannot be multiplied');
    return factor;
  }

  /** Whether what comes is multiplied without a sign. */
  protected startsFactor(): boolean {
    const token = this.token;
    if (!token) return false;
    switch (token.kind) {
      case 'digits':
      case 'vulgar':
        return true;
      case 'word':
        return !(this.isSeparatingWord() || this.unitLength() > 0);
      case 'command':
        return startingCommands.has(token.text) || symbolOf(token) !== null || functionOf(token) !== null;
      case 'sign':
        if (token.text === '|') return this.bars === 0;
        return '([{√π∞'.includes(token.text) || (token.text === '.' && this.tokens[this.at + 1]?.kind === 'digits');
      case 'raised':
      case 'blank':
      case 'gap':
      case 'mark':
        return false;
    }
  }

  protected factor(): Answer {
    const atom = this.atom();
    return isExpression(atom) ? this.postfix(atom) : atom;
  }

  /** What stands behind a value: powers, factorials, percent, degrees, and units, which leave it alone. */
  protected postfix(atom: Expression): Expression {
    let value = atom;
    // As deep as it is long: `x!!!!`
    for (let count = 0; ; count++) {
      if (count > maxDepth) throw new TooComplex(`it nests deeper than ${maxDepth}`);
      const token = this.token;
      if (!token) return value;
      if (isDegree(token, this.tokens, this.at)) {
        this.at += isSign(token, '^') ? (isSign(this.tokens[this.at + 1], '{') ? 4 : 2) : 1;
        if (/^[CF]$/.test(this.token?.text ?? '') && this.token?.kind === 'word') this.at++;
        value = { kind: 'degrees', of: value };
      } else if (token.kind === 'raised') {
        this.at++;
        const minus = token.text.startsWith('-');
        const digits = whole(token.text.replace(/^[-⁺]/, ''));
        value = { kind: 'power', base: value, exponent: { kind: 'number', value: minus ? negative(digits) : digits, places: 0 } };
      } else if (isSign(token, '^')) {
        this.at++;
        value = { kind: 'power', base: value, exponent: this.nested(() => this.exponent()) };
      } else if (isSign(token, '!') && !isSign(this.tokens[this.at + 1], '=')) {
        this.at++;
        value = { kind: 'call', name: 'factorial', of: [value] };
      } else if (isSign(token, '%') || isWord(token, 'percent')) {
        this.at++;
        value = { kind: 'percent', of: value };
      } else if (isCurrency(token) && (token.kind !== 'word' || token.text.length > 2)) this.at++;
      else {
        const unit = this.unitLength();
        if (unit === 0) return value;
        this.at += unit;
      }
    }
  }

  /** `^2`, `^{…}`, `^10`, `^-1`, `^x`, `^(1/2)` */
  protected exponent(): Expression {
    const minus = this.take('-') !== null;
    const exponent = this.argument();
    return minus ? { kind: 'negative', of: exponent } : exponent;
  }

  /**
   * A group, a number, or one letter or command with what it needs.
   * @param digit only the first digit belongs to it, as in `\frac12`; `2^10` is meant as it is written
   */
  protected argument(digit = false): Expression {
    const token = this.token;
    if (token?.kind === 'digits' && digit && token.text.length > 1) {
      this.tokens[this.at] = { ...token, text: token.text.slice(1), spaced: false };
      return { kind: 'number', value: whole(token.text[0]!), places: 0 };
    }
    if (token?.kind === 'word' && token.text.length > 1 && symbolOf(token) === null) {
      const [first] = token.text;
      this.tokens[this.at] = { ...token, text: token.text.slice(first!.length), spaced: false };
      return { kind: 'symbol', name: first! };
    }
    const atom = this.nested(() => this.atom());
    if (!isExpression(atom)) throw new Unreadable('a list stands where a value belongs');
    return atom;
  }

  protected atom(): Answer {
    const token = this.token;
    if (!token) throw new Unreadable('it ends too early');
    switch (token.kind) {
      case 'digits':
        return this.number();
      case 'vulgar': {
        this.at++;
        const [top, bottom] = token.text.split('/').map((digits): Expression => ({ kind: 'number', value: whole(digits), places: 0 }));
        return { kind: 'quotient', top: top!, bottom: bottom!, bar: true };
      }
      case 'word':
        return this.word();
      case 'command':
        return this.commandAtom();
      case 'sign':
        return this.signAtom();
      case 'raised':
      case 'blank':
      case 'gap':
      case 'mark':
        throw new Unreadable(`“${token.text}” is not expected`);
    }
  }

  protected signAtom(): Answer {
    const { text } = this.token!;
    if (text === '.') return this.number();
    this.at++;
    if (text === '(' || text === '[' || text === ']') return this.group(text === '(' ? '(' : '[', text === ']');
    if (text === '{') return this.braces('}');
    if (text === '|') return this.absolute();
    if (text === '√') return { kind: 'root', of: this.nested(() => this.expressionFactor()), degree: null };
    if (text === 'π' || text === '∞') return { kind: 'symbol', name: text };
    if (text === '∅') return { kind: 'list', items: [], braces: true };
    if (currencySigns.has(text)) return this.nested(() => this.atom());
    throw new Unreadable(`“${text}” is not expected`);
  }

  protected absolute(): Expression {
    const bars = this.bars;
    this.bars = 1;
    this.brackets++;
    const of = this.nested(() => this.value());
    this.brackets--;
    this.bars = bars;
    if (this.take('|') === null && this.command('\\vert', '\\rvert', '\\|') === null) throw new Unreadable('“|” is not closed');
    return { kind: 'call', name: 'abs', of: [of] };
  }

  protected word(): Answer {
    const token = this.token!;
    const named = functionOf(token);
    if (named) {
      this.at++;
      return this.call(named);
    }
    const lower = token.text.toLowerCase();
    if (lower === 'sqrt') {
      this.at++;
      return { kind: 'root', of: this.nested(() => this.argument()), degree: null };
    }
    const symbol = symbolOf(token);
    if (symbol) {
      this.at++;
      return this.indexed(symbol);
    }
    if (token.upright && token.text.length > 1) throw new Unreadable(`“${token.text}” is a word`);
    const currency = isCurrency(token) && token.text.length > 2;
    if (currency) {
      this.at++;
      return this.nested(() => this.atom());
    }
    const letters = [...token.text];
    if (letters.length > 4 || this.isSeparatingWord()) throw new Unreadable(`“${token.text}” is a word`);
    this.at++;
    const factors = letters.map((name): Expression => ({ kind: 'symbol', name }));
    const last = factors.pop()! as Expression & { kind: 'symbol' };
    const indexed = this.indexed(last.name);
    // `xy^2` raises the y alone
    return productOf([...factors, factors.length > 0 ? this.postfix(indexed) : indexed]);
  }

  protected commandAtom(): Answer {
    const token = this.tokens[this.at++]!;
    const { text } = token;
    switch (text) {
      case '\\frac': {
        const top = this.nested(() => this.argument(true));
        return { kind: 'quotient', top, bottom: this.nested(() => this.argument(true)), bar: true };
      }
      case '\\sqrt': {
        let degree: Expression | null = null;
        if (isSign(this.token, '[')) {
          this.at++;
          degree = this.inBrackets(() => this.value());
          this.expect(']');
        }
        return { kind: 'root', of: this.nested(() => this.argument(true)), degree };
      }
      case '\\binom': {
        const of = [this.argument(true), this.argument(true)];
        return { kind: 'call', name: 'binomial', of };
      }
      case '\\{':
      case '\\lbrace':
        return this.braces('\\}');
      case '\\langle': {
        const items = this.inBrackets((): Answer[] => {
          const found = [this.item()];
          while (this.take(',;') !== null) found.push(this.item());
          return found;
        });
        if (this.command('\\rangle') === null) throw new Unreadable('a bracket is not closed');
        return { kind: 'tuple', open: '<', close: '>', items };
      }
      case '\\lfloor':
      case '\\lceil': {
        const of = [this.inBrackets(() => this.value())];
        if (this.command('\\rfloor', '\\rceil') === null) throw new Unreadable('a bracket is not closed');
        return { kind: 'call', name: text === '\\lfloor' ? 'floor' : 'ceil', of };
      }
      case '\\lvert':
      case '\\vert':
      case '\\|':
        return this.absolute();
      case '\\emptyset':
      case '\\varnothing':
        return { kind: 'list', items: [], braces: true };
      case '\\begin':
        return this.matrix();
      case '\\mathbb': {
        this.expect('{');
        const name = this.token;
        this.at++;
        this.expect('}');
        return { kind: 'symbol', name: name?.text === 'R' ? 'ℝ' : `\\mathbb{${name?.text}}` };
      }
      case '\\overline':
      case '\\hat':
      case '\\vec':
      case '\\bar': {
        const of = this.argument(true);
        if (of.kind !== 'symbol') throw new Unreadable(`${text} stands over more than a letter`);
        return { kind: 'symbol', name: `${text}{${of.name}}` };
      }
      default: {
        const named = functionOf(token);
        if (named) return this.call(named);
        const symbol = symbolOf(token);
        if (symbol) return this.indexed(symbol);
        if (isCurrency(token)) return this.nested(() => this.atom());
        throw new Unreadable(`“${text}” is not known`);
      }
    }
  }

  /** From behind a function's name: `\sin x`, `\sin^2 x`, `\log_2 8`, `\sin(2x)`, `\gcd(4, 6)` */
  protected call(function_: FunctionName): Expression {
    let name = function_;
    let base: Expression | null = null;
    let exponent: Expression | null = null;
    if (this.take('_') !== null) base = this.nested(() => this.argument(true));
    if (this.take('^') !== null) exponent = this.nested(() => this.exponent());
    else if (this.token?.kind === 'raised')
      exponent = { kind: 'number', value: whole(this.tokens[this.at++]!.text.replace('-', '')), places: 0 };
    const inverse = exponent?.kind === 'number' || exponent?.kind === 'negative' ? isMinusOne(exponent) : false;
    if (inverse && (name === 'sin' || name === 'cos' || name === 'tan')) {
      name = `arc${name}`;
      exponent = null;
    }
    const of = this.nested(() => this.callArguments());
    if (base && name !== 'log') throw new Unreadable('a function has an index');
    const call: Expression = { kind: 'call', name, of: base ? [...of, base] : of };
    return exponent ? { kind: 'power', base: call, exponent } : call;
  }

  protected callArguments(): readonly Expression[] {
    if (isSign(this.token, '(')) {
      this.at++;
      const inner = this.group('(');
      const items = inner.kind === 'tuple' ? inner.items : [inner];
      if (!items.every(isExpression)) throw new Unreadable('a function of a list');
      return items;
    }
    const minus = this.take('-') !== null;
    const factors = [this.expressionFactor()];
    while (this.startsFactor() && functionOf(this.token) === null && !isSign(this.token, '([')) {
      if (this.token!.kind === 'digits') throw new Unreadable('two numbers stand side by side');
      factors.push(this.expressionFactor());
    }
    // `\sin x/2` is half a sine, `\cos \pi/4` is not: neither is guessed at further than what touches it.
    const argument = productOf(factors);
    return [minus ? { kind: 'negative', of: argument } : argument];
  }
}

const products: Readonly<Record<string, '*' | '/' | '÷'>> = {
  '\\times': '*',
  '\\cdot': '*',
  '\\ast': '*',
  '\\div': '÷',
};
const startingCommands = new Set(
  '\\frac \\sqrt \\binom \\{ \\lbrace \\lfloor \\lceil \\lvert \\langle \\begin \\overline \\hat \\vec \\bar \\mathbb'.split(' '),
);

function productOf(factors: readonly Expression[]): Expression {
  return factors.length === 1 ? factors[0]! : { kind: 'product', factors };
}

function isWhole(expression: Expression): expression is Expression & { kind: 'number' } {
  return expression.kind === 'number' && expression.value.denominator === 1n && expression.value.numerator >= 0n;
}

function isMinusOne(exponent: Expression): boolean {
  if (exponent.kind === 'negative') return exponent.of.kind === 'number' && exponent.of.value.numerator === exponent.of.value.denominator;
  return exponent.kind === 'number' && exponent.value.numerator === -exponent.value.denominator;
}

/** `3\frac12`: a whole number and a proper fraction of whole ones; anything else in this place is a product. */
function mixed(before: Expression & { kind: 'number' }, fraction: Expression): Expression {
  if (fraction.kind !== 'quotient' || !isWhole(fraction.top) || !isWhole(fraction.bottom))
    return { kind: 'product', factors: [before, fraction] };
  const [top, bottom] = [fraction.top.value.numerator, fraction.bottom.value.numerator];
  if (top >= bottom) throw new Unreadable('a mixed number has an improper fraction');
  return {
    kind: 'number',
    value: { numerator: before.value.numerator * bottom + top, denominator: bottom },
    places: 0,
  };
}
