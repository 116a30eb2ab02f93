/**
 * A policy as a GGUF file for llama.cpp and what is built on it: what its Hugging Face files say in the words of GGUF's metadata, as
 * llama.cpp's converter would, and its tensors as llama.cpp has them. How the file is laid out is `gguf-writer.ts`; `gguf.ts` reads it back.
 */
import { LabError } from '../errors.ts';
import type { PolicyConfig } from './config.ts';
import { parameterShapes } from './config.ts';
import { families } from './families.ts';
import { bytesFile, type WrittenFile } from './file.ts';
import { ggufQueryScalar, ggufWindow } from './gguf-config.ts';
import { GgufMetadata } from './gguf-metadata.ts';
import { ggufName, ggufTensor, ropeFactorsName } from './gguf-tensors.ts';
import { cutNameOf, cutNames, ggufTokenizer, tokenKinds, type CutName } from './gguf-tokenizer.ts';
import { ggufFile, type GgufEntry, type GgufTensor } from './gguf-writer.ts';
import { isSliding } from './layers.ts';
import { llama3Factors } from './rope.ts';
import { tensorFormats } from './tensor-format.ts';
import type { Tensor } from './tensor.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

/** And llama.cpp's numbers for a file that is mostly of it. */
export const ggufFormats = { f16: 1, q8_0: 7 } as const;
export type GgufFormat = keyof typeof ggufFormats;

type Json = Readonly<Record<string, unknown>>;

export interface TokenizerParts {
  /** The parsed tokenizer.json. */
  readonly json: Json;
  /** The parsed tokenizer_config.json. */
  readonly settings: Json;
  readonly template: string | null;
  readonly tokenizer: Tokenizer;
}

/** What is written. */
export interface GgufPolicy {
  /** For its reader: "SmolLM2-135M-Instruct". */
  readonly name: string;
  readonly config: PolicyConfig;
  /** Every parameter by its Hugging Face name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly tokenizer: TokenizerParts | null;
}

/**
 * @param texts that the tokenizer of the file has to cut into the same tokens, because they are what the policy is asked
 * @throws LabError 'format' for a tokenizer, windows or a scaling of scores that GGUF has no words for
 */
export function ggufOf(file: string, policy: GgufPolicy, format: GgufFormat, texts: readonly string[]): WrittenFile {
  const { config, tokenizer, tensors } = policy;
  const architecture = families[config.family].gguf;
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { text: architecture }],
    ['general.type', { text: 'model' }],
    ['general.name', { text: policy.name }],
    ['general.file_type', { u32: ggufFormats[format] }],
    ['general.quantization_version', { u32: 2 }],
    ...decoderEntries(config, architecture),
    ...(tokenizer ? tokenizerEntries(policy, tokenizer, texts) : ([['tokenizer.ggml.model', { text: 'no_vocab' }]] as const)),
  ]);
  const list: GgufTensor[] = parameterShapes(config).map(({ name, shape }) => {
    const whole = shape.at(-1)! % tensorFormats[format].numbers === 0;
    // Norms and biases are computed with as they are; rows that are no whole blocks stay unquantised.
    return {
      name: ggufName(config, name),
      tensor: ggufTensor(config, tensors.get(name)!),
      format: shape.length === 1 ? 'f32' : whole ? format : 'f16',
    };
  });
  const { ropeScaling } = config;
  if (ropeScaling?.type === 'llama3') list.push({ name: ropeFactorsName, tensor: factorsOf(config, ropeScaling), format: 'f32' });
  return ggufFile(file, metadata, list);
}

