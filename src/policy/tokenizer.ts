/**
 * Text to token ids and back, and messages to text: a policy's own `tokenizer.json` and chat template, read by
 * @huggingface/tokenizers and @huggingface/jinja. It is not where a vocabulary is learned (`pretrain/bpe.ts`).
 */
import { Template } from '@huggingface/jinja';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LabError } from '../errors.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

type Json = Record<string, unknown>;

export class Tokenizer {
  /** Largest id plus one, added tokens included. The policy's embedding may have more rows than that. */
  readonly vocabSize: number;
  /** `model_max_length` of tokenizer_config.json; null where it sets none. */
  readonly maxLength: number | null;
  readonly #inner: HuggingFaceTokenizer;
  readonly #special: ReadonlySet<number>;
  readonly #template: Template | null;
  /** What templates may refer to by name: `bos_token`, `eos_token`, … */
  readonly #names: Readonly<Record<string, string | null>>;

  /** Use `loadTokenizer`, which checks the files. */
  constructor(inner: HuggingFaceTokenizer, config: Json, template: Template | null) {
    this.#inner = inner;
    this.#template = template;
    let largest = -1;
    for (const id of inner.get_vocab().values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
    const limit = config['model_max_length'];
    // Hugging Face writes 1e30 for "unknown".
    this.maxLength = typeof limit === 'number' && limit > 0 && limit < 1e9 ? limit : null;
    this.#special = new Set([...inner.get_added_tokens_decoder()].filter(([, token]) => token.special).map(([id]) => id));
    this.#names = Object.fromEntries(
      ['bos_token', 'eos_token', 'pad_token', 'unk_token'].map((name) => [name, tokenContent(config[name])]),
    );
  }

  /** Special tokens written in the text become their ids; none are added. */
  encode(text: string): Int32Array {
    const ids: readonly (number | undefined)[] = this.#inner.encode(text, { add_special_tokens: false }).ids;
    if (ids.includes(undefined)) {
      throw new LabError('format', "The policy's vocabulary has no token for some characters of the text.", 'Use other characters.');
    }
    return Int32Array.from(ids as number[]);
  }

  /** Special tokens are left out, and so are ids without a token (padding rows of the embedding). */
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
    if (!this.#template) {
      throw new LabError('format', 'The policy has no chat template.', 'Add one to tokenizer_config.json or as chat_template.jinja.');
    }
    try {
      return this.#template.render({
        ...this.#names,
        messages,
        add_generation_prompt: options.addGenerationPrompt ?? false,
        // Llama 3 templates print today's date unless they are told one; a run must not depend on the day.
        date_string: '26 Jul 2024',
      });
    } catch (cause) {
      throw new LabError('format', `The policy's chat template failed: ${reasonOf(cause)}.`, 'Correct the template.', { cause });
    }
  }

  /** The library throws on an empty list and on ids it does not know. */
  #text(ids: readonly number[]): string {
    const known = ids.filter((id) => this.#inner.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return this.#inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }
}

/**
 * @param tokenizerJson the parsed tokenizer.json
 * @param tokenizerConfig the parsed tokenizer_config.json; null where there is none
 * @param chatTemplate the text of chat_template.jinja, which goes before the template in `tokenizerConfig`
 * @throws LabError 'format' where the files are broken or of an unsupported kind
 */
export function loadTokenizer(tokenizerJson: unknown, tokenizerConfig: unknown, chatTemplate?: string | null): Tokenizer {
  const config = tokenizerConfig === null || tokenizerConfig === undefined ? {} : tokenizerConfig;
  if (!isObject(config)) throw broken('tokenizer_config.json is not a JSON object.');
  const json = checkTokenizerJson(tokenizerJson);
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(json, config);
  } catch (cause) {
    throw broken(`tokenizer.json cannot be read: ${reasonOf(cause)}.`, cause);
  }
  const source = chatTemplate ?? templateOf(config['chat_template']);
  let template: Template | null = null;
  if (source !== null) {
    try {
      template = new Template(source);
    } catch (cause) {
      throw broken(`The chat template is not valid Jinja: ${reasonOf(cause)}.`, cause);
    }
  }
  return new Tokenizer(inner, config, template);
}

const modelTypes = ['BPE', 'Unigram', 'WordPiece'];

/** The library trusts its input; a truncated or foreign file has to be told apart before. */
function checkTokenizerJson(json: unknown): Json {
  if (!isObject(json)) throw broken('tokenizer.json is not a JSON object.');
  const model = json['model'];
  if (!isObject(model)) throw broken('tokenizer.json has no "model".');
  const type = model['type'] ?? 'BPE';
  if (!modelTypes.includes(String(type))) {
    throw broken(`tokenizer.json has a model of type "${String(type)}"; supported are ${modelTypes.join(', ')}.`);
  }
  const vocab = model['vocab'];
  if (type === 'Unigram') {
    if (!Array.isArray(vocab) || vocab.length === 0) throw broken('tokenizer.json has no list "model.vocab".');
  } else {
    if (!isObject(vocab)) throw broken('tokenizer.json has no "model.vocab".');
    for (const [token, id] of Object.entries(vocab)) {
      if (!Number.isInteger(id) || (id as number) < 0) throw broken(`tokenizer.json gives the token ${JSON.stringify(token)} no valid id.`);
    }
  }
  if (type === 'BPE' && !Array.isArray(model['merges'])) throw broken('tokenizer.json has no list "model.merges".');
  const added = json['added_tokens'] ?? [];
  if (
    !Array.isArray(added) ||
    !added.every((token) => isObject(token) && typeof token['content'] === 'string' && Number.isInteger(token['id']))
  ) {
    throw broken('"added_tokens" of tokenizer.json is not a list of tokens with "id" and "content".');
  }
  return {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...json,
    model: { ...model, type },
    added_tokens: added,
  };
}

/** A string, or a list of named templates of which `default` is taken. */
function templateOf(value: unknown): string | null {
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
