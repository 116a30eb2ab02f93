/**
 * The parameters of a policy in the layout the portable engine computes with: linear layers [in, out] instead of Hugging
 * Face's [out, in], query, key and value projections side by side in one matrix, gate and up in another.
 * Fewer and wider products, and a forward pass without transposes. Here are the layout and the way there and back.
 */
import * as tf from '@tensorflow/tfjs';
import { parameterShapes, type ParameterShape, type PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import { finiteNumbers, type PolicyTensors, type Weights } from '../../policy/weights.ts';
import type { TurnedEmbedding } from './ops/linear.ts';

export interface LayerParameters {
  readonly attentionNorm: tf.Tensor1D; // [D]
  readonly qkv: tf.Tensor2D; // [D, (H + 2K)·hd]
  readonly qkvBias?: tf.Tensor1D; // [(H + 2K)·hd]
  readonly queryNorm?: tf.Tensor1D; // [hd]
  readonly keyNorm?: tf.Tensor1D; // [hd]
  readonly output: tf.Tensor2D; // [H·hd, D]
  readonly attentionAfter?: tf.Tensor1D; // [D]
  readonly mlpNorm: tf.Tensor1D; // [D]
  readonly gateUp: tf.Tensor2D; // [D, 2F]
  readonly down: tf.Tensor2D; // [F, D]
  readonly mlpAfter?: tf.Tensor1D; // [D]
}

export interface Parameters {
  readonly embedding: tf.Tensor2D; // [V, D]
  readonly layers: readonly LayerParameters[];
  readonly norm: tf.Tensor1D; // [D]
  readonly head?: tf.Tensor2D; // [D, V]; absent: the embedding is the head
  readonly turned?: TurnedEmbedding; // where the embedding is the head
}

/** One device tensor and the Hugging Face tensors it is made of, side by side along the last axis. */
export interface Slot {
  readonly shape: readonly number[];
  readonly parts: readonly { readonly name: string; readonly columns: number }[];
  /** Hugging Face stores it the other way round. */
  readonly transposed: boolean;
}

/** The slots of a policy in the order of `arrange`. */
export function policySlots(config: PolicyConfig): Slot[] {
  const shapes = new Map(parameterShapes(config).map(({ name, shape }) => [name, shape]));
  const columns = (name: string) => {
    const shape = shapes.get(name);
    if (!shape) throw new Error(`no parameter ${name}`);
    return shape;
  };
  const stored = (name: string): Slot => {
    const shape = columns(name);
    return { shape, parts: [{ name, columns: shape.at(-1)! }], transposed: false };
  };
  const joined = (...names: string[]): Slot => {
    const parts = names.map((name) => ({ name, columns: columns(name)[0]! }));
    const total = parts.reduce((sum, part) => sum + part.columns, 0);
    const rows = columns(names[0]!)[1];
    return { shape: rows === undefined ? [total] : [rows, total], parts, transposed: rows !== undefined };
  };
  const { norms } = families[config.family];
  const list: Slot[] = [stored('model.embed_tokens.weight')];
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    const qkv = ['q', 'k', 'v'].map((projection) => `${layer}.self_attn.${projection}_proj`);
    const norm = (name: string | null) => name !== null && list.push(stored(`${layer}.${name}.weight`));
    norm(norms.attention.before);
    list.push(joined(...qkv.map((name) => `${name}.weight`)));
    if (config.qkvBias) list.push(joined(...qkv.map((name) => `${name}.bias`)));
    if (config.qkNorm) list.push(stored(`${layer}.self_attn.q_norm.weight`), stored(`${layer}.self_attn.k_norm.weight`));
    list.push(joined(`${layer}.self_attn.o_proj.weight`));
    norm(norms.attention.after);
    norm(norms.mlp.before);
    list.push(joined(`${layer}.mlp.gate_proj.weight`, `${layer}.mlp.up_proj.weight`));
    list.push(joined(`${layer}.mlp.down_proj.weight`));
    norm(norms.mlp.after);
  }
  list.push(stored('model.norm.weight'));
  if (!config.tied) list.push(joined('lm_head.weight'));
  return list;
}

