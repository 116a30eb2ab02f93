/** Whether a parsed tokenizer.json is one, and of a kind that @huggingface/tokenizers reads; what that library reads otherwise than the reference is put right. */
import { LabError } from '../errors.ts';
import { referencePreTokenizer } from './pre-tokenizer.ts';
import { checkTokenizerLimits } from './tokenizer-limits.ts';

type Json = Record<string, unknown>;

const modelTypes = ['BPE', 'Unigram', 'WordPiece'];

/**
 * The library trusts its input; a truncated or foreign file has to be told apart before.
 * @throws LabError 'format' saying what is wrong with it
 */
export function checkTokenizerJson(json: unknown): Json {
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
  }
  if (type === 'BPE' && !Array.isArray(model['merges'])) throw broken('tokenizer.json has no list "model.merges".');
  const added = json['added_tokens'] ?? [];
  if (!Array.isArray(added) || !added.every((token) => isObject(token) && typeof token['content'] === 'string' && 'id' in token)) {
    throw broken('"added_tokens" of tokenizer.json is not a list of tokens with "id" and "content".');
  }
  const whole = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...json,
    model: { ...model, type },
    added_tokens: added,
  };
  checkTokenizerLimits(whole);
  return { ...whole, pre_tokenizer: referencePreTokenizer(whole.pre_tokenizer) };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function broken(what: string): LabError {
  return new LabError('format', what, "Use the policy's own, complete tokenizer files.");
}
