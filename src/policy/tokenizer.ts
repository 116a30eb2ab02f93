/**
 * Text to token ids and back, and messages to text: a policy's own `tokenizer.json` and chat template, read by
 * @huggingface/tokenizers and @huggingface/jinja. It is not where a vocabulary is learned (`pretrain/bpe.ts`).
 */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LabError } from '../errors.ts';
import { ChatTemplate, type Message } from './chat-template.ts';
import { defaultTemplateSettings, type TemplateSettings } from './template-settings.ts';
import { cutBytesAsReference, mergeAsReference } from './pre-tokenizer.ts';
import { Chat } from './system-message.ts';
import { isThinkingMark } from './thinking.ts';
import { checkTokenizerJson } from './tokenizer-json.ts';
import { boundPatterns } from './tokenizer-limits.ts';

export type { Message } from './chat-template.ts';
export type { TemplateSettings } from './template-settings.ts';

type Json = Record<string, unknown>;

/** What templates may refer to by name, and where a policy may keep it. */
const namedTokens = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'sep_token', 'cls_token', 'mask_token'] as const;
type NamedTokens = Readonly<Partial<Record<(typeof namedTokens)[number], string>>>;

interface Parts {
  readonly inner: HuggingFaceTokenizer;
  /** `model_max_length` of tokenizer_config.json; null where it sets none. */
  readonly maxLength: number | null;
  readonly tokens: NamedTokens;
  readonly template: ChatTemplate | null;
  readonly settings: TemplateSettings;
  /** Ids from here on have no row in the policy's embedding. */
  readonly ids: number;
}

export class Tokenizer {
  /** Largest id plus one, added tokens included. The policy's embedding may have more rows than that. */
  readonly vocabSize: number;
  /** The same without the added tokens. */
  readonly learnedVocabSize: number;
  /** `bos_token`, `eos_token`, … as far as the files name them. */
  readonly tokens: NamedTokens;
  readonly template: TemplateSettings;
  readonly #parts: Parts;
  readonly #inner: HuggingFaceTokenizer;
  readonly #chat: Chat | null;
  readonly #special: ReadonlySet<number>;

  /** Use `loadTokenizer`, which checks the files. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#inner = parts.inner;
    this.tokens = parts.tokens;
    this.template = parts.settings;
    this.#chat = parts.template && new Chat(parts.template, parts.settings);
    const added = parts.inner.get_added_tokens_decoder();
    let [largest, learned] = [-1, -1];
    for (const id of parts.inner.get_vocab().values()) {
      largest = Math.max(largest, id);
      if (!added.has(id)) learned = Math.max(learned, id);
    }
    this.vocabSize = largest + 1;
    this.learnedVocabSize = learned + 1;
    // Where a thinking ends is part of what was said: without it nothing of the reply could be told from the thinking.
    this.#special = new Set([...added].filter(([, token]) => token.special && !isThinkingMark(token.content)).map(([id]) => id));
  }

  /** Most tokens of a row, prompt and completion together; null where no file sets a limit. */
  get maxLength(): number | null {
    return this.#parts.maxLength;
  }