/**
 * Names the tensors of a flat list; the order of `policySlots`.
 * @param turned of the policy that these are the tensors of
 */
export function arrange(config: PolicyConfig, tensors: readonly tf.Tensor[], turned: TurnedEmbedding): Parameters {
  let next = 0;
  const take = <T extends tf.Tensor>() => tensors[next++]! as T;
  const embedding = take<tf.Tensor2D>();
  const { norms } = families[config.family];
  const layers: LayerParameters[] = [];
  for (let i = 0; i < config.layers; i++) {
    layers.push({
      attentionNorm: take(),
      qkv: take(),
      ...(config.qkvBias ? { qkvBias: take<tf.Tensor1D>() } : {}),
      ...(config.qkNorm ? { queryNorm: take<tf.Tensor1D>(), keyNorm: take<tf.Tensor1D>() } : {}),
      output: take(),
      ...(norms.attention.after ? { attentionAfter: take<tf.Tensor1D>() } : {}),
      mlpNorm: take(),
      gateUp: take(),
      down: take(),
      ...(norms.mlp.after ? { mlpAfter: take<tf.Tensor1D>() } : {}),
    });
  }
  return { embedding, layers, norm: take(), ...(config.tied ? { turned } : { head: take<tf.Tensor2D>() }) };
}

/** Host weights (or moments) to device tensors, in slot order. The caller disposes them. */
export function upload(slots: readonly Slot[], weights: Weights): tf.Tensor[] {
  return slots.map((slot) =>
    uploadSlot(
      slot,
      slot.parts.map(({ name }) => weights[name]),
    ),
  );
}

/** The same from where a policy's numbers are read; beside the device's those of one slot are in memory. @throws LabError as `finiteNumbers` */
export async function uploadTensors(slots: readonly Slot[], tensors: PolicyTensors): Promise<tf.Tensor[]> {
  const made: tf.Tensor[] = [];
  try {
    for (const slot of slots)
      made.push(uploadSlot(slot, await Promise.all(slot.parts.map(({ name }) => finiteNumbers(tensors.get(name)!)))));
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
  return made;
}

/** @param numbers of its parts */
function uploadSlot(slot: Slot, numbers: readonly (Float32Array | undefined)[]): tf.Tensor {
  const width = slot.shape.at(-1)!;
  const rows = slot.shape.length === 2 ? slot.shape[0]! : 1;
  const values = new Float32Array(rows * width);
  let left = 0;
  for (const [i, { name, columns }] of slot.parts.entries()) {
    const part = numbers[i];
    if (part?.length !== rows * columns) throw new Error(`${name} has ${part?.length} numbers, not ${rows * columns}`);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        values[row * width + left + column] = part[slot.transposed ? column * rows + row : row * columns + column]!;
      }
    }
    left += columns;
  }
  return tf.keep(tf.tensor(values, [...slot.shape]));
}

/** Device tensors in slot order back to host weights, in the order of `shapes`. */
export async function download(slots: readonly Slot[], shapes: readonly ParameterShape[], tensors: readonly tf.Tensor[]): Promise<Weights> {
  const found: Record<string, Float32Array> = {};
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const values = (await tensors[i]!.data()) as Float32Array;
    const width = slot.shape.at(-1)!;
    const rows = slot.shape.length === 2 ? slot.shape[0]! : 1;
    let left = 0;
    for (const { name, columns } of slot.parts) {
      const part = new Float32Array(rows * columns);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          part[slot.transposed ? column * rows + row : row * columns + column] = values[row * width + left + column]!;
        }
      }
      found[name] = part;
      left += columns;
    }
  }
  return Object.fromEntries(shapes.map(({ name }) => [name, found[name]!]));
}
