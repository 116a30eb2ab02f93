/**
 * A policy's chat template: messages to text, as transformers' `apply_chat_template` renders them, with the arguments and the date of the
 * run instead of those of the day. It knows no tokens (`tokenizer.ts`) and no personas (`persona/`).
 */
import { Environment } from '@huggingface/jinja';
import { LabError } from '../errors.ts';
import { BoundedInterpreter, parseTemplate } from './bounded-jinja.ts';
import { strftime } from './strftime.ts';
import type { TemplateSettings } from './template-settings.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What every template may call; the library's own set reads the clock and cannot be told otherwise. */
const globals: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
};

/** Names that are given by other ways. */
const reserved = new Set([...Object.keys(globals), 'messages', 'add_generation_prompt', 'continue_final_message', 'strftime_now']);

export class ChatTemplate {
  readonly #program: ReturnType<typeof parseTemplate>;
  readonly #source: string;
  /** As the constructor got them. */
  readonly tokens: Readonly<Record<string, string>>;

  /**
   * @param tokens `bos_token`, `eos_token` … as far as the policy has them: to a template the others are undefined
   * @throws LabError 'format' for a text that is no Jinja template
   */
  constructor(source: string, tokens: Readonly<Record<string, string>>) {
    this.#source = source;
    this.tokens = tokens;
    try {
      this.#program = parseTemplate(source);
    } catch (cause) {
      throw new LabError(
        'format',
        `The chat template is not valid Jinja: ${reasonOf(cause)}.`,
        "Use the policy's own, complete tokenizer files.",
        { cause },
      );
    }
  }

  /** @throws LabError 'format' where the template fails */
  render(messages: readonly Message[], addGenerationPrompt: boolean, settings: TemplateSettings): string {
    try {
      const environment = new Environment();
      const names = {
        ...globals,
        ...this.tokens,
        // To transformers' templates these are None, not undefined.
        tools: null,
        documents: null,
        ...settings.arguments,
        messages,
        add_generation_prompt: addGenerationPrompt,
        strftime_now: (format: unknown) => strftime(settings.date, String(format)),
      };
      for (const [name, value] of Object.entries(names)) environment.set(name, value);
      return String(new BoundedInterpreter(environment).run(this.#program).value);
    } catch (cause) {
      throw new TemplateFailed(reasonOf(cause), cause);
    }
  }

  /** What is wrong with the settings for this template, a sentence; null when nothing is. */
  complaint({ arguments: given, date }: TemplateSettings): string | null {
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(`${date}T00:00:00Z`))) {
      return `The template's date ${JSON.stringify(date)} is no day written as YYYY-MM-DD.`;
    }
    for (const name of Object.keys(given)) {
      if (reserved.has(name)) return `The template argument "${name}" is set by the run itself.`;
      if (!this.mentions(name)) return `The policy's chat template never reads an argument called "${name}".`;
    }
    return null;
  }

  mentions(name: string): boolean {
    return /^\w+$/.test(name) && new RegExp(`\\b${name}\\b`).test(this.#source);
  }
}

/** A template that raised, or could not be carried out. */
export class TemplateFailed extends LabError {
  /** In the template's own words, without a full stop. */
  readonly reason: string;

  constructor(reason: string, cause: unknown) {
    super('format', `The policy's chat template failed: ${reason}.`, 'Correct the template.', { cause });
    this.reason = reason;
  }
}

const longestRange = 100_000;

/** Python's, but for one that would fill the memory. */
function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= longestRange)) throw new Error(`range() of ${length} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}

function reasonOf(cause: unknown): string {
  // A template may raise anything, of any length.
  const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\p{C}+/gu, ' ').replace(/\.$/, '');
  return reason.length > 300 ? `${reason.slice(0, 300)}…` : reason;
}
