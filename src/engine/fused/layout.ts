/**
 * Where every parameter of a policy lies in the fused engine's arenas, and the way there and back. Matrices keep Hugging
 * Face's [out, in]; q|k|v are neighbours and so are gate|up, so each is one product. Matrices come first, vectors (norms,
 * biases) after them, because weight decay stops at that border. Gradients and moments lie the same way.
 * An arena is as few buffers as the adapter's limits allow; a matrix never straddles two.
 */
import { LabError } from '../../errors.ts';
import { adaptedMatrices, adapterShapes } from '../../policy/adapters.ts';
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
  /** The parameters it is made of, by name; one after the other, or, where they have a stride, side by side. */
  readonly sources: readonly Source[];
}

interface Source {
  readonly name: string;
  /** Floats from the start of the slot. */
  readonly offset: number;
  readonly length: number;
  /** Of rows narrower than the slot's: floats of a row, and from one row to the next. */
  readonly rows?: { readonly width: number; readonly stride: number };
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
  /** The sources are blocks on its diagonal, each with so many columns; zeros elsewhere. */
  readonly diagonal?: number;
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

/**
 * Where the adapters of a policy lie: `0.qkv.a` [3 rank, d], the A of the projections one after the other, `0.qkv.b` [out, 3 rank], their B as
 * blocks on a diagonal, and so for every product of the layers.
 */
export function adapterLayout(config: PolicyConfig, rank: number, maxBytes: number): ArenaLayout {
  const adapted = new Map(adaptedMatrices(config).map((matrix) => [matrix.name, matrix]));
  const pieces = policyPieces(config).flatMap(({ name, shape, sources }): Piece[] => {
    const matrices = sources.flatMap((source) => adapted.get(source) ?? []);
    if (matrices.length === 0) return [];
    const stacked = rank * matrices.length;
    return [
      { name: `${name}.a`, shape: [stacked, shape[1]!], sources: matrices.map(({ a }) => a) },
      { name: `${name}.b`, shape: [shape[0]!, stacked], sources: matrices.map(({ b }) => b), diagonal: rank },
    ];
  });
  const lengths = new Map(adapterShapes(config, rank).map(({ name, shape }) => [name, product(shape)]));
  return layOut(pieces, lengths, maxBytes);
}

/** @param lengths of the sources, in floats */
function layOut(pieces: readonly Piece[], lengths: ReadonlyMap<string, number>, maxBytes: number): ArenaLayout {
  const slots = new Map<string, Slot>();
  const parts: { length: number; decayed: number }[] = [{ length: 0, decayed: 0 }];
  for (const { name, shape, sources, diagonal } of pieces) {
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
    const placed = sources.map((source, block): Source => {
      const length = lengths.get(source)!;
      if (diagonal === undefined) {
        inside += length;
        return { name: source, offset: inside - length, length };
      }
      const offset = inside + block * diagonal;
      const stride = shape[1]!;
      inside += (length / diagonal) * stride;
      return { name: source, offset, length, rows: { width: diagonal, stride } };
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
    for (const { name, offset, length, rows = { width: length, stride: length } } of slot.sources) {
      const values = weights[name];
      if (values?.length !== length) throw new Error(`${name} has ${values?.length} numbers, not ${length}`);
      for (let row = 0; row * rows.width < length; row++) {
        const from = row * rows.width;
        parts[slot.part]!.set(values.subarray(from, from + rows.width), slot.offset + offset + row * rows.stride);
      }
    }
  }
  return parts;
}

/** The inverse of `packArena`. @param names in the order the result should have */
export function unpackArena(layout: ArenaLayout, parts: readonly Float32Array[], names: readonly string[]): Weights {
  const found = new Map<string, Float32Array>();
  for (const slot of layout.slots.values()) {
    for (const { name, offset, length, rows = { width: length, stride: length } } of slot.sources) {
      const values = new Float32Array(length);
      for (let row = 0; row * rows.width < length; row++) {
        const start = slot.offset + offset + row * rows.stride;
        values.set(parts[slot.part]!.subarray(start, start + rows.width), row * rows.width);
      }
      found.set(name, values);
    }
  }
  return Object.fromEntries(names.map((name) => [name, found.get(name)!]));
}
