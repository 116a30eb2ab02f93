/**
 * What shape of decoder a policy is: the Llama family, as a Hugging Face `config.json` describes it.
 * It is not the weights (`weights.ts`) and not how they are computed with (`engine/`).
 */
import { LabError } from '../errors.ts';

export type RopeScaling =
  | { type: 'linear'; factor: number }
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };

export interface PolicyConfig {
  /** Llama and SmolLM2 are `llama`. */
  readonly family: 'llama' | 'qwen2' | 'qwen3';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Key/value heads; divides `heads` (grouped-query attention). */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Longest row, prompt and completion together, in tokens. */
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  /** The head shares the embedding matrix. */
  readonly tied: boolean;
  readonly qkvBias: boolean;
  readonly qkNorm: boolean;
  readonly bosId: number | null;
  /** Ids that end a completion; may be empty for a policy without tokenizer. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
}

const families: Readonly<Record<string, PolicyConfig['family']>> = { llama: 'llama', qwen2: 'qwen2', qwen3: 'qwen3' };
const architectures: Readonly<Record<PolicyConfig['family'], string>> = {
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
};
const supported = 'Choose a policy of the Llama, SmolLM2, Qwen2, Qwen2.5 or Qwen3 family (dense, SiLU, full attention).';

function refuse(what: string, next = supported): never {
  throw new LabError('format', what, next);
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A positive whole number, or a sentence that names the key. */
function size(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    refuse(`config.json: ${key} must be a positive whole number, it is ${JSON.stringify(value)}.`, 'Check the file, or fetch it again.');
  }
  return value;
}

function positive(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    refuse(`config.json: ${key} must be a positive number, it is ${JSON.stringify(value)}.`, 'Check the file, or fetch it again.');
  }
  return value;
}

function tokenId(value: unknown, key: string, vocabSize: number): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    refuse(`config.json: ${key} must be a token id, it is ${JSON.stringify(value)}.`, 'Check the file, or fetch it again.');
  }
  // Some published files name ids outside the vocabulary (padding, mostly); such a token can never be produced or read.
  return value < vocabSize ? value : null;
}

function parseRopeScaling(value: unknown, maxPositions: number): RopeScaling | null {
  if (value === null || value === undefined) return null;
  if (!isObject(value)) refuse(`config.json: rope_scaling must be an object, it is ${JSON.stringify(value)}.`);
  const type = value['rope_type'] ?? value['type'];
  if (type === undefined || type === 'default') return null;
  if (type === 'linear') return { type: 'linear', factor: positive(value, 'factor') };
  if (type === 'llama3') {
    return {
      type: 'llama3',
      factor: positive(value, 'factor'),
      lowFreqFactor: positive(value, 'low_freq_factor'),
      highFreqFactor: positive(value, 'high_freq_factor'),
      originalMaxPositions: size(value, 'original_max_position_embeddings', maxPositions),
    };
  }
  refuse(
    `config.json: rope scaling of type ${JSON.stringify(type)} is not supported.`,
    'Supported are default, linear and llama3; choose a policy that uses one of them.',
  );
}

/** What is in the file and would silently compute something else is refused by name. */
function refuseOtherArchitectures(json: Json, family: PolicyConfig['family']): void {
  const activation = json['hidden_act'] ?? json['hidden_activation'] ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish')
    refuse(`config.json: the activation ${JSON.stringify(activation)} is not supported.`);
  if (json['use_sliding_window'] === true || (family === 'llama' && typeof json['sliding_window'] === 'number')) {
    refuse('config.json: sliding-window attention is not supported.');
  }
  const layerTypes = json['layer_types'];
  if (Array.isArray(layerTypes)) {
    const other = layerTypes.find((type) => type !== 'full_attention');
    if (other !== undefined) refuse(`config.json: layers of type ${JSON.stringify(other)} are not supported.`);
  }
  for (const key of ['num_experts', 'num_local_experts', 'n_routed_experts', 'moe_intermediate_size']) {
    if (typeof json[key] === 'number' && json[key] > 0) refuse(`config.json: a mixture of experts (${key}) is not supported.`);
  }
  const partial = json['partial_rotary_factor'];
  if (typeof partial === 'number' && partial !== 1) refuse(`config.json: partial rotary embeddings (factor ${partial}) are not supported.`);
  if (json['mlp_bias'] === true) refuse('config.json: biases in the MLP (mlp_bias) are not supported.');
  if (family !== 'qwen2' && json['attention_bias'] === true) {
    refuse('config.json: attention_bias with an output-projection bias is not supported.');
  }
  if (isObject(json['quantization_config'])) {
    refuse(
      'config.json: quantised weights (quantization_config) are not supported.',
      'Use the original F32, F16 or BF16 files of the policy.',
    );
  }
  if (Array.isArray(json['no_rope_layers']) && json['no_rope_layers'].some((rope) => rope === 0)) {
    refuse('config.json: layers without rotary embeddings (no_rope_layers) are not supported.');
  }
}

/**
 * @param json parsed config.json
 * @param generation parsed generation_config.json; its eos ids, where given, win, as in transformers' generate
 * @throws LabError `format` naming the key, for a broken file or an architecture outside the family
 */
