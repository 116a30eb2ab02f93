/**
 * How a tokenizer.json cuts text before its merges, put into the words that @huggingface/tokenizers 0.2.0 reads as the reference library
 * (Rust, 0.23) does. Its own Digits, Punctuation and Whitespace know ASCII or runs only (½, ², ٤, ① and Ⅳ are digits of SmolLM2), and its
 * Split knows two of five behaviours; a Split over the right pattern says all of them. Where it brings a pattern of its own, blanks are
 * JavaScript's: U+FEFF is one there and U+0085 none, the reverse of Rust. It cuts nothing itself.
 */
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

type Json = Record<string, unknown>;

const numeric = '\\p{N}';
const word = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';
const punctuation = '[\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E]';

/** @throws Error naming a behaviour that the reference library does not have either */
export function referencePreTokenizer(json: unknown): unknown {
  if (!isObject(json)) return json;
  switch (json['type']) {
    case 'Sequence': {
      const parts = json['pretokenizers'];
      return { ...json, pretokenizers: Array.isArray(parts) ? parts.map(referencePreTokenizer) : parts };
    }
    case 'Digits':
      return split(numeric, json['individual_digits'] === true ? 'Isolated' : 'Contiguous');
    case 'Punctuation':
      return split(punctuation, json['behavior'] ?? 'Isolated');
    case 'WhitespaceSplit':
      return split('\\s', 'Removed');
    case 'BertPreTokenizer':
      return { type: 'Sequence', pretokenizers: [split('\\s', 'Removed'), split(punctuation, 'Isolated')] };
    case 'Whitespace':
      return split(`[${word}]+|[^${word}\\s]+`, 'Removed', true);
    case 'Split': {
      const source = sourceOf(json['pattern']);
      return source === null ? json : split(source, json['behavior'] ?? 'Isolated', json['invert'] === true);
    }
    default:
      return json;
  }
}

/** GPT-2's, with Rust's blanks. */
const bytePattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A part of the library's tokenizer: a list of parts, or one with a pattern. */
interface Part {
  readonly config?: { readonly type?: string };
  readonly tokenizers?: readonly (Part | null)[];
  pattern?: unknown;
}

/** Puts the reference library's pattern in the place of the one that the library's ByteLevel brings; there is no setting for it in the file. */
export function cutBytesAsReference(tokenizer: HuggingFaceTokenizer): void {
  const visit = (part: Part | null): void => {
    if (part?.config?.type === 'ByteLevel') part.pattern = bytePattern;
    for (const inner of part?.tokenizers ?? []) visit(inner);
  };
  visit((tokenizer as unknown as { readonly pre_tokenizer: Part | null }).pre_tokenizer);
}

/** The part of the library's tokenizer that merges. */
interface Merging {
  bpe?: (piece: string) => string[];
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token?: string | null;
  readonly byte_fallback?: boolean;
  readonly end_of_word_suffix?: string | null;
}

/**
 * What the vocabulary has no token for is left out of a piece before it is merged, as in the reference library; the other leaves it out
 * afterwards, when what lay on both sides of it has not met. SmolLM2 has no tokens for six control characters.
 */
export function mergeAsReference(tokenizer: HuggingFaceTokenizer): void {
  const model = (tokenizer as unknown as { readonly model: Merging }).model;
  const bpe = model.bpe?.bind(model);
  if (!bpe || model.unk_token || model.byte_fallback || model.end_of_word_suffix) return;
  const known = (character: string) => model.tokens_to_ids.has(character);
  model.bpe = (piece) => {
    const characters = Array.from(piece);
    return bpe(characters.every(known) ? piece : characters.filter(known).join(''));
  };
}

/** @param invert the text between the matches is what is meant */
function split(source: string, behavior: unknown, invert = false): Json {
  const named = (pattern: string, kind: 'Isolated' | 'Removed', matchesOnly = false) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: kind,
    invert: matchesOnly,
  });
  const other = `(?:(?!${source})[\\s\\S])`;
  const [match, rest] = invert ? [`${other}+`, `(?:${source})`] : [`(?:${source})`, `${other}+`];
  switch (String(behavior).toLowerCase()) {
    case 'isolated':
      return named(source, 'Isolated');
    case 'removed':
      return named(source, 'Removed', invert);
    case 'contiguous':
      return named(`(?:${source})+`, 'Isolated');
    // `matchesOnly` gives the pieces that a pattern over the whole text names one after the other.
    case 'mergedwithprevious':
      return named(`(?:${rest})?${match}|${rest}`, 'Isolated', true);
    case 'mergedwithnext':
      return named(`${match}(?:${rest})?|${rest}`, 'Isolated', true);
    default:
      throw new Error(`there is no split behaviour ${JSON.stringify(behavior)}`);
  }
}

/** The regular expression of a pattern; null for what the library has to complain about. */
function sourceOf(pattern: unknown): string | null {
  if (!isObject(pattern)) return null;
  if (typeof pattern['Regex'] === 'string') return pattern['Regex'];
  return typeof pattern['String'] === 'string' ? pattern['String'].replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
