/** From a persona and a question to the tokens the policy is given, through the policy's own chat template. */
import { LabError } from '../errors.ts';
import { openedThinking } from '../policy/thinking.ts';
import type { Message, Tokenizer } from '../policy/tokenizer.ts';

/** A longer system prompt is a pasted document rather than a persona. */
export const maxPersonaCharacters = 4000;

/** What is wrong with a persona's system prompt, a sentence; null when nothing is. */
export function checkPersonaText(text: string): string | null {
  if (text.length <= maxPersonaCharacters) return null;
  return `The persona text has ${count(text.length)} characters; at most ${count(maxPersonaCharacters)} are allowed.`;
}

export interface RenderedPrompt {
  readonly text: string;
  readonly tokens: Int32Array;
  /** The closing mark of a thinking that the template opened: the completion begins inside it. Null where it opened none. */
  readonly thinking: string | null;
}

/**
 * @param personaText the system prompt; null or blank is "no persona": the chat has no system message
 * @param limit most tokens the prompt may have: the policy's positions less those to be generated. By default the
 *   tokenizer's `model_max_length`, less one.
 * @throws LabError 'config' when the persona text is too long or the prompt does not fit
 */
export function renderPrompt(
  tokenizer: Tokenizer,
  personaText: string | null,
  question: string,
  limit = (tokenizer.maxLength ?? Infinity) - 1,
): RenderedPrompt {
  const complaint = personaText === null ? null : checkPersonaText(personaText);
  if (complaint) throw new LabError('config', complaint, 'Shorten the persona text.');
  const messages: Message[] = [{ role: 'user', content: question }];
  if (personaText?.trim()) messages.unshift({ role: 'system', content: personaText });
  const text = tokenizer.chat(messages, { addGenerationPrompt: true });
  const tokens = tokenizer.encode(text);
  if (tokens.length > limit) {
    throw new LabError(
      'config',
      `The prompt has ${count(tokens.length)} tokens, and the policy has room for ${count(Math.max(0, limit))}.`,
      personaText === null ? 'Shorten the question.' : 'Shorten the persona text or the question.',
    );
  }
  return { text, tokens, thinking: openedThinking(text, question) };
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
