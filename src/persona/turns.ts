/**
 * Whether a policy's chat template takes a conversation of several turns: all of it must stand in the prompt, because a policy that is not told
 * what was said before answers another question than the reader's. Found by rendering, as `place.ts` finds the place of a persona.
 */
import { LabError } from '../errors.ts';
import { TemplateFailed } from '../policy/chat-template.ts';
import type { Message, Tokenizer } from '../policy/tokenizer.ts';

// Words that no template has of its own.
const conversation: readonly Message[] = [
  { role: 'user', content: 'Which way to Varnholm harbour' },
  { role: 'assistant', content: 'Follow the Ossian road' },
  { role: 'user', content: 'And back again from there' },
];

/** By tokenizer: why not, the end of a sentence that begins with the template; null: it does. */
const known = new WeakMap<Tokenizer, { readonly obstacle: string | null }>();

/** @throws LabError 'config' where the template refuses a second turn, or leaves out what was said before */
export function needTurns(tokenizer: Tokenizer): void {
  const { obstacle } = known.get(tokenizer) ?? look(tokenizer);
  known.set(tokenizer, { obstacle });
  if (obstacle === null) return;
  throw new LabError(
    'config',
    `The policy's chat template ${obstacle}, so a conversation with it ends after one reply.`,
    'Start over, or use a policy whose chat template prints every message.',
  );
}

function look(tokenizer: Tokenizer): { readonly obstacle: string | null } {
  try {
    const text = tokenizer.chat(conversation, { addGenerationPrompt: true });
    const places = conversation.map(({ content }) => text.indexOf(content));
    const inOrder = places.every((at, i) => at > (places[i - 1] ?? -1));
    return { obstacle: inOrder ? null : 'leaves out what was said before' };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { obstacle: `refuses a second turn (“${error instanceof TemplateFailed ? error.reason : 'it fails'}”)` };
  }
}