export function parsePolicyConfig(json: unknown, generation?: unknown): PolicyConfig {
  if (!isObject(json)) refuse('config.json does not hold a JSON object.', 'Check the file, or fetch it again.');
  const modelType = json['model_type'];
  const family = typeof modelType === 'string' && Object.hasOwn(families, modelType) ? families[modelType] : undefined;
  if (!family) refuse(`config.json: the architecture ${JSON.stringify(modelType ?? json['architectures'] ?? null)} is not supported.`);
  const declared = json['architectures'];
  if (Array.isArray(declared) && declared.length > 0 && !declared.includes(architectures[family])) {
    refuse(`config.json: ${JSON.stringify(declared[0])} is not supported (${architectures[family]} is).`);
  }
  refuseOtherArchitectures(json, family);

  const vocabSize = size(json, 'vocab_size');
  const hiddenSize = size(json, 'hidden_size');
  const heads = size(json, 'num_attention_heads');
  const kvHeads = size(json, 'num_key_value_heads', heads);
  // Only Qwen3 gives heads a width of their own by default.
  const headDim = size(json, 'head_dim', family === 'qwen3' ? 128 : hiddenSize / heads);
  if (heads % kvHeads !== 0) refuse(`config.json: ${heads} query heads cannot share ${kvHeads} key/value heads.`, 'Check the file.');
  if (headDim % 2 !== 0) refuse(`config.json: head_dim is ${headDim}; rotary embeddings need an even one.`, 'Check the file.');
  const maxPositions = size(json, 'max_position_embeddings', 2048);
  const rope = isObject(json['rope_parameters']) ? json['rope_parameters'] : json;

  const generationEos = isObject(generation) ? generation['eos_token_id'] : undefined;
  const eos = generationEos ?? json['eos_token_id'];
  const eosIds = (Array.isArray(eos) ? eos : [eos])
    .map((id: unknown) => tokenId(id, 'eos_token_id', vocabSize))
    .filter((id): id is number => id !== null);

  return {
    family,
    vocabSize,
    hiddenSize,
    intermediateSize: size(json, 'intermediate_size'),
    layers: size(json, 'num_hidden_layers'),
    heads,
    kvHeads,
    headDim,
    maxPositions,
    rmsNormEps: positive(json, 'rms_norm_eps', 1e-6),
    ropeTheta: positive(rope, 'rope_theta', 10000),
    ropeScaling: parseRopeScaling(rope === json ? json['rope_scaling'] : rope, maxPositions),
    tied: json['tie_word_embeddings'] === true,
    qkvBias: family === 'qwen2',
    qkNorm: family === 'qwen3',
    bosId: tokenId(json['bos_token_id'], 'bos_token_id', vocabSize),
    eosIds: [...new Set(eosIds)],
    padId: tokenId(json['pad_token_id'] ?? (isObject(generation) ? generation['pad_token_id'] : null), 'pad_token_id', vocabSize),
  };
}

/** The config.json that transformers reads back as the same model. */
export function toHuggingFaceConfig(config: PolicyConfig): Record<string, unknown> {
  const scaling = config.ropeScaling;
  return {
    architectures: [architectures[config.family]],
    model_type: config.family,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling:
      scaling === null
        ? null
        : scaling.type === 'linear'
          ? { rope_type: 'linear', factor: scaling.factor }
          : {
              rope_type: 'llama3',
              factor: scaling.factor,
              low_freq_factor: scaling.lowFreqFactor,
              high_freq_factor: scaling.highFreqFactor,
              original_max_position_embeddings: scaling.originalMaxPositions,
            },
    hidden_act: 'silu',
    tie_word_embeddings: config.tied,
    attention_bias: config.qkvBias && config.family !== 'qwen2',
    ...(config.family === 'qwen2' ? { use_sliding_window: false } : {}),
    bos_token_id: config.bosId,
    eos_token_id: config.eosIds.length > 1 ? [...config.eosIds] : (config.eosIds[0] ?? null),
    pad_token_id: config.padId,
    torch_dtype: 'float32',
  };
}

export interface ParameterShape {
  /** Hugging Face name. */
  readonly name: string;
  /** Linear layers are [out, in]. */
  readonly shape: readonly number[];
}

/** Every parameter of a policy, in canonical order: embedding, layers, final norm, head (untied only). */
export function parameterShapes(config: PolicyConfig): readonly ParameterShape[] {
  const { hiddenSize: d, headDim, vocabSize } = config;
  const queries = config.heads * headDim;
  const keys = config.kvHeads * headDim;
  const shapes: ParameterShape[] = [{ name: 'model.embed_tokens.weight', shape: [vocabSize, d] }];
  for (let i = 0; i < config.layers; i++) {
    const add = (name: string, ...shape: number[]) => shapes.push({ name: `model.layers.${i}.${name}`, shape });
    add('input_layernorm.weight', d);
    for (const [projection, out] of [
      ['q_proj', queries],
      ['k_proj', keys],
      ['v_proj', keys],
    ] as const) {
      add(`self_attn.${projection}.weight`, out, d);
      if (config.qkvBias) add(`self_attn.${projection}.bias`, out);
    }
    if (config.qkNorm) {
      add('self_attn.q_norm.weight', headDim);
      add('self_attn.k_norm.weight', headDim);
    }
    add('self_attn.o_proj.weight', d, queries);
    add('post_attention_layernorm.weight', d);
    add('mlp.gate_proj.weight', config.intermediateSize, d);
    add('mlp.up_proj.weight', config.intermediateSize, d);
    add('mlp.down_proj.weight', d, config.intermediateSize);
  }
  shapes.push({ name: 'model.norm.weight', shape: [d] });
  if (!config.tied) shapes.push({ name: 'lm_head.weight', shape: [vocabSize, d] });
  return shapes;
}
