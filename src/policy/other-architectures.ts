/**
 * What a config.json may hold that would compute something else than its family's description says: refused by name, so that no known key lies
 * unread beside a default. Keys that change nothing in float32 (`use_cache`, `initializer_range`, `pretraining_tp`, `torch_dtype`,
 * `attention_dropout`, which the trainers that this follows leave off …) and keys that nobody knows are left alone.
 */
import { flag, isObject, refuse, type Json } from './config-fields.ts';
import type { FamilyTraits } from './families.ts';

/** Keys that must be absent, null, false, 0 or an empty list, and what they stand for. */
const mustBeOff: Readonly<Record<string, string>> = {
  num_experts: 'a mixture of experts',
  num_local_experts: 'a mixture of experts',
  n_routed_experts: 'a mixture of experts',
  moe_intermediate_size: 'a mixture of experts',
  mlp_bias: 'biases in the MLP',
  clip_qkv: 'clipped queries, keys and values',
  attn_logit_softcapping: 'capped attention logits',
  final_logit_softcapping: 'capped logits',
  attention_chunk_size: 'attention in chunks',
  alibi: 'attention with linear biases',
  parallel_attn: 'attention beside the MLP',
  use_parallel_residual: 'attention beside the MLP',
  no_rope_layer_interval: 'layers without rotary embeddings',
  use_bidirectional_attention: 'attention in both directions',
  is_encoder_decoder: 'an encoder beside the decoder',
  add_cross_attention: 'attention to an encoder',
  pruned_heads: 'heads that were pruned',
};

/** Keys that must be absent, null or 1. */
const mustBeOne: Readonly<Record<string, string>> = {
  logit_scale: 'scaled logits',
  logits_scaling: 'scaled logits',
  embedding_multiplier: 'scaled embeddings',
  scale_emb: 'scaled embeddings',
  residual_multiplier: 'scaled residuals',
  attention_multiplier: 'scaled attention logits',
};

/** @throws LabError 'format' naming the key */
export function refuseOtherArchitectures(json: Json, traits: FamilyTraits, layers: number, maxPositions: number): void {
  for (const key of ['hidden_act', 'hidden_activation']) {
    const activation = json[key] === 'swish' ? 'silu' : (json[key] ?? traits.activation);
    if (activation === traits.activation) continue;
    refuse(`config.json: the activation ${JSON.stringify(activation)} (${key}) is not supported; of this family ${traits.activation} is.`);
  }
  for (const [key, what] of Object.entries(mustBeOff)) {
    // A list of layers without rotary embeddings says itself which they are.
    if (key === 'no_rope_layer_interval' && Array.isArray(json['no_rope_layers'])) continue;
    if (!isOff(json[key])) refuse(`config.json: ${what} (${key}) is not supported.`);
  }
  for (const [key, what] of Object.entries(mustBeOne)) {
    if ((json[key] ?? 1) !== 1) refuse(`config.json: ${what} (${key} ${JSON.stringify(json[key])}) are not supported.`);
  }
  // A family that has these biases has none on the output projection.
  if (!traits.qkvBias && flag(json, 'attention_bias')) {
    refuse('config.json: attention_bias with an output-projection bias is not supported.');
  }
  if (!traits.qkNorm && (json['use_qk_norm'] === true || json['qk_layernorm'] === true)) {
    refuse('config.json: normalised queries and keys (use_qk_norm) are not supported in this family.');
  }
  if (isObject(json['quantization_config'])) {
    refuse(
      'config.json: quantised weights (quantization_config) are not supported.',
      'Use the original F32, F16 or BF16 files of the policy.',
    );
  }
  if (Array.isArray(json['no_rope_layers']) && json['no_rope_layers'].some((rope) => !rope)) {
    refuse('config.json: layers without rotary embeddings (no_rope_layers) are not supported.');
  }
  if (json['is_causal'] === false) refuse('config.json: attention in both directions (is_causal) is not supported.');
  refuseWindows(json, traits, layers, maxPositions);
}

/** A window that no row of this policy can outgrow, or that no layer uses, changes nothing. */
function refuseWindows(json: Json, traits: FamilyTraits, layers: number, maxPositions: number): void {
  const types = json['layer_types'];
  const other = Array.isArray(types) ? types.find((type) => type !== 'full_attention' && type !== 'sliding_attention') : undefined;
  if (other !== undefined) refuse(`config.json: layers of type ${JSON.stringify(other)} are not supported.`);
  if (traits.window.computed) return;
  // Null in a file: none.
  const window = json['sliding_window'] === undefined ? traits.window.size : json['sliding_window'];
  if (typeof window === 'number' && window >= maxPositions) return;
  const named = Array.isArray(types) && types.includes('sliding_attention');
  const used = typeof json['use_sliding_window'] === 'boolean' ? json['use_sliding_window'] : traits.window.used;
  const from = typeof json['max_window_layers'] === 'number' ? json['max_window_layers'] : traits.window.from;
  const counted = !Array.isArray(types) && used && typeof window === 'number' && from < layers;
  if (named || counted) refuse('config.json: sliding-window attention is not supported.');
}

function isOff(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0;
}
