/**
 * Where every parameter of a policy lies in the fused engine's arenas, and the way there and back. Matrices keep Hugging
 * Face's [out, in]; q|k|v are neighbours and so are gate|up, so each is one product. Matrices come first, vectors (norms,
 * biases) after them, because weight decay stops at that border. Gradients and moments lie the same way.
 * An arena is as few buffers as the adapter's limits allow; a matrix never straddles two.
 */
import { LabError } from '../../errors.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import type { Weights } from '../../policy/weights.ts';
import { align } from '../gpu/work.ts';

/** A matrix or vector that kernels read as one. */
export interface Slot {
  readonly name: string;
  /** Which buffer of the arena. */
  readonly part: number;
  /** Floats from the start of that buffer; a multiple of 64. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** The parameters it is made of, one after the other, by Hugging Face name. */
  readonly sources: readonly { readonly name: string; readonly offset: number; readonly length: number }[];
}

export interface ArenaPart {
  /** Floats. */
  readonly length: number;
  /** Floats from the start that weight decay applies to. */
  readonly decayed: number;
}

export interface ArenaLayout {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly parts: readonly ArenaPart[];
}

export interface Piece {
  readonly name: string;
  readonly shape: readonly number[];
  readonly sources: readonly string[];
}

const product = (shape: readonly number[]) => shape.reduce((total, n) => total * n, 1);

/** The slots of a policy: `embedding`, `head` (untied), `norm`, and per layer `0.qkv`, `0.output`, `0.gateUp`, `0.down`, `0.attentionNorm`, … */
function policyPieces(config: PolicyConfig): Piece[] {
  const { hiddenSize: d, headDim, heads, kvHeads, intermediateSize: f } = config;
  const q = (heads + 2 * kvHeads) * headDim;
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
    vectors.push(
      { name: `${i}.attentionNorm`, shape: [d], sources: from('input_layernorm.weight') },
      { name: `${i}.mlpNorm`, shape: [d], sources: from('post_attention_layernorm.weight') },
    );
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
 * @param maxBytes of one buffer and of one binding
 * @throws LabError `webgpu` where a single matrix is larger than that
 */
export function policyLayout(config: PolicyConfig, maxBytes: number): ArenaLayout {
  const lengths = new Map(parameterShapes(config).map(({ name, shape }) => [name, product(shape)]));
  return layOut(policyPieces(config), lengths, maxBytes);
}

/** @param lengths of the sources, in floats */
export function layOut(pieces: readonly Piece[], lengths: ReadonlyMap<string, number>, maxBytes: number): ArenaLayout {
  const slots = new Map<string, Slot>();
  const parts: { length: number; decayed: number }[] = [{ length: 0, decayed: 0 }];
  for (const { name, shape, sources } of pieces) {
    const bytes = product(shape) * 4;
    if (bytes > maxBytes) {
      throw new LabError(
        'webgpu',
        `The matrix ${sources[0]} takes ${Math.ceil(bytes / 2 ** 20)} MiB, this GPU binds at most ${Math.floor(maxBytes / 2 ** 20)} MiB at once.`,
        'Choose a policy with a smaller vocabulary or width, or another device.',
      );
    }
    let current = parts.at(-1)!;
    if (current.length * 4 + align(bytes) > maxBytes) parts.push((current = { length: 0, decayed: 0 }));
    let inside = 0;
    const placed = sources.map((source) => {
      const length = lengths.get(source)!;
      const offset = inside;
      inside += length;
      return { name: source, offset, length };
    });
    slots.set(name, { name, part: parts.length - 1, offset: current.length, shape, sources: placed });
    current.length += align(bytes) / 4;
    if (shape.length > 1) current.decayed = current.length;
  }
  return { slots, parts };
}

/** Host weights (or moments) as the arena holds them, one array per part. */
export function packArena(layout: ArenaLayout, weights: Weights): Float32Array<ArrayBuffer>[] {
  const parts = layout.parts.map(({ length }) => new Float32Array(length));
  for (const slot of layout.slots.values()) {
    for (const { name, offset, length } of slot.sources) {
      const values = weights[name];
      if (values?.length !== length) throw new Error(`${name} has ${values?.length} numbers, not ${length}`);
      parts[slot.part]!.set(values, slot.offset + offset);
    }
  }
  return parts;
}

/** The inverse of `packArena`. @param names in the order the result should have */
export function unpackArena(layout: ArenaLayout, parts: readonly Float32Array[], names: readonly string[]): Weights {
  const found = new Map<string, Float32Array>();
  for (const slot of layout.slots.values()) {
    for (const { name, offset, length } of slot.sources) {
      const start = slot.offset + offset;
      found.set(name, parts[slot.part]!.slice(start, start + length));
    }
  }
  return Object.fromEntries(names.map((name) => [name, found.get(name)!]));
}
