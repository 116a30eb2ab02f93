/**
 * What stands where a chat has no system message, and where one goes that the policy's template has no place for. Both are settings of a run:
 * many templates (SmolLM2, Qwen2.5, Llama 3) put in a system prompt of their own where none is given, and then "no persona" is a persona too.
 * It renders; what a system message says is not known here (`persona/`).
 */
import { LabError, labErrorCode, noSuch } from '../errors.ts';
import type { ChatTemplate, Message } from './chat-template.ts';
import type { TemplateSettings } from './template-settings.ts';

// Words that no template has of its own.
const question = 'Which way to Varnholm harbour';
const answer = 'Follow the Ossian road';
const next = 'And back again from there';
const system = 'The ninth lighthouse is out';

/** A template with the settings of a run. */
export class Chat {
  readonly template: ChatTemplate;
  readonly settings: TemplateSettings;
  #takesSystem: boolean | null = null;
  #own: Own | null = null;

  constructor(template: ChatTemplate, settings: TemplateSettings) {
    this.template = template;
    this.settings = settings;
  }

  /** @throws LabError 'format' where the template fails, 'config' where its own system prompt cannot be taken out */
  render(messages: readonly Message[], addGenerationPrompt: boolean): string {
    const { noSystem, systemPlace } = this.settings;
    const [first, ...others] = messages;
    if (first?.role === 'system') {
      const moved = systemPlace === 'user' && !this.takesSystem ? intoUser(first.content, others) : messages;
      return this.#render(moved, addGenerationPrompt);
    }
    switch (noSystem) {
      case 'template':
        return this.#render(messages, addGenerationPrompt);
      case 'empty': {
        const empty: Message[] = this.takesSystem ? [{ role: 'system', content: '' }] : [];
        return this.#render([...empty, ...messages], addGenerationPrompt);
      }
      case 'absent':
        return this.#withoutOwn(this.#render(messages, addGenerationPrompt));
      default:
        return noSuch('kind of chat without a system message', noSystem);
    }
  }

  /** Whether a system message reaches the prompt at all. */
  get takesSystem(): boolean {
    return (this.#takesSystem ??= this.#probeSystem());
  }

  #render(messages: readonly Message[], addGenerationPrompt: boolean): string {
    return this.template.render(messages, addGenerationPrompt, this.settings);
  }

  #probeSystem(): boolean {
    try {
      return this.#render(
        [
          { role: 'system', content: system },
          { role: 'user', content: question },
        ],
        true,
      ).includes(system);
    } catch (error) {
      if (labErrorCode(error) === null) throw error;
      return false;
    }
  }

  /** Without what the template says before the first turn, but for the token that begins a text. */
  #withoutOwn(text: string): string {
    const { bos, own } = (this.#own ??= this.#findOwn());
    if (own === '') return text;
    if (!text.startsWith(bos + own)) throw inseparable();
    return bos + text.slice(bos.length + own.length);
  }

  /** What stands before the first user's turn: everything in front of the question but the words with which such a turn is opened. */
  #findOwn(): Own {
    const user: Message = { role: 'user', content: question };
    const plain = this.#render([user], false);
    const head = plain.slice(0, plain.indexOf(question));
    if (head.trim() === '') return { bos: '', own: '' };
    try {
      const answered = this.#render([user, { role: 'assistant', content: answer }], false);
      const closing = answered.slice(answered.indexOf(answer) + answer.length);
      const again = this.#render([user, { role: 'assistant', content: answer }, { role: 'user', content: next }], false);
      const between = again.slice(again.indexOf(answer) + answer.length, again.indexOf(next));
      const opening = between.startsWith(closing) ? between.slice(closing.length) : between;
      if (opening !== '' && head.endsWith(opening)) {
        const before = head.slice(0, head.length - opening.length);
        const token = this.template.tokens['bos_token'] ?? '';
        // In some families (SmolLM2) it is the mark that opens every turn, and then it begins the template's own.
        const bos = before.startsWith(token) && !opening.startsWith(token) ? token : '';
        const own = before.slice(bos.length);
        return { bos, own: own.trim() === '' ? '' : own };
      }
    } catch (error) {
      if (labErrorCode(error) === null) throw error;
    }
    throw inseparable();
  }
}

interface Own {
  /** The token that begins a text, where the template writes one. */
  readonly bos: string;
  /** Empty: nothing. */
  readonly own: string;
}

function intoUser(words: string, messages: readonly Message[]): readonly Message[] {
  const at = messages.findIndex(({ role }) => role === 'user');
  return messages.map((message, i) => (i === at ? { role: 'user', content: `${words}\n\n${message.content}` } : message));
}

function inseparable(): LabError {
  return new LabError(
    'config',
    "The chat template's own system prompt cannot be told from the rest of what it writes.",
    'Let "no persona" be the template’s own system prompt, or an empty one.',
  );
}
