/**
 * The grammar of an answer that is more than a number, in LaTeX or as plain text, over tokens: one walk from left to right without a step back,
 * so that it takes linear time on any text. What could be two things (`1 2`, `x2`) is unreadable, not guessed at. What a sum is: `expression-reader.ts`.
 *
 *   answer   = item { ("," | ";" | "and" | "or") item }
 *   item     = relation { "∪" relation }
 *   relation = sum { ("=" | "<" | "∈" | …) sum }
 */
import { isExpression, Unreadable, type Answer, type Relator } from './expression.ts';
import { ExpressionReader } from './expression-reader.ts';
import { functionOf, operatorOf, relatorOf, symbolOf } from './notation.ts';
import { isWord, type Placed } from './token-reader.ts';
import { isSign, type Token } from './tokens.ts';

/**
 * @throws Unreadable where the tokens are none
 * @throws TooComplex where they nest deeper than `maxDepth`
 */
export function parseAnswer(tokens: readonly Token[]): Answer {
  const placed: Placed[] = [];
  let spaced = false;
  for (const token of tokens.flatMap(parted)) {
    const blank = token.kind === 'blank' || (token.kind === 'gap' && token.text !== '\\\\');
    if (!blank && token.kind !== 'mark') placed.push({ ...token, spaced });
    spaced = blank || (spaced && token.kind === 'mark');
  }
  return new AnswerReader(placed).whole();
}

/** `\cotx`, where a blank was lost, is a function and a letter. */
function parted(token: Token): readonly Token[] {
  const glued = token.kind === 'command' ? /^\\(sin|cos|tan|cot|sec|csc|ln|log|pi|cdot|times|sqrt)([a-zA-Z])$/.exec(token.text) : null;
  if (!glued || symbolOf(token) !== null || functionOf(token) !== null) return [token];
  return [
    { ...token, text: `\\${glued[1]!}` },
    { ...token, kind: 'word', text: glued[2]! },
  ];
}

class AnswerReader extends ExpressionReader {
  whole(): Answer {
    if (this.tokens.length === 0) throw new Unreadable('nothing is there');
    const answer = this.list();
    if (this.token) throw new Unreadable(`“${this.token.text}” is not expected`);
    return answer;
  }

  protected list(): Answer {
    const items = [this.item()];
    while (this.separator()) {
      if (!this.token) break;
      items.push(this.item());
    }
    return items.length === 1 ? items[0]! : { kind: 'list', items, braces: false };
  }

  /** `,`, `;`, `and`, `or`, `, and` */
  protected separator(): boolean {
    const comma = this.take(',;') !== null;
    const word = isWord(this.token, 'and or') || this.token?.text === '\\lor' || this.token?.text === '\\vee';
    if (word) this.at++;
    return comma || word;
  }

  protected item(): Answer {
    const first = this.relation();
    let item = first;
    for (let operator = this.operator(item); operator; operator = this.operator(item)) {
      this.at++;
      const next = this.relation();
      item =
        item.kind === 'sets' && item.operator === operator && item !== first
          ? { ...item, of: [...item.of, next] }
          : { kind: 'sets', operator, of: [item, next] };
    }
    return item;
  }

  /** `U` is a letter too, but not behind a set. */
  protected operator(item: Answer): '∪' | '∩' | '∖' | null {
    return this.token?.kind === 'word' && isExpression(item) ? null : operatorOf(this.token);
  }

  protected relation(): Answer {
    const sides = [this.side()];
    const relators: Relator[] = [];
    for (;;) {
      // `<=` and `!=` in plain text, `\not=`
      const token = this.token;
      const next = this.tokens[this.at + 1];
      let relator = relatorOf(token);
      if (relator && (relator === '<' || relator === '>') && isSign(next, '=')) {
        relator = relator === '<' ? '≤' : '≥';
        this.at++;
      } else if ((isSign(token, '!') || token?.text === '\\not') && isSign(next, '=')) {
        relator = '≠';
        this.at++;
      }
      if (!relator) break;
      this.at++;
      relators.push(relator);
      sides.push(this.side());
    }
    return relators.length === 0 ? sides[0]! : { kind: 'relation', sides, relators };
  }

  protected side(): Answer {
    const side = this.sum();
    if (!isSign(this.token, ':') || !isExpression(side)) return side;
    const of = [side];
    while (this.take(':') !== null) of.push(this.value());
    return { kind: 'ratio', of };
  }

  /** From behind the opening bracket. @param outward `]0,1[`, as in France */
  protected group(open: '(' | '[', outward = false): Answer {
    const inner = this.inBrackets((): Answer[] => {
      const items = [this.item()];
      while (this.take(',;') !== null) items.push(this.item());
      return items;
    });
    const end = this.take(outward || open === '[' ? ')][' : ')]');
    if (end === null) throw new Unreadable('a bracket is not closed');
    const close = end === '[' ? ')' : (end as ')' | ']');
    if (inner.length === 1 && !outward && (open === '(') === (close === ')')) {
      const [only] = inner;
      return only!;
    }
    return { kind: 'tuple', open: outward ? '(' : open, close, items: inner };
  }

  /** From behind an opening brace: a group, or the items of a set. @param close what ends it */
  protected braces(close: '}' | '\\}'): Answer {
    const ends = () => (close === '}' ? this.take('}') !== null : this.command('\\}', '\\rbrace') !== null);
    if (ends()) {
      if (close === '}') throw new Unreadable('a group is empty');
      return { kind: 'list', items: [], braces: true };
    }
    // `\{x \mid x > 2\}`: what is said of x is all there is to compare.
    const next = this.tokens[this.at + 1];
    if (this.token?.kind === 'word' && (isSign(next, '|:') || next?.text === '\\mid')) this.at += 2;
    const inner = this.inBrackets(() => this.list());
    if (!ends()) throw new Unreadable('a brace is not closed');
    if (inner.kind === 'list') return { ...inner, braces: true };
    return close === '\\}' ? { kind: 'list', items: [inner], braces: true } : inner;
  }

  /** From behind `\begin`. */
  protected matrix(): Answer {
    this.expect('{');
    const name = this.token?.text ?? '';
    this.at++;
    this.take('*');
    this.expect('}');
    if (!/^(?:[pbvBV]?matrix|smallmatrix|array)$/.test(name)) throw new Unreadable(`\\begin{${name}} is not known`);
    if (name === 'array' && this.take('{') !== null) {
      while (this.token && !isSign(this.token, '}')) this.at++;
      this.expect('}');
    }
    const rows: Answer[][] = [[]];
    this.inBrackets(() => {
      for (;;) {
        if (this.command('\\end') !== null) break;
        if (this.command('\\hline') !== null) continue;
        if (this.token?.kind === 'gap') {
          this.at++;
          rows.push([]);
          continue;
        }
        rows.at(-1)!.push(this.item());
        const token = this.token;
        if (isSign(token, '&')) this.at++;
        else if (token?.kind !== 'gap' && token?.text !== '\\end') throw new Unreadable('a matrix is not closed');
      }
    });
    this.expect('{');
    this.at++;
    this.take('*');
    this.expect('}');
    if (rows.at(-1)!.length === 0) rows.pop();
    if (rows.length === 0 || rows.some((row) => row.length !== rows[0]!.length || row.length === 0))
      throw new Unreadable('a matrix has rows of several lengths');
    return { kind: 'matrix', rows };
  }
}
