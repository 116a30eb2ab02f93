/** A walk over tokens from left to right: what the grammar of an answer is written with. It knows brackets and depth, and no meaning. */
import { maxDepth, TooComplex, Unreadable } from './expression.ts';
import { isSign, type Token } from './tokens.ts';

/** A token, and whether a blank stands before it. */
export interface Placed extends Token {
  readonly spaced: boolean;
}

export const isWord = (token: Placed | undefined, words: string) =>
  token?.kind === 'word' && words.split(' ').includes(token.text.toLowerCase());

export class TokenReader {
  protected readonly tokens: Placed[];
  protected at = 0;
  #depth = 0;
  /** Open brackets of any kind: within them a comma parts. */
  protected brackets = 0;
  /** Open `|`, which the next one closes. */
  protected bars = 0;

  constructor(tokens: Placed[]) {
    this.tokens = tokens;
  }

  protected get token(): Placed | undefined {
    return this.tokens[this.at];
  }

  protected take(signs: string): string | null {
    return isSign(this.token, signs) ? this.tokens[this.at++]!.text : null;
  }

  protected command(...names: readonly string[]): string | null {
    const token = this.token;
    if (token?.kind !== 'command' || !names.includes(token.text)) return null;
    this.at++;
    return token.text;
  }

  protected expect(sign: string): void {
    if (this.take(sign) === null) throw new Unreadable(`“${sign}” is missing`);
  }

  /** What nests: counted, so that no text can overflow the stack. */
  protected nested<T>(read: () => T): T {
    if (++this.#depth > maxDepth) throw new TooComplex(`it nests deeper than ${maxDepth}`);
    const result = read();
    this.#depth--;
    return result;
  }

  protected inBrackets<T>(read: () => T): T {
    const bars = this.bars;
    this.bars = 0;
    this.brackets++;
    const result = this.nested(read);
    this.brackets--;
    this.bars = bars;
    return result;
  }
}
