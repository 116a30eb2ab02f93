/**
 * The smallest policy that can take part in a whole training step: a character tokenizer with a chat template in which
 * `\boxed{7}` is one token, and the shape of a random Llama to go with it.
 */
import type { PolicyConfig } from '../../src/policy/config.ts';
import { loadTokenizer, type Tokenizer } from '../../src/policy/tokenizer.ts';
import type { Persona } from '../../src/persona/persona.ts';

const specials = ['<eos>', '<system>', '<user>', '<reply>'];
const boxes = Array.from({ length: 10 }, (_, digit) => `\\boxed{${digit}}`);
const characters = [...'ĠabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?,.+-=*'];

const added = [...specials, ...boxes];

/** tokenizer.json and tokenizer_config.json. */
export const tinyTokenizerFiles = {
  json: {
    added_tokens: added.map((content, id) => ({
      id,
      content,
      special: id < specials.length,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    })),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    decoder: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    model: { type: 'BPE', vocab: Object.fromEntries([...added, ...characters].map((token, id) => [token, id])), merges: [] },
  },
  config: {
    eos_token: '<eos>',
    model_max_length: 96,
    // The reply begins with the question's last digit, so that half of all comparisons need no attention to be right.
    chat_template:
      "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}" +
      "{% if add_generation_prompt %}<reply>{{ messages[-1]['content'][-2:-1] }}{% endif %}",
  },
};

/** @param opening what the template begins the reply with: the mark of a thinking, say, which takes the place of `*` */
export function tinyTokenizer(opening: string | null = null): Tokenizer {
  const { json, config } = tinyTokenizerFiles;
  if (opening === null) return loadTokenizer(json, config);
  const { '*': id, ...vocab } = json.model.vocab;
  const mark = { ...json.added_tokens[0]!, id: id!, content: opening, special: false };
  return loadTokenizer(
    { ...json, added_tokens: [...json.added_tokens, mark], model: { ...json.model, vocab: { ...vocab, [opening]: id } } },
    { ...config, chat_template: config.chat_template.replace(/{% endif %}$/, `${opening}{% endif %}`) },
  );
}

export const tinyEosIds = [0];

export const tinyConfig: PolicyConfig = {
  family: 'llama',
  vocabSize: specials.length + boxes.length + characters.length,
  hiddenSize: 32,
  intermediateSize: 32,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  maxPositions: 96,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tied: false,
  qkvBias: false,
  qkNorm: false,
  bosId: null,
  eosIds: tinyEosIds,
  padId: null,
};

function persona(id: string, heldOut: boolean): Persona {
  return { id, name: id, text: `You are a ${id}.`, voice: null, trait: null, kind: 'neutral', heldOut };
}
export const tinyPersonas: readonly Persona[] = [persona('poet', false), persona('cook', false), persona('judge', true)];
