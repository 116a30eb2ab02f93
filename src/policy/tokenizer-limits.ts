/**
 * What a tokenizer.json may ask of @huggingface/tokenizers, which trusts its input: ids that it makes a list of, texts that it makes trees
 * of, patterns that it runs. Whether the file is a tokenizer at all is checked elsewhere; numbers here are far above published files.
 */
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LabError } from '../errors.ts';
import { LinearPattern } from './linear-pattern.ts';

type Json = Record<string, unknown>;

/** Fifteen times the largest published vocabulary; the library makes a list as long as the largest id. */
export const maxTokenId = 4_000_000;
/** Characters of all added tokens, or of all pieces of a unigram model: each is a node of a tree. */
const maxTreeCharacters = 4_000_000;
/** WordPiece tries every part of a word, and joins it anew for each. */
const maxWordCharacters = 1000;
/** Normalizers, pre-tokenizers, decoders of all sequences together; published files have up to six. */
const maxComponents = 64;
/** A pattern, or any other text in the settings of a component; the table of a Precompiled normalizer is no such text. */
const maxSettingCharacters = 10_000;
/** What a Replace puts in a place; published files put one character there, or two. */
const maxReplacementCharacters = 64;
/** What a text may grow to by replacements. */
const maxNormalizedCharacters = 1_000_000;

const components = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const;

/** @throws LabError 'format' for a file that asks for more than any tokenizer needs, or contradicts itself */
export function checkTokenizerLimits(json: Json): void {
  const model = json['model'] as Json;
  const taken = new Map<number, string>();
  const claim = (token: string, id: unknown) => {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > maxTokenId) {
      throw broken(`tokenizer.json gives the token ${quoted(token)} no valid id (${shortened(id)}; they go from 0 to ${maxTokenId})`);
    }
    const other = taken.get(id as number);
    if (other !== undefined && other !== token)
      throw broken(`tokenizer.json gives the tokens ${quoted(other)} and ${quoted(token)} one id, ${id as number}`);
    taken.set(id as number, token);
  };
  const vocab = model['vocab'];
  if (Array.isArray(vocab)) checkPieces(vocab, model, claim);
  else for (const [token, id] of Object.entries(vocab as Json)) claim(token, id);
  const added = json['added_tokens'] as readonly { readonly id: unknown; readonly content: string }[];
  for (const { content, id } of added) claim(content, id);
  limitTree(
    added.map(({ content }) => content),
    'added tokens',
  );
  if (model['type'] === 'BPE') checkMerges(model['merges'] as readonly unknown[], vocab as Json, model);
  const word = model['max_input_chars_per_word'] ?? 100;
  if (model['type'] === 'WordPiece' && !(typeof word === 'number' && word >= 1 && word <= maxWordCharacters)) {
    throw broken(`"max_input_chars_per_word" of tokenizer.json is ${shortened(word)}; it goes from 1 to ${maxWordCharacters}`);
  }
  let found = 0;
  const visit = (value: unknown, where: string): void => {
    if (typeof value === 'string' && value.length > maxSettingCharacters) {
      throw broken(`${where} of tokenizer.json has a text of ${value.length} characters`);
    }
    if (typeof value !== 'object' || value === null) return;
    const part = value as Json;
    if (typeof part['type'] === 'string' && ++found > maxComponents)
      throw broken(`tokenizer.json has more than ${maxComponents} components`);
    const { length, content } = part;
    if (part['type'] === 'FixedLength' && !(Number.isInteger(length) && (length as number) >= 1)) {
      throw broken(`${where} of tokenizer.json cuts pieces of ${shortened(length)} characters`);
    }
    if (part['type'] === 'Replace' && (typeof (content ?? '') !== 'string' || String(content ?? '').length > maxReplacementCharacters)) {
      throw broken(`${where} of tokenizer.json puts more than ${maxReplacementCharacters} characters in a place`);
    }
    for (const [key, inner] of Object.entries(part)) if (key !== 'precompiled_charsmap') visit(inner, where);
  };
  for (const name of components) visit(json[name], `"${name}"`);
}