function decoderEntries(config: PolicyConfig, architecture: string): [string, GgufEntry][] {
  const { ropeScaling, window } = config;
  checkWords(config);
  const sizes = {
    vocab_size: config.vocabSize,
    context_length: config.maxPositions,
    embedding_length: config.hiddenSize,
    block_count: config.layers,
    feed_forward_length: config.intermediateSize,
    'attention.head_count': config.heads,
    'attention.head_count_kv': config.kvHeads,
    'attention.key_length': config.headDim,
    'attention.value_length': config.headDim,
    'rope.dimension_count': config.headDim,
    ...(window ? { 'attention.sliding_window': window.size } : {}),
  };
  return [
    ...Object.entries(sizes).map(([key, u32]): [string, GgufEntry] => [`${architecture}.${key}`, { u32 }]),
    [`${architecture}.attention.layer_norm_rms_epsilon`, { f32: config.rmsNormEps }],
    [`${architecture}.rope.freq_base`, { f32: config.ropeTheta }],
    ...(ropeScaling?.type === 'linear'
      ? ([
          [`${architecture}.rope.scaling.type`, { text: 'linear' }],
          [`${architecture}.rope.scaling.factor`, { f32: ropeScaling.factor }],
        ] as const)
      : []),
  ] as [string, GgufEntry][];
}

/** @throws LabError 'format' for what llama.cpp takes for granted and is otherwise here */
function checkWords(config: PolicyConfig): void {
  const { layers, headDim, window, queryScalar = headDim } = config;
  const refuse = (what: string): never => {
    throw new LabError('format', `GGUF has no word for ${what} of this policy.`, 'Save it as a Hugging Face folder.');
  };
  if (families[config.family].queryScalar !== null && queryScalar !== ggufQueryScalar(config)) refuse('the scaling of attention scores');
  if (!window) return;
  const other = (layer: number) => isSliding(config, layer) !== ((layer + 1) % ggufWindow.fullEvery !== 0);
  if (Array.from({ length: layers }, (_, layer) => layer).some(other)) refuse('which layers look at the nearest tokens');
  if (window.ropeTheta !== ggufWindow.ropeTheta) refuse('the rotary embeddings of the layers with a window');
}

function factorsOf(config: PolicyConfig, scaling: Parameters<typeof llama3Factors>[1]): Tensor {
  const factors = Float32Array.from(llama3Factors(config, scaling));
  const { read } = bytesFile(ropeFactorsName, new Uint8Array(factors.buffer));
  return { name: ropeFactorsName, shape: [factors.length], dtype: 'F32', format: 'f32', byteLength: factors.byteLength, read };
}

/** With the first name of a cut under which every text comes out the same: the tokenizer's own, or that of a tokenizer that differs elsewhere. */
function tokenizerEntries({ config }: GgufPolicy, parts: TokenizerParts, texts: readonly string[]): [string, GgufEntry][] {
  const { model } = parts.json as { readonly model: Json };
  const decoder = parts.json['decoder'] as Json | null;
  if ((model['type'] ?? 'BPE') !== 'BPE' || decoder?.['type'] !== 'ByteLevel') {
    throw new LabError(
      'format',
      'As GGUF a tokenizer of byte-level BPE can be written, and this policy has another.',
      'Save it as a Hugging Face folder, and convert that with llama.cpp.',
    );
  }
  const own = cutNameOf(parts.json);
  let [first, fewest]: [string | null, number] = [null, Infinity];
  for (const cut of own ? [own] : cutNames) {
    const plain = vocabularyEntries(config, parts, cut, new Map());
    const cutThrough = own ? new Map<string, string>() : wholeTokens(parts, readBack(config, plain));
    const entries = vocabularyEntries(config, parts, cut, cutThrough);
    const again = readBack(config, entries);
    const other = texts.filter((text) => again.encode(text).join() !== parts.tokenizer.encode(text).join());
    if (other.length === 0) return entries;
    if (other.length < fewest) [first, fewest] = [other[0]!, other.length];
  }
  throw new LabError(
    'format',
    `llama.cpp has no name for how this tokenizer cuts text: of ${texts.length} texts at least ${fewest} would be cut otherwise, the first ${JSON.stringify(first)}.`,
    'Save it as a Hugging Face folder, and use it with transformers.',
  );
}

