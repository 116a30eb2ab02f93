/** The config.json of a GGUF: what its metadata say of the decoder's shape, in the words of Hugging Face. What they say of text is `gguf-tokenizer.ts`. */
import { supportedFamilies } from './config-fields.ts';
import type { PolicyConfig } from './config.ts';
import { families, policyFamilies } from './families.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { llama3Factors } from './rope.ts';

/** Keys below the architecture's that must be absent, 0 or false, and what they stand for. */
const mustBeOff: Readonly<Record<string, string>> = {
  expert_count: 'a mixture of experts',
  use_parallel_residual: 'attention beside the MLP',
  'attention.clamp_kqv': 'clipped queries, keys and values',
  'attention.max_alibi_bias': 'attention with linear biases',
  attn_logit_softcapping: 'capped attention logits',
  final_logit_softcapping: 'capped logits',
};
/** Keys that must be absent or 1. */
const mustBeOne: Readonly<Record<string, string>> = {
  logit_scale: 'scaled logits',
  embedding_scale: 'scaled embeddings',
  residual_scale: 'scaled residuals',
};

/** What only the tensors say. */
export interface GgufShapes {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** There is no head beside the embedding. */
  readonly tied: boolean;
  /** By what each frequency of the rotary embeddings is divided; null where the file has no such tensor. */
  readonly ropeFactors: ArrayLike<number> | null;
}

/** @throws LabError 'format' naming file and key */
export function ggufConfig(metadata: GgufMetadata, { vocabSize, tied, ropeFactors }: GgufShapes): Record<string, unknown> {
  const architecture = metadata.text('general.architecture');
  const family = policyFamilies.find((name) => families[name].gguf === architecture);
  if (!family) return metadata.refuse(`the architecture ${JSON.stringify(architecture)} is not supported`, supportedFamilies);
  const key = (name: string) => `${architecture}.${name}`;
  for (const [name, what] of Object.entries(mustBeOff)) {
    const value = metadata.values.get(key(name)) ?? 0;
    if (value !== 0 && value !== false) metadata.refuse(`${what} (${key(name)}) is not supported`, supportedFamilies);
  }
  for (const [name, what] of Object.entries(mustBeOne)) {
    if ((metadata.values.get(key(name)) ?? 1) !== 1) metadata.refuse(`${what} (${key(name)}) are not supported`, supportedFamilies);
  }
  if (metadata.values.get(key('attention.causal')) === false) {
    metadata.refuse(`attention in both directions (${key('attention.causal')}) is not supported`, supportedFamilies);
  }
  const hidden = metadata.size(key('embedding_length'));
  const heads = metadata.size(key('attention.head_count'));
  const rotated = metadata.values.has(key('rope.dimension_count')) ? metadata.size(key('rope.dimension_count')) : null;
  const headDim = metadata.size(key('attention.key_length'), rotated ?? hidden / heads);
  const values = metadata.size(key('attention.value_length'), headDim);
  if (values !== headDim) metadata.refuse(`its heads have keys of ${headDim} numbers and values of ${values}, which is not supported`);
  if (rotated !== null && rotated !== headDim) {
    metadata.refuse(`partial rotary embeddings (${rotated} of ${headDim} numbers of a head) are not supported`, supportedFamilies);
  }
  const traits = families[family];
  const theta = metadata.positive(key('rope.freq_base'), traits.ropeTheta);
  const layers = metadata.size(key('block_count'));
  return {
    model_type: family,
    vocab_size: vocabSize,
    hidden_size: hidden,
    intermediate_size: metadata.size(key('feed_forward_length')),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: metadata.size(key('attention.head_count_kv'), heads),
    head_dim: headDim,
    max_position_embeddings: metadata.size(key('context_length')),
    rms_norm_eps: metadata.positive(key('attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    rope_scaling: scalingOf(metadata, key, { theta, headDim, ropeFactors }),
    ...(traits.window.computed ? windowOf(metadata, key) : {}),
    ...(traits.queryScalar === null ? {} : { query_pre_attn_scalar: ggufQueryScalar({ layers, hiddenSize: hidden, heads, headDim }) }),
    // A Llama that names a window uses it.
    ...(family === 'llama' ? { sliding_window: metadata.id(key('attention.sliding_window')) } : {}),
    tie_word_embeddings: tied,
    bos_token_id: metadata.id('tokenizer.ggml.bos_token_id'),
    eos_token_id: ['eos', 'eot', 'eom'].map((name) => metadata.id(`tokenizer.ggml.${name}_token_id`)).filter((id) => id !== null),
    pad_token_id: metadata.id('tokenizer.ggml.padding_token_id'),
  };
}

/** What GGUF has no key for, as llama.cpp (gemma3.cpp) sets it: every so manieth layer looks at everything, and the others' rotary embeddings have this theta. */
export const ggufWindow = { fullEvery: 6, ropeTheta: 10_000 };

/** There is no key for it either: the largest Gemma 3, told by its layers, has another. */
export const ggufQueryScalar = (config: Pick<PolicyConfig, 'layers' | 'hiddenSize' | 'heads' | 'headDim'>): number =>
  config.layers === 62 ? config.hiddenSize / config.heads : config.headDim;

function windowOf(metadata: GgufMetadata, key: (name: string) => string): object {
  // Without it nothing slides.
  if (metadata.id(key('attention.sliding_window')) === null) return { sliding_window_pattern: 1 };
  return {
    sliding_window: metadata.size(key('attention.sliding_window')),
    sliding_window_pattern: metadata.size(key('attention.sliding_window_pattern'), ggufWindow.fullEvery),
    rope_local_base_freq: metadata.positive(key('rope.freq_base_swa'), ggufWindow.ropeTheta),
  };
}

interface Rotary {
  readonly theta: number;
  readonly headDim: number;
  readonly ropeFactors: GgufShapes['ropeFactors'];
}

function scalingOf(metadata: GgufMetadata, key: (name: string) => string, rotary: Rotary): object | null {
  const type = metadata.text(key('rope.scaling.type')) ?? (metadata.values.has(key('rope.scale_linear')) ? 'linear' : 'none');
  if (type === 'linear') {
    const older = metadata.positive(key('rope.scale_linear'), 1);
    return { rope_type: 'linear', factor: metadata.positive(key('rope.scaling.factor'), older) };
  }
  if (type !== 'none') metadata.refuse(`rope scaling of type ${JSON.stringify(type)} is not supported`, supportedFamilies);
  return rotary.ropeFactors === null ? null : llama3Scaling(metadata, rotary, rotary.ropeFactors);
}

/**
 * A GGUF of Llama 3 keeps no settings of its scaling, but what they come to: a factor for every frequency. All published ones have these
 * three settings, and what llama.cpp's converter makes of them is compared with what is there.
 */
function llama3Scaling(metadata: GgufMetadata, { theta, headDim }: Rotary, factors: ArrayLike<number>): object | null {
  const [low, high, original] = [1, 4, 8192];
  const factor = Math.max(...Array.from(factors));
  const expected = llama3Factors(
    { ropeTheta: theta, headDim },
    { type: 'llama3', factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: original },
  );
  if (factors.length !== expected.length || expected.some((value, i) => !(Math.abs(factors[i]! / value - 1) < 1e-4))) {
    metadata.refuse(
      'its rope_freqs.weight is not that of a Llama 3',
      'Use the Hugging Face folder of the policy, which says how they are made.',
    );
  }
  if (factor === 1) return null;
  const settings = { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original };
  return { rope_type: 'llama3', factor, ...settings };
}
