/**
 * Trains the bundled policy's tokenizer: byte-level BPE in Hugging Face's `tokenizer.json` form, digits single.
 * Encoding is `policy/tokenizer.ts`; this file only learns the merges.
 *
 * Sennrich et al. 2016 (BPE); Radford et al. 2019 (over bytes).
 */

/**
 * What may merge: the answer's opening brace as one piece, words with their leading space, single digits, punctuation.
 * Written once here and once, as a string, into tokenizer.json, so both split alike.
 */
const splitPattern = String.raw` ?\\boxed\{| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+`;

export const specialTokens = ['<|pad|>', '<|end|>', '<|system|>', '<|user|>', '<|assistant|>'] as const;
export const padId = 0;
export const endId = 1;

const chatTemplate =
  "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** GPT-2's printable stand-in for each byte. */
function byteSymbols(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
}

interface Word {
  symbols: string[];
  count: number;
}

function countWords(texts: Iterable<string>): Word[] {
  const symbols = byteSymbols();
  const encoder = new TextEncoder();
  const counts = new Map<string, number>();
  const pattern = new RegExp(splitPattern, 'gu');
  for (const text of texts) {
    for (const [piece] of text.matchAll(pattern)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return [...counts].map(([piece, count]) => ({ symbols: [...encoder.encode(piece)].map((b) => symbols[b]!), count }));
}

/** The pair that occurs most often; ties go to the lexicographically smaller one, so that the result is reproducible. */
function bestPair(words: readonly Word[]): [string, string] | null {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const key = `${symbols[i]} ${symbols[i + 1]}`;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  let best: string | null = null;
  let bestCount = 1; // a pair seen once is not worth an id
  for (const [key, count] of counts) {
    if (count > bestCount || (count === bestCount && best !== null && key < best)) [best, bestCount] = [key, count];
  }
  if (best === null) return null;
  const [left, right] = best.split(' ');
  return [left!, right!];
}

function applyMerge(word: Word, left: string, right: string): void {
  const out: string[] = [];
  for (let i = 0; i < word.symbols.length; i++) {
    if (word.symbols[i] === left && word.symbols[i + 1] === right) {
      out.push(left + right);
      i++;
    } else out.push(word.symbols[i]!);
  }
  word.symbols = out;
}

/** @returns the contents of tokenizer.json and tokenizer_config.json, at most `vocabSize` ids. */
export function trainTokenizer(texts: Iterable<string>, vocabSize: number): { tokenizer: object; config: object } {
  const words = countWords(texts);
  const vocab: Record<string, number> = {};
  let id: number = specialTokens.length;
  for (const symbol of byteSymbols()) vocab[symbol] = id++;
  const merges: [string, string][] = [];
  while (id < vocabSize) {
    const pair = bestPair(words);
    if (!pair) break;
    merges.push(pair);
    vocab[pair[0] + pair[1]] = id++;
    for (const word of words) if (word.symbols.length > 1) applyMerge(word, pair[0], pair[1]);
  }
  const addedToken = (content: string, tokenId: number) => ({
    id: tokenId,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map(addedToken),
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: splitPattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: { ...Object.fromEntries(specialTokens.map((t, i) => [t, i])), ...vocab },
        merges,
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_max_length: 128,
      eos_token: '<|end|>',
      pad_token: '<|pad|>',
      clean_up_tokenization_spaces: false,
      chat_template: chatTemplate,
    },
  };
}
