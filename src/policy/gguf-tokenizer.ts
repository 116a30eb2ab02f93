/**
 * The tokenizer.json and tokenizer_config.json of a GGUF: byte-level BPE, whose vocabulary, merges and template stand in the metadata. How
 * text is cut before the merges is there by name only, and what each name stands for is in the table below.
 */
import type { GgufMetadata } from './gguf-metadata.ts';

type Json = Record<string, unknown>;

const byteLevel = (settings: Json) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, ...settings });
const cutBy = (pattern: string) => ({
  type: 'Sequence',
  pretokenizers: [{ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }, byteLevel({ use_regex: false })],
});
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const qwen2 = {
  normalizer: { type: 'NFC' },
  pre_tokenizer: cutBy(`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${rest}`),
};
const llama3 = {
  pre_tokenizer: cutBy(`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${rest}`),
  ignoreMerges: true,
};
const smollm = {
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel({ use_regex: true })],
  },
};

/** By the names of `tokenizer.ggml.pre`: what the tokenizer.json of the policies that llama.cpp knows by that name says. */
const cuts: Readonly<Record<string, { readonly normalizer?: Json; readonly pre_tokenizer: Json; readonly ignoreMerges?: boolean }>> = {
  ...{ smollm, qwen2, 'deepseek-r1-qwen': qwen2, 'llama-bpe': llama3, llama3, 'llama-v3': llama3 },
};

/** One name for each way to cut. */
export const cutNames = ['smollm', 'qwen2', 'llama-bpe'] as const;
export type CutName = (typeof cutNames)[number];

/** The name that llama.cpp has for how this tokenizer.json cuts text; null where it has none that is written here. */
export function cutNameOf({ normalizer = null, pre_tokenizer, model }: Json): CutName | null {
  // Where a token lies in the text, and what the decoder would put before it, cuts nothing.
  const essence = (part: unknown) =>
    JSON.stringify(part, (key, value: unknown) => (key === 'trim_offsets' ? undefined : isList(value) ? value : sorted(value)));
  const ignoring = (model as Json)['ignore_merges'] === true;
  const found = cutNames.find((name) => {
    const cut = cuts[name]!;
    const same = essence(cut.normalizer ?? null) === essence(normalizer) && essence(cut.pre_tokenizer) === essence(pre_tokenizer);
    return same && (cut.ignoreMerges ?? false) === ignoring;
  });
  return found ?? null;
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

/** Keys in one order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** llama.cpp's kinds of tokens. */
export const tokenKinds = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;
const { control, userDefined, unused } = tokenKinds;

export interface GgufTokenizer {
  /** tokenizer.json */
  readonly json: Json;
  /** tokenizer_config.json, the chat template in it */
  readonly config: Json;
}

/** Null where the file has none. @param rows of the embedding  @throws LabError 'format' naming file and key */
export function ggufTokenizer(metadata: GgufMetadata, rows: number, maxPositions: number): GgufTokenizer | null {
  const model = metadata.text('tokenizer.ggml.model');
  if (model === null || model === 'none' || model === 'no_vocab') return null;
  const otherwise = 'Use the Hugging Face folder of the policy.';
  if (model !== 'gpt2') metadata.refuse(`its tokenizer is of the kind ${JSON.stringify(model)}; byte-level BPE (gpt2) is read`, otherwise);
  const pre = metadata.text('tokenizer.ggml.pre');
  if (pre === null || !Object.hasOwn(cuts, pre)) {
    return metadata.refuse(`its tokenizer cuts text as ${JSON.stringify(pre)}; read are ${Object.keys(cuts).join(', ')}`, otherwise);
  }
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  if (tokens.length > rows) {
    metadata.refuse(`tokenizer.ggml.tokens has ${tokens.length} tokens, for which token_embd.weight has ${rows} rows`);
  }
  const kinds = kindsOf(metadata, tokens.length);
  const vocab: Record<string, number> = {};
  const added: Json[] = [];
  tokens.forEach((content, id) => {
    // Fill rows of the embedding that have no token.
    if (kinds[id] === unused) return;
    if (Object.hasOwn(vocab, content)) metadata.refuse(`tokens ${vocab[content]} and ${id} of tokenizer.ggml.tokens are the same`);
    Object.defineProperty(vocab, content, { value: id, enumerable: true, configurable: true, writable: true });
    if (kinds[id] === control || kinds[id] === userDefined) added.push(addedToken(id, content, kinds[id] === control));
  });
  const merges = metadata.texts('tokenizer.ggml.merges').map((merge, i) => {
    // The space between the two; there is none in a token of byte-level BPE.
    const parts = merge.split(' ');
    if (parts.length !== 2) metadata.refuse(`merge ${i + 1} of tokenizer.ggml.merges is no pair of tokens`);
    const missing = [...parts, parts.join('')].find((token) => !Object.hasOwn(vocab, token));
    if (missing === undefined) return parts;
    return metadata.refuse(`merge ${i + 1} of tokenizer.ggml.merges has ${JSON.stringify(missing.slice(0, 40))}, which is no token`);
  });
  const { normalizer = null, pre_tokenizer, ignoreMerges = false } = cuts[pre]!;
  return {
    json: {
      version: '1.0',
      added_tokens: added,
      normalizer,
      pre_tokenizer,
      post_processor: null,
      decoder: byteLevel({ use_regex: true }),
      model: { type: 'BPE', vocab, merges, ignore_merges: ignoreMerges },
    },
    config: { ...namedTokens(metadata, tokens), model_max_length: maxPositions, ...templateOf(metadata) },
  };
}

/** One for each token; where the file says nothing of them, all are normal. */
function kindsOf(metadata: GgufMetadata, count: number): ArrayLike<unknown> {
  const kinds = metadata.values.get('tokenizer.ggml.token_type');
  if (kinds === undefined) return [];
  if (!ArrayBuffer.isView(kinds) || kinds.length !== count) {
    return metadata.refuse(`tokenizer.ggml.token_type is no list of ${count} numbers, one for each token`);
  }
  return kinds;
}

function addedToken(id: number, content: string, special: boolean): Json {
  return { id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false };
}

function namedTokens(metadata: GgufMetadata, tokens: readonly string[]): Json {
  const names = { bos_token: 'bos', eos_token: 'eos', pad_token: 'padding', unk_token: 'unknown' };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, own]) => {
      const id = metadata.id(`tokenizer.ggml.${own}_token_id`);
      return id !== null && id < tokens.length ? [[name, tokens[id]]] : [];
    }),
  );
}

function templateOf(metadata: GgufMetadata): Json {
  const template = metadata.text('tokenizer.chat_template');
  return template === null ? {} : { chat_template: template };
}