/** The tokenizer that a reader of these entries has. */
function readBack(config: PolicyConfig, entries: readonly (readonly [string, GgufEntry])[]): Tokenizer {
  const plain = (entry: GgufEntry) => {
    if ('i32s' in entry) return Int32Array.from(entry.i32s);
    return 'u32' in entry
      ? entry.u32
      : 'f32' in entry
        ? entry.f32
        : 'flag' in entry
          ? entry.flag
          : 'text' in entry
            ? entry.text
            : entry.texts;
  };
  const metadata = new GgufMetadata('the GGUF', new Map(entries.map(([key, entry]) => [key, plain(entry)])));
  const { json, config: settings } = ggufTokenizer(metadata, config.vocabSize, config.maxPositions)!;
  return loadTokenizer(json, settings);
}

/** @param whole learned tokens that are to be found before a text is cut, and what they are in it */
function vocabularyEntries(
  config: PolicyConfig,
  parts: TokenizerParts,
  cut: CutName,
  whole: ReadonlyMap<string, string>,
): [string, GgufEntry][] {
  const { json, settings, template, tokenizer } = parts;
  const model = json['model'] as {
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly string[])[];
  };
  const tokens = Array.from({ length: config.vocabSize }, (_, id) => `[PAD${id}]`);
  const kinds: number[] = tokens.map(() => tokenKinds.unused);
  const put = (id: number, text: string, kind: number) => {
    if (id < tokens.length) [tokens[id], kinds[id]] = [text, kind];
  };
  for (const [text, id] of Object.entries(model.vocab)) {
    const plain = whole.get(text);
    if (plain === undefined) put(id, text, tokenKinds.normal);
    else put(id, plain, tokenKinds.userDefined);
  }
  const added = (json['added_tokens'] ?? []) as readonly { readonly id: number; readonly content: string; readonly special?: boolean }[];
  for (const { id, content, special } of added) put(id, content, special ? tokenKinds.control : tokenKinds.userDefined);
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  const [eos, eot, eom] = config.eosIds;
  const bos = settings['add_bos_token'] ?? startsWithSpecial(json['post_processor']);
  const ids = { bos: config.bosId, eos, eot, eom, padding: config.padId, unknown: unknownId(tokenizer) };
  return [
    ['tokenizer.ggml.model', { text: 'gpt2' }],
    ['tokenizer.ggml.pre', { text: cut }],
    ['tokenizer.ggml.tokens', { texts: tokens }],
    ['tokenizer.ggml.token_type', { i32s: kinds }],
    ['tokenizer.ggml.merges', { texts: merges.filter((merge) => !whole.has(merge.replace(' ', ''))) }],
    ...Object.entries(ids).flatMap(([name, u32]): [string, GgufEntry][] =>
      u32 === null || u32 === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, { u32 }]],
    ),
    ['tokenizer.ggml.add_bos_token', { flag: bos === true }],
    ...(template === null ? [] : ([['tokenizer.chat_template', { text: template }]] as [string, GgufEntry][])),
  ];
}

/** Learned tokens that the tokenizer makes of their text, and the other one cannot, because it cuts through them; with that text. */
function wholeTokens({ json, tokenizer }: TokenizerParts, other: Tokenizer): Map<string, string> {
  const { vocab } = json['model'] as { readonly vocab: Readonly<Record<string, number>> };
  const whole = new Map<string, string>();
  for (const [token, id] of Object.entries(vocab)) {
    const text = tokenizer.decode([id]);
    // A part of a character is no text.
    if (text === '' || text.includes('\ufffd')) continue;
    if (tokenizer.encode(text).join() === String(id) && other.encode(text).length > 1) whole.set(token, text);
  }
  return whole;
}

function unknownId(tokenizer: Tokenizer): number | null {
  const { unk_token } = tokenizer.tokens;
  return unk_token === undefined ? null : tokenizer.idOf(unk_token);
}

/** Whether the tokenizer's own way to make a text of one sequence puts a special token in front. */
function startsWithSpecial(processor: unknown): boolean {
  if (typeof processor !== 'object' || processor === null) return false;
  const { type, single, processors } = processor as {
    readonly type?: string;
    readonly single?: readonly Json[];
    readonly processors?: readonly unknown[];
  };
  if (type === 'Sequence') return (processors ?? []).some(startsWithSpecial);
  return type === 'TemplateProcessing' && single?.[0] !== undefined && 'SpecialToken' in single[0];
}
