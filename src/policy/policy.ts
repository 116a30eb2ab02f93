/** A policy, whole: configuration, weights and tokenizer, read from the files of a Hugging Face checkpoint, or of what stands for one (`gguf.ts`). */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { parsePolicyConfig, type PolicyConfig } from './config.ts';
import type { Json } from './config-fields.ts';
import { endTokens } from './end-tokens.ts';
import { hashFiles, keepingFiles, type PolicyFiles } from './fingerprint.ts';
import { readSafetensors } from './safetensors.ts';
import { openFile, type PolicySource } from './source.ts';
import { specialIds } from './special-ids.ts';
import { pieces, type Tensor } from './tensor.ts';
import { loadTokenizer, wantsSpecialTokens, type Tokenizer } from './tokenizer.ts';
import { keptTensors, policyTensors, type PolicyTensors } from './weights.ts';

export interface Policy {
  readonly id: string;
  /** With every id that ends a reply, the tokenizer's and the chat template's among them. */
  readonly config: PolicyConfig;
  /** Read when they are needed; those of a small policy are in memory. */
  readonly weights: PolicyTensors;
  /** Null where the checkpoint has no tokenizer.json: such a policy reads and writes token ids only. */
  readonly tokenizer: Tokenizer | null;
  /** What tells its files apart from others' (`fingerprint.ts`). */
  readonly files: PolicyFiles;
  /** All of its files that were read but the weights, by name: some go along where it is saved. */
  readonly texts: ReadonlyMap<string, Uint8Array>;
  /** What its files say that cannot be, sentences: read past, and to be shown to whoever uses the policy. */
  readonly notices: readonly string[];
}

/** @throws LabError `format` naming the file and what is wrong with it, `network` where a file could not be read */
export async function loadPolicy(from: PolicySource): Promise<Policy> {
  const policy = await openPolicy(from);
  return { ...policy, weights: await keptTensors(policy.weights) };
}

/** The same, its weights where they are: their headers, names and shapes are right, what their numbers are nobody has looked at. */
export async function openPolicy(from: PolicySource): Promise<Policy> {
  const source = keepingFiles(from);
  const json = required(await readJson(source, 'config.json'), source, 'config.json');
  const generation = await readJson(source, 'generation_config.json');
  const stated = parsePolicyConfig(json, generation);
  const read = await readTokenizer(source);
  const above = read ? tokensAbove(read, stated, source) : [];
  const tokenizer = read && read.within(stated.maxPositions, stated.vocabSize);
  const ends = endTokens(stated.eosIds, tokenizer, stated.vocabSize);
  const tensors = await readTensors(source);
  const apart = stated.tied && (await hasOwnHead(tensors));
  const config = { ...stated, eosIds: ends.ids, tied: stated.tied && !apart };
  const weights = policyTensors(config, tensors);
  const said = [...specialIds(json as Json, generation, config.vocabSize).notices, ...above, ...ends.notices, ...(apart ? [ownHead] : [])];
  return {
    id: source.id,
    config,
    weights,
    tokenizer,
    files: await hashFiles(source.files),
    texts: source.files,
    notices: said.map((what) => `${source.id}: ${what}`),
  };
}

const ownHead =
  'config.json says that the head is the embedding (tie_word_embeddings), but the weights have an lm_head.weight with other numbers: it is used.';

/** Whether a head is stored beside the embedding that is not a copy of it; transformers 5 does not tie the two then. */
async function hasOwnHead(tensors: ReadonlyMap<string, Tensor>): Promise<boolean> {
  const head = tensors.get('lm_head.weight');
  const embedding = tensors.get('model.embed_tokens.weight') ?? tensors.get('embed_tokens.weight');
  if (!head || !embedding) return false;
  if (head.shape.join() !== embedding.shape.join()) return true;
  const others = pieces(embedding);
  for await (const piece of pieces(head)) {
    const { value: other } = await others.next();
    if (!other || piece.some((value, i) => value !== other[i])) return true;
  }
  return false;
}

/** @returns a sentence where added tokens lie above the vocabulary: published files hold some that no weights go with */
function tokensAbove(tokenizer: Tokenizer, { vocabSize }: PolicyConfig, source: PolicySource): string[] {
  if (tokenizer.vocabSize <= vocabSize) return [];
  if (tokenizer.learnedVocabSize > vocabSize) {
    throw new LabError(
      'format',
      `The tokenizer of ${source.id} has ${tokenizer.vocabSize} ids, its config.json allows ${vocabSize}.`,
      'Check that tokenizer.json and config.json belong to the same policy.',
    );
  }
  const foreign = tokenizer.addedTokens.filter((token) => (tokenizer.idOf(token) ?? 0) >= vocabSize);
  const [first] = foreign;
  const count = foreign.length === 1 ? 'the added token' : `${foreign.length} added tokens, the first of them`;
  return [`tokenizer.json has ${count} ${JSON.stringify(first)}, above the ${vocabSize} ids of config.json: no text with it can be read.`];
}

async function readTokenizer(source: PolicySource): Promise<Tokenizer | null> {
  const json = await readJson(source, 'tokenizer.json');
  if (json === null) return null;
  const settings = await readJson(source, 'tokenizer_config.json');
  // From a server only where it is needed: to ask for a file that is not there puts an error into a browser's console.
  const inside = typeof settings === 'object' && settings !== null && 'chat_template' in settings;
  const template = inside && !source.local ? null : await source.read('chat_template.jinja');
  const chatTemplate = template && new TextDecoder().decode(template);
  const specialTokens =
    source.local || wantsSpecialTokens(settings, chatTemplate) ? await readJson(source, 'special_tokens_map.json') : null;
  return loadTokenizer(json, settings, { chatTemplate, specialTokens });
}

/** One file, or the shards that model.safetensors.index.json names. */
async function readTensors(source: PolicySource): Promise<ReadonlyMap<string, Tensor>> {
  if (source.tensors) return source.tensors();
  const single = await openFile(source, 'model.safetensors');
  if (single) return (await readSafetensors(single)).tensors;
  const index = await readJson(source, 'model.safetensors.index.json');
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (index === null || typeof map !== 'object' || map === null) {
    throw new LabError('format', `There is no model.safetensors in ${source.id}.`, 'Add the file; other weight formats are not read.');
  }
  const tensors = new Map<string, Tensor>();
  const named = Object.entries(map as Record<string, unknown>);
  for (const shard of new Set(named.map(([, file]) => file))) {
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
      throw new LabError(
        'format',
        `model.safetensors.index.json of ${source.id} names ${JSON.stringify(shard)} as a shard.`,
        'Fetch the file again.',
      );
    }
    const { tensors: found } = await readSafetensors(required(await openFile(source, shard), source, shard));
    for (const [name, file] of named) {
      if (file !== shard) continue;
      const tensor = found.get(name);
      if (!tensor) throw new LabError('format', `There is no tensor ${name} in ${shard} of ${source.id}.`, 'Fetch index and shards again.');
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

async function readJson(source: PolicySource, path: string): Promise<unknown> {
  const bytes = await source.read(path);
  return bytes && parseJsonBytes(bytes, { file: `${path} of ${source.id}`, next: 'Fetch the file again, or repair it.' });
}

function required<T>(value: T | null, source: PolicySource, path: string): T {
  if (value === null)
    throw new LabError('format', `There is no ${path} in ${source.id}.`, 'Check that the folder holds a whole checkpoint.');
  return value;
}
