/** From a persona and a question, or a conversation, to the tokens the policy is given, through the policy's own chat template. */
import { LabError, labErrorCode } from '../errors.ts';
import { openedThinking } from '../policy/thinking.ts';
import type { Message, Tokenizer } from '../policy/tokenizer.ts';
import { needPersonaPlace } from './place.ts';
import { checkPersonaText } from './text.ts';
import { needTurns } from './turns.ts';

/** A prompt that does not fit: another question may. */
export class PromptTooLong extends LabError {
  constructor(what: string, next: string) {
    super('config', what, next);
  }
}

export interface RenderedPrompt {
  readonly text: string;
  readonly tokens: Int32Array;
  /** The closing mark of a thinking that the template opened: the completion begins inside it. Null where it opened none. */
  readonly thinking: string | null;
}

/**
 * @param personaText the system prompt, whose outer blanks do not count; null or blank is "no persona": the chat has no system message
 * @param limit most tokens the prompt may have: the policy's positions less those to be generated. By default the
 *   tokenizer's `model_max_length`, less one.
 * @throws PromptTooLong when the prompt does not fit; LabError 'config' when the persona text is too long or does not reach the prompt
 */
export function renderPrompt(
  tokenizer: Tokenizer,
  personaText: string | null,
  question: string,
  limit = (tokenizer.maxLength ?? Infinity) - 1,
): RenderedPrompt {
  return renderConversation(tokenizer, personaText, [{ role: 'user', content: question }], limit);
}

/**
 * The same of a conversation. Nothing of it is ever left out to make it fit.
 * @param messages of the user and the assistant in turn, the user's first and last
 * @throws as `renderPrompt`; LabError 'config' also where the chat template takes no second turn
 */
export function renderConversation(
  tokenizer: Tokenizer,
  personaText: string | null,
  messages: readonly Message[],
  limit: number,
): RenderedPrompt {
  const complaint = personaText === null ? null : checkPersonaText(personaText);
  if (complaint) throw new LabError('config', complaint, 'Shorten the persona text.');
  const several = messages.length > 1;
  if (several) needTurns(tokenizer);
  const text = render(tokenizer, personaText?.trim() ?? '', messages);
  const tokens = tokenizer.encode(text);
  if (tokens.length > limit) throw tooLong(several ? 'conversation' : 'prompt', tokens.length, Math.max(0, limit), personaText !== null);
  return { text, tokens, thinking: openedThinking(text, messages.at(-1)!.content) };
}

function tooLong(what: 'conversation' | 'prompt', tokens: number, limit: number, persona: boolean): PromptTooLong {
  const said = `The ${what} has ${count(tokens)} tokens, and the policy has room for ${count(limit)}`;
  if (what === 'conversation') {
    return new PromptTooLong(`${said} besides its reply.`, 'Start over, shorten the message, or let the longest reply be shorter.');
  }
  // The text of a bundled persona is not the reader's to shorten.
  return new PromptTooLong(
    `${said}.`,
    persona ? 'Shorten the question, or choose a persona with a shorter text.' : 'Shorten the question.',
  );
}

/** The persona's words must stand in the prompt as they are: one that is lost on the way would be measured as if it had been asked. */
function render(tokenizer: Tokenizer, persona: string, messages: readonly Message[]): string {
  if (persona === '') return tokenizer.chat(messages, { addGenerationPrompt: true });
  let text: string;
  try {
    text = tokenizer.chat([{ role: 'system', content: persona }, ...messages], { addGenerationPrompt: true });
  } catch (error) {
    if (labErrorCode(error) === 'format') needPersonaPlace(tokenizer);
    throw error;
  }
  needPersonaPlace(tokenizer);
  if (text.includes(persona)) return text;
  throw new LabError(
    'config',
    `The policy's chat template changes the words of the persona “${persona.length > 60 ? `${persona.slice(0, 60)}…` : persona}”.`,
    'Choose another persona, or use a policy whose chat template prints the system message as it is.',
  );
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