  /** The same, for a policy that reads no more than `positions` tokens in a row, with ids below `ids`. */
  within(positions: number, ids: number): Tokenizer {
    return new Tokenizer({ ...this.#parts, maxLength: Math.min(this.maxLength ?? Infinity, positions), ids });
  }

  /** The same with a template that is told this; what is left out stays. @throws LabError 'config' for what the template does not know */
  withTemplate(settings: Partial<TemplateSettings>): Tokenizer {
    const told = { ...this.template, ...settings };
    const complaint = this.#parts.template?.complaint(told);
    if (complaint) throw new LabError('config', complaint, 'Correct it in the settings of the template, or leave it out.');
    return new Tokenizer({ ...this.#parts, settings: told });
  }

  /** The id of a token by its exact text, null where there is none. */
  idOf(token: string): number | null {
    return this.#inner.token_to_id(token) ?? null;
  }

  /** The text of one token, special tokens by name; null for an id without one. */
  tokenOf(id: number): string | null {
    return this.#inner.id_to_token(id) ?? null;
  }

  /** Texts of the added tokens: those that are found in a text before it is split, special ones among them. */
  get addedTokens(): readonly string[] {
    return [...this.#inner.get_added_tokens_decoder().values()].map(({ content }) => content);
  }

  /** Special tokens written in the text become their ids; none are added. @throws LabError 'format' for what the policy cannot read */
  encode(text: string): Int32Array {
    const ids: readonly (number | undefined)[] = guarded(() => this.#inner.encode(text, { add_special_tokens: false }).ids);
    if (ids.includes(undefined)) {
      throw new LabError('format', "The policy's vocabulary has no token for some characters of the text.", 'Use other characters.');
    }
    const foreign = ids.find((id) => id! >= this.#parts.ids);
    if (foreign !== undefined) {
      const token = JSON.stringify(this.tokenOf(foreign));
      throw new LabError('format', `The text holds the token ${token}, for which the policy has no weights.`, 'Leave it out of the text.');
    }
    return Int32Array.from(ids as number[]);
  }

  /** Special tokens are left out but for the marks of a thinking, and so are ids without a token (padding rows of the embedding). */
  decode(ids: ArrayLike<number>): string {
    return this.#text(Array.from(ids).filter((id) => !this.#special.has(id)));
  }

  /**
   * One string per id, for showing a completion token by token, special tokens by name. Bytes of an unfinished
   * character are held back until the token that completes it, so that no piece ever has to be taken back.
   * Joined they are the text of `decode`, with the special tokens.
   */
  pieces(ids: ArrayLike<number>): string[] {
    const all = Array.from(ids);
    const out: string[] = [];
    // Decoding starts one finished piece earlier: decoders of the SentencePiece kind drop the space in front of the first token.
    let context = 0;
    let done = 0;
    for (let i = 0; i < all.length; i++) {
      const before = this.#text(all.slice(context, done)).length;
      const text = this.#text(all.slice(context, i + 1));
      if (text.endsWith('\ufffd') && i + 1 < all.length) out.push('');
      else {
        out.push(text.slice(before));
        context = done;
        done = i + 1;
      }
    }
    return out;
  }

  /** The messages as the policy was trained to see them. @throws LabError 'format' where there is no usable chat template. */
  chat(messages: readonly Message[], options: { readonly addGenerationPrompt?: boolean } = {}): string {
    if (!this.#chat) {
      throw new LabError('format', 'The policy has no chat template.', 'Add one to tokenizer_config.json or as chat_template.jinja.');
    }
    return this.#chat.render(messages, options.addGenerationPrompt ?? false);
  }

  /** The library throws on an empty list and on ids it does not know. */
  #text(ids: readonly number[]): string {
    const known = ids.filter((id) => this.#inner.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return guarded(() => this.#inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false }));
  }
}

/** What the library makes of a file that it took without looking: a sentence. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw broken(`tokenizer.json cannot be used: ${reasonOf(cause)}.`, cause);
  }
}

/** The files beside tokenizer.json. */
export interface TokenizerFiles {
  /** The text of chat_template.jinja, which goes before the template of tokenizer_config.json. */
  readonly chatTemplate?: string | null;
  /** The parsed special_tokens_map.json: names the tokens that tokenizer_config.json does not. */
  readonly specialTokens?: unknown;
}

/**
 * @param tokenizerJson the parsed tokenizer.json
 * @param tokenizerConfig the parsed tokenizer_config.json; null where there is none
 * @throws LabError 'format' where the files are broken or of an unsupported kind
 */
export function loadTokenizer(tokenizerJson: unknown, tokenizerConfig: unknown, files: TokenizerFiles = {}): Tokenizer {
  const config = tokenizerConfig === null || tokenizerConfig === undefined ? {} : tokenizerConfig;
  if (!isObject(config)) throw broken('tokenizer_config.json is not a JSON object.');
  const map = files.specialTokens === null || files.specialTokens === undefined ? {} : files.specialTokens;
  if (!isObject(map)) throw broken('special_tokens_map.json is not a JSON object.');
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(checkTokenizerJson(tokenizerJson), config);
    cutBytesAsReference(inner);
    mergeAsReference(inner);
    boundPatterns(inner);
  } catch (cause) {
    if (cause instanceof LabError) throw cause;
    throw broken(`tokenizer.json cannot be read: ${reasonOf(cause)}.`, cause);
  }
  const tokens = Object.fromEntries(
    namedTokens.flatMap((name) => {
      const content = tokenContent(config[name]) ?? tokenContent(map[name]);
      return content === null ? [] : [[name, content]];
    }),
  ) as NamedTokens;
  const source = files.chatTemplate ?? templateOf(config['chat_template']);
  const limit = config['model_max_length'];
  return new Tokenizer({
    inner,
    // Hugging Face writes 1e30 for "unknown".
    maxLength: typeof limit === 'number' && limit > 0 && limit < 1e9 ? limit : null,
    tokens,
    template: source === null ? null : new ChatTemplate(source, tokens),
    settings: defaultTemplateSettings,
    ids: Infinity,
  });
}

/** Whether special_tokens_map.json could say something that tokenizer_config.json does not: an end token, or a token that the template names. */
export function wantsSpecialTokens(tokenizerConfig: unknown, chatTemplate: string | null): boolean {
  const config = isObject(tokenizerConfig) ? tokenizerConfig : {};
  const source = chatTemplate ?? templateOf(config['chat_template']) ?? '';
  return namedTokens.some((name) => tokenContent(config[name]) === null && (name === 'eos_token' || source.includes(name)));
}

/** A string, or a list of named templates of which `default` is taken. */
export function templateOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    const entry: unknown = value.find((item) => isObject(item) && item['name'] === 'default');
    if (isObject(entry) && typeof entry['template'] === 'string') return entry['template'];
  }
  return null;
}

/** A token is written as a string or as an object with `content`. */
function tokenContent(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value['content'] === 'string' ? value['content'] : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause);
}

function broken(what: string, cause?: unknown): LabError {
  return new LabError('format', what, "Use the policy's own, complete tokenizer files.", { cause });
}
