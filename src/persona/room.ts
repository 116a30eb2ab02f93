/** Which questions a policy has room for under every persona that may ask them; what is too long is said before anything is generated. */
import type { Tokenizer } from '../policy/tokenizer.ts';
import { renderPrompt } from './prompt.ts';
import type { Persona } from './persona.ts';

/** Tokens at a seam may merge differently under another persona. */
const margin = 2;

/** Room for prompts beside a reply of a given length, in tokens. */
export class PromptRoom {
  /** Most tokens a prompt may have. */
  readonly limit: number;
  /** Name of the persona with the longest prompt; null: there is no persona. */
  readonly longest: string | null;
  readonly #tokenizer: Tokenizer;
  /** Texts of the personas whose prompts are the longest. */
  readonly #texts: readonly (string | null)[];

  /**
   * @param personas all that may be drawn; null is no persona
   * @param maxNewTokens kept free for the reply
   * @throws LabError 'config' for a persona that the chat template does not print as it is
   */
  constructor(tokenizer: Tokenizer, personas: readonly (Persona | null)[], maxNewTokens: number) {
    this.limit = (tokenizer.maxLength ?? Infinity) - maxNewTokens;
    this.#tokenizer = tokenizer;
    const measured = personas.map((persona) => ({ persona, tokens: this.#measure(persona?.text ?? null, 'What?') }));
    const most = Math.max(...measured.map(({ tokens }) => tokens));
    const long = measured.filter(({ tokens }) => tokens >= most - margin);
    this.longest = long.find(({ tokens }) => tokens === most)?.persona?.name ?? null;
    this.#texts = [...new Set(long.map(({ persona }) => persona?.text ?? null))];
  }

  /** Whether there is room for the longest prompt with this question. */
  fits(question: string): boolean {
    // One of them tells of all, unless it is a matter of seams.
    const [one] = this.#texts;
    if (one !== undefined && this.#measure(one, question) <= this.limit - 2 * margin) return true;
    return this.tokens(question) <= this.limit;
  }

  /** Tokens of the longest prompt with this question. */
  tokens(question: string): number {
    return Math.max(...this.#texts.map((text) => this.#measure(text, question)));
  }

  #measure(persona: string | null, question: string): number {
    return renderPrompt(this.#tokenizer, persona, question, Infinity).tokens.length;
  }
}
