/**
 * What a policy's chat template does with personas: whether a system message reaches the prompt at all, and whether the template brings a
 * system prompt of its own where there is none. Found by rendering, because templates are programs; nothing is computed with the policy.
 */
import { LabError, labErrorCode } from '../errors.ts';
import { TemplateFailed } from '../policy/chat-template.ts';
import type { Message, Tokenizer } from '../policy/tokenizer.ts';

export interface PersonaPlace {
  /** Why no persona reaches the policy, the end of a sentence that begins with the template; null: personas do. */
  readonly obstacle: string | null;
  /** What the template says by itself before the question where no persona is given; null: nothing. Then "no persona" is a persona too. */
  readonly ownPrompt: string | null;
}

// Words that no template has of its own, and nothing in them to escape.
const persona = 'You are the ninth keeper of Quillon lighthouse.';
const question = 'Which way to Varnholm harbour';
const answer = 'Follow the Ossian road';

const known = new WeakMap<Tokenizer, PersonaPlace>();

/** @throws LabError 'format' where the template cannot even render a question */
export function personaPlace(tokenizer: Tokenizer): PersonaPlace {
  const found = known.get(tokenizer) ?? look(tokenizer);
  known.set(tokenizer, found);
  return found;
}

/** What every report says of a policy that has a system prompt of its own, a sentence; null where it has none. */
export function ownPromptSentence(tokenizer: Tokenizer, name: string): string | null {
  const { ownPrompt } = personaPlace(tokenizer);
  return ownPrompt === null ? null : ownPromptNote(ownPrompt, name);
}

/** The same of one that was found before. */
export function ownPromptNote(ownPrompt: string, name: string): string {
  return `Where there is no persona, the chat template of ${name} puts words of its own before the question, so that “no persona” is a persona too: “${ownPrompt}”`;
}

/** The refusal of a policy that no persona reaches. */
export function noPlace(obstacle: string): LabError {
  return new LabError(
    'config',
    `The policy's chat template ${obstacle}, so every persona would be asked the same.`,
    'Use a policy whose chat template prints both messages as they are, the system message and the question, or correct the template (tokenizer_config.json, chat_template.jinja).',
  );
}

/** @throws LabError 'config' where no persona reaches the policy */
export function needPersonaPlace(tokenizer: Tokenizer): void {
  const { obstacle } = personaPlace(tokenizer);
  if (obstacle !== null) throw noPlace(obstacle);
}

function look(tokenizer: Tokenizer): PersonaPlace {
  const render = (messages: readonly Message[]) => tokenizer.chat(messages, { addGenerationPrompt: true });
  const user: Message = { role: 'user', content: question };
  const plain = render([user]);
  if (!plain.includes(question)) return { obstacle: "does not print the user's message as it is", ownPrompt: null };
  let told: string;
  try {
    told = render([{ role: 'system', content: persona }, user]);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const reason = error instanceof TemplateFailed ? error.reason : 'it fails';
    return { obstacle: `refuses a system message (“${reason}”)`, ownPrompt: aside(tokenizer, plain) };
  }
  const at = told.indexOf(persona);
  if (at < 0) {
    const lost = told === plain ? 'leaves the system message out' : 'does not print the system message as it is';
    return { obstacle: lost, ownPrompt: aside(tokenizer, plain) };
  }
  if (!told.includes(question)) return { obstacle: "leaves out the user's message beside a system message", ownPrompt: null };
  const [before, after] = [told.slice(0, at), told.slice(at + persona.length)];
  const same = plain.startsWith(before) && plain.endsWith(after) && plain.length >= before.length + after.length;
  const instead = same ? plain.slice(before.length, plain.length - after.length).trim() : '';
  return { obstacle: null, ownPrompt: instead === '' ? aside(tokenizer, plain) : instead };
}

/** Words that stand before the question without being the opening of a user's turn; null for fewer than three. */
function aside(tokenizer: Tokenizer, plain: string): string | null {
  const head = plain.slice(0, plain.indexOf(question));
  const own = head.slice(0, head.length - commonEnd(head, secondOpening(tokenizer)));
  const bare = tokenizer.addedTokens.reduce((text, token) => (token === '' ? text : text.replaceAll(token, '\n')), own).trim();
  const words = bare.replace(/^(system|developer)\b\s*/i, '').trim();
  return (words.match(/\p{L}+/gu)?.length ?? 0) < 3 ? null : words;
}

/** What stands between an answer and the next question: how a user's turn is opened; empty where the template takes no such chat. */
function secondOpening(tokenizer: Tokenizer): string {
  const next = 'And back again from there';
  try {
    const chat = tokenizer.chat([
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
      { role: 'user', content: next },
    ]);
    return chat.slice(chat.indexOf(answer) + answer.length, chat.indexOf(next));
  } catch (error) {
    if (labErrorCode(error) === null) throw error;
    return '';
  }
}

function commonEnd(a: string, b: string): number {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length++;
  return length;
}