function checkPieces(vocab: readonly unknown[], model: Json, claim: (token: string, id: unknown) => void): void {
  vocab.forEach((entry, id) => {
    const [piece, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof piece !== 'string' || typeof score !== 'number')
      throw broken(`entry ${id + 1} of "model.vocab" in tokenizer.json is no piece with a score`);
    claim(piece, id);
  });
  limitTree(
    vocab.map((entry) => (entry as [string])[0]),
    'pieces',
  );
  const unknown = model['unk_id'] ?? null;
  if (unknown !== null && !(Number.isInteger(unknown) && (unknown as number) >= 0 && (unknown as number) < vocab.length)) {
    throw broken(`"unk_id" of tokenizer.json is ${shortened(unknown)}, which is no place in its vocabulary`);
  }
}

/** As the reference library: what a merge joins, and what it makes, are tokens. */
function checkMerges(merges: readonly unknown[], vocab: Json, model: Json): void {
  const prefix = typeof model['continuing_subword_prefix'] === 'string' ? model['continuing_subword_prefix'] : '';
  merges.forEach((merge, i) => {
    const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? (merge as unknown[]) : [];
    const [left, right] = parts;
    if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string' || left === '' || right === '') {
      throw broken(`merge ${i + 1} of tokenizer.json is no pair of tokens`);
    }
    const made = left + (prefix && right.startsWith(prefix) ? right.slice(prefix.length) : right);
    const missing = [left, right, made].find((token) => !Object.hasOwn(vocab, token));
    if (missing !== undefined) throw broken(`merge ${i + 1} of tokenizer.json has ${quoted(missing)}, which is not in its vocabulary`);
  });
}

function limitTree(texts: readonly string[], what: string): void {
  const sum = texts.reduce((total, text) => total + text.length, 0);
  if (sum > maxTreeCharacters) throw broken(`the ${what} of tokenizer.json have ${sum} characters together`);
}

/** Patterns that published tokenizers cut text with, known to take no longer on one text than on another: GPT-2, Llama 3, Qwen 2, SmolLM2. */
const letters = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const tail = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const endings = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const harmless: ReadonlySet<string> = new Set([
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  `${endings}|${letters}|\\p{N}{1,3}|${tail}`,
  `${endings}|${letters}|\\p{N}|${tail}`,
  '\\s',
  '\\p{N}',
  '(?:\\p{N})+',
  '\\p{N}{1,3}',
]);

/** A part of the library's tokenizer: a list of parts, or one with a pattern. */
interface Part {
  readonly config?: { readonly type?: string; readonly pattern?: { readonly Regex?: unknown } };
  readonly normalizers?: readonly (Part | null)[];
  readonly tokenizers?: readonly (Part | null)[];
  readonly decoders?: readonly (Part | null)[];
  pattern?: unknown;
  normalize?: (text: string) => string;
}

/**
 * Lets no pattern of the file run that could take for ever, and no text grow without bound.
 * @throws SyntaxError for a pattern that cannot be run so
 */
export function boundPatterns(tokenizer: HuggingFaceTokenizer): void {
  const { normalizer, pre_tokenizer, decoder } = tokenizer as unknown as Record<'normalizer' | 'pre_tokenizer' | 'decoder', Part | null>;
  const visit = (part: Part | null): void => {
    if (!part) return;
    for (const inner of [...(part.normalizers ?? []), ...(part.tokenizers ?? []), ...(part.decoders ?? [])]) visit(inner);
    const source = part.config?.pattern?.Regex;
    if (typeof source === 'string' && part.pattern instanceof RegExp && !harmless.has(source))
      part.pattern = new LinearPattern(part.pattern.source);
    if (part.config?.type === 'Replace' && part.normalize) {
      const normalize = part.normalize.bind(part);
      part.normalize = (text) => {
        const replaced = normalize(text);
        if (replaced.length > maxNormalizedCharacters)
          throw new RangeError(`its replacements make ${replaced.length} characters of a text`);
        return replaced;
      };
    }
  };
  for (const part of [normalizer, pre_tokenizer, decoder]) visit(part);
}

function quoted(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}…` : token);
}

function shortened(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 40);
}

function broken(what: string): LabError {
  return new LabError('format', `${what}.`, "Use the policy's own, complete tokenizer files.");
}
