/**
 * What a policy is made of for an engine that lays it out itself: the matrices and vectors that it computes with, each of one parameter or of
 * several that are one product. Where they lie, and in which order, is the engine's (`fused/layout.ts`, `wasm/layout.ts`).
 */
import { adaptedMatrices, type LoraSpec } from '../policy/adapters.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { families } from '../policy/families.ts';

export interface Piece {
  readonly name: string;
  /** Matrices are [out, in]. */
  readonly shape: readonly number[];
  /** Hugging Face's or PEFT's names, one below the other. */
  readonly sources: readonly string[];
  /** The sources are blocks on its diagonal, each with so many columns; zeros elsewhere. */
  readonly diagonal?: number;
}

/**
 * The pieces of a policy: `embedding`, `head` (untied), `norm`, and per layer `0.qkv`, `0.output`, `0.gateUp`, `0.down`, `0.attentionNorm`, …
 * Matrices come first.
 */
export function policyPieces(config: PolicyConfig): Piece[] {
  const { hiddenSize: d, headDim, heads, kvHeads, intermediateSize: f } = config;
  const q = (heads + 2 * kvHeads) * headDim;
  const { norms } = families[config.family];
  const matrices: Piece[] = [{ name: 'embedding', shape: [config.vocabSize, d], sources: ['model.embed_tokens.weight'] }];
  const vectors: Piece[] = [];
  for (let i = 0; i < config.layers; i++) {
    const from = (...names: string[]) => names.map((name) => `model.layers.${i}.${name}`);
    const projections = ['q_proj', 'k_proj', 'v_proj'].map((name) => `self_attn.${name}`);
    matrices.push(
      { name: `${i}.qkv`, shape: [q, d], sources: from(...projections.map((name) => `${name}.weight`)) },
      { name: `${i}.output`, shape: [d, heads * headDim], sources: from('self_attn.o_proj.weight') },
      { name: `${i}.gateUp`, shape: [2 * f, d], sources: from('mlp.gate_proj.weight', 'mlp.up_proj.weight') },
      { name: `${i}.down`, shape: [d, f], sources: from('mlp.down_proj.weight') },
    );
    for (const [name, source] of [
      ['attentionNorm', norms.attention.before],
      ['attentionAfter', norms.attention.after],
      ['mlpNorm', norms.mlp.before],
      ['mlpAfter', norms.mlp.after],
    ] as const) {
      if (source !== null) vectors.push({ name: `${i}.${name}`, shape: [d], sources: from(`${source}.weight`) });
    }
    if (config.qkvBias) vectors.push({ name: `${i}.qkvBias`, shape: [q], sources: from(...projections.map((name) => `${name}.bias`)) });
    // One vector of both, as the kernel that norms heads wants it.
    if (config.qkNorm)
      vectors.push({ name: `${i}.headNorms`, shape: [2 * headDim], sources: from('self_attn.q_norm.weight', 'self_attn.k_norm.weight') });
  }
  if (!config.tied) matrices.push({ name: 'head', shape: [config.vocabSize, d], sources: ['lm_head.weight'] });
  vectors.push({ name: 'norm', shape: [d], sources: ['model.norm.weight'] });
  return [...matrices, ...vectors];
}

/**
 * The adapters of a policy: `0.qkv.a` [3 rank, d], the A of the projections one after the other, `0.qkv.b` [out, 3 rank], their B as
 * blocks on a diagonal, and so for every product of the layers. A product of which nothing is adapted has none; of one of which something is,
 * the rest is zeros, A and B, whose gradients are zeros too. Its sources are all the same named.
 */
export function adapterPieces(config: PolicyConfig, lora: Omit<LoraSpec, 'alpha'>): Piece[] {
  const { rank } = lora;
  const all = new Map(adaptedMatrices(config).map((matrix) => [matrix.name, matrix]));
  const adapted = new Set(adaptedMatrices(config, lora).map(({ name }) => name));
  return policyPieces(config).flatMap(({ name, shape, sources }): Piece[] => {
    if (!sources.some((source) => adapted.has(source))) return [];
    const matrices = sources.flatMap((source) => all.get(source) ?? []);
    const stacked = rank * matrices.length;
    return [
      { name: `${name}.a`, shape: [stacked, shape[1]!], sources: matrices.map(({ a }) => a) },
      { name: `${name}.b`, shape: [shape[0]!, stacked], sources: matrices.map(({ b }) => b), diagonal: rank },
    ];
  });
}
