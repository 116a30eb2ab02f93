/**
 * What shape of decoder a policy is, as a Hugging Face `config.json` describes it; in what its family differs from others is `families.ts`.
 * It is not the weights (`weights.ts`) and not how they are computed with (`engine/`).
 */
import { flag, isObject, positive, refuse, size } from './config-fields.ts';
import { families, policyFamilies, type PolicyFamily } from './families.ts';
import { refuseOtherArchitectures } from './other-architectures.ts';
import { parseRope, type RopeScaling } from './rope.ts';
import { parseWindow, windowKeys, type Window } from './window.ts';
import { specialIds } from './special-ids.ts';

export type { RopeScaling } from './rope.ts';
export type { Window } from './window.ts';

export interface PolicyConfig {
  readonly family: PolicyFamily;
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
  /** Layers that look at the nearest tokens only; absent: there are none. */
  readonly window?: Window;
  /** Attention scores are divided by its square root; absent: by that of `headDim`, which it is not. */
  readonly queryScalar?: number;
  /** The head shares the embedding matrix. */
  readonly tied: boolean;
  readonly qkvBias: boolean;
  readonly qkNorm: boolean;
  readonly bosId: number | null;
  /** Ids that end a completion; may be empty for a policy without tokenizer. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
}

/**
 * @param json parsed config.json
 * @param generation parsed generation_config.json; what either file ends a reply with ends it
 * @throws LabError `format` naming the key, for a broken file or an architecture outside the family
 */
export function parsePolicyConfig(json: unknown, generation?: unknown): PolicyConfig {
  if (!isObject(json)) refuse('config.json does not hold a JSON object.', 'Check the file, or fetch it again.');
  const modelType = json['model_type'];
  const family = policyFamilies.find((name) => name === modelType);
  if (modelType === 'gemma3') {
    refuse(
      'config.json: Gemma 3 with images (model_type "gemma3") is not supported.',
      'Choose one for text alone (gemma3_text: 270M or 1B).',
    );
  }
  if (!family) refuse(`config.json: the architecture ${JSON.stringify(modelType ?? json['architectures'] ?? null)} is not supported.`);
  const traits = families[family];
  const declared = json['architectures'];
  if (Array.isArray(declared) && declared.length > 0 && !declared.includes(traits.architecture)) {
    refuse(`config.json: ${JSON.stringify(declared[0])} is not supported (${traits.architecture} is).`);
  }

  const vocabSize = size(json, 'vocab_size');
  const hiddenSize = size(json, 'hidden_size');
  const heads = size(json, 'num_attention_heads');
  const kvHeads = size(json, 'num_key_value_heads', heads);
  const headDim = size(json, 'head_dim', traits.headDim ?? hiddenSize / heads);
  if (heads % kvHeads !== 0) refuse(`config.json: ${heads} query heads cannot share ${kvHeads} key/value heads.`, 'Check the file.');
  if (headDim % 2 !== 0) refuse(`config.json: head_dim is ${headDim}; rotary embeddings need an even one.`, 'Check the file.');
  const maxPositions = size(json, 'max_position_embeddings', 2048);
  const layers = size(json, 'num_hidden_layers');
  refuseOtherArchitectures(json, traits, layers, maxPositions);
  const rope = parseRope(json, traits, maxPositions);
  const window = parseWindow(json, traits, layers);

  const queryScalar = traits.queryScalar === null ? headDim : positive(json, 'query_pre_attn_scalar', traits.queryScalar);
  const { bosId, eosIds, padId } = specialIds(json, generation, vocabSize);

  return {
    family,
    vocabSize,
    hiddenSize,
    intermediateSize: size(json, 'intermediate_size'),
    layers,
    heads,
    kvHeads,
    headDim,
    maxPositions,
    rmsNormEps: positive(json, 'rms_norm_eps', 1e-6),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    ...(window ? { window } : {}),
    ...(queryScalar === headDim ? {} : { queryScalar }),
    tied: flag(json, 'tie_word_embeddings', traits.tied),
    qkvBias: traits.qkvBias,
    qkNorm: traits.qkNorm,
    bosId,
    eosIds,
    padId,
  };
}

/** The config.json that transformers reads back as the same model. */
export function toHuggingFaceConfig(config: PolicyConfig): Record<string, unknown> {
  const scaling = config.ropeScaling;
  const traits = families[config.family];
  return {
    architectures: [traits.architecture],
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
    [traits.activation === 'silu' ? 'hidden_act' : 'hidden_activation']: traits.activation,
    ...(traits.queryScalar === null ? {} : { query_pre_attn_scalar: config.queryScalar ?? config.headDim }),
    ...(traits.window.computed ? windowKeys(config.window, config.layers) : {}),
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

/** Whether these are the numbers of exactly these tensors. */
export function fitShapes(shapes: readonly ParameterShape[], weights: Readonly<Record<string, Float32Array>>): boolean {
  if (Object.keys(weights).length !== shapes.length) return false;
  return shapes.every(({ name, shape }) => weights[name]?.length === shape.reduce((product, n) => product * n, 1));
}

/** Every parameter of a policy, in canonical order: embedding, layers, final norm, head (untied only). */
export function parameterShapes(config: PolicyConfig): readonly ParameterShape[] {
  const { hiddenSize: d, headDim, vocabSize } = config;
  const queries = config.heads * headDim;
  const keys = config.kvHeads * headDim;
  const { norms } = families[config.family];
  const shapes: ParameterShape[] = [{ name: 'model.embed_tokens.weight', shape: [vocabSize, d] }];
  for (let i = 0; i < config.layers; i++) {
    const add = (name: string, ...shape: number[]) => shapes.push({ name: `model.layers.${i}.${name}`, shape });
    const norm = (name: string | null) => name !== null && add(`${name}.weight`, d);
    norm(norms.attention.before);
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
    norm(norms.attention.after);
    norm(norms.mlp.before);
    add('mlp.gate_proj.weight', config.intermediateSize, d);
    add('mlp.up_proj.weight', config.intermediateSize, d);
    add('mlp.down_proj.weight', d, config.intermediateSize);
    norm(norms.mlp.after);
  }
  shapes.push({ name: 'model.norm.weight', shape: [d] });
  if (!config.tied) shapes.push({ name: 'lm_head.weight', shape: [vocabSize, d] });
  return shapes;
}
