/** Whether a parsed tokenizer.json is one, and of a kind that @huggingface/tokenizers reads; what that library reads otherwise than the reference is put right. */
import { LabError } from '../errors.ts';
import { referencePreTokenizer } from './pre-tokenizer.ts';

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
    post_processor: null,
    decoder: null,
    ...json,
    pre_tokenizer: referencePreTokenizer(json['pre_tokenizer'] ?? null),
    model: { ...model, type },
    added_tokens: added,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function broken(what: string): LabError {
  return new LabError('format', what, "Use the policy's own, complete tokenizer files.");
}
