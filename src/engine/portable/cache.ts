/**
 * Keys and values of the rows being generated, so that a new token costs one place and not the whole row again.
 * Each row has its own length and writes its new key and value at its own position. On host backends the cache is typed
 * arrays written in place; on webgpu it is tensors of a fixed shape, updated by adding into places that were zero.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../policy/config.ts';
import { attentionScale, windowOf } from '../../policy/layers.ts';
import { hostTensor, hostView, onHost, scratch } from './host.ts';
import type { PackedRows } from './rows.ts';

export interface KeyValueCache {
  /** Takes in the turned q|k|v [N, (H + 2K)·hd] of a layer for the next prompts, once per layer. */
  storePrompts(layer: number, qkv: tf.Tensor2D, prompts: PackedRows): void;
  /** After all prompts: every prompt becomes `repeats` rows, in order. */
  expand(repeats: number): void;
  /** Adds the place of each row at its position and attends from it: q|k|v [A, (H + 2K)·hd] -> [A, H·hd]. */
  attend(layer: number, qkv: tf.Tensor2D, positions: Int32Array): tf.Tensor2D;
  /** Goes on with these of the current rows only. */
  keep(rows: readonly number[]): void;
  dispose(): void;
}

/** @param capacity longest row, prompt and completion together */
export function createCache(config: PolicyConfig, capacity: number): KeyValueCache {
  return onHost() ? new HostCache(config, capacity) : new TensorCache(config, capacity);
}

/** One array per layer: for each slot, `capacity` times k|v (2K·hd numbers). Rows are slots; dropping one moves nothing. */
class HostCache implements KeyValueCache {
  private readonly stride: number;
  private readonly prompts: Float32Array[][];
  private layers: Float32Array[] = [];
  private slots: number[] = [];

  constructor(
    private readonly config: PolicyConfig,
    private readonly capacity: number,
  ) {
    this.stride = 2 * config.kvHeads * config.headDim;
    this.prompts = Array.from({ length: config.layers }, () => []);
  }

  storePrompts(layer: number, qkv: tf.Tensor2D, { rows, offsets, lengths }: PackedRows): void {
    const from = hostView(qkv);
    const width = qkv.shape[1];
    const queries = width - this.stride;
    for (let row = 0; row < rows; row++) {
      const length = lengths[row]!;
      const kept = new Float32Array(length * this.stride);
      for (let i = 0; i < length; i++) {
        const at = (offsets[row]! + i) * width;
        kept.set(from.subarray(at + queries, at + width), i * this.stride);
      }
      this.prompts[layer]!.push(kept);
    }
  }

  expand(repeats: number): void {
    const size = this.capacity * this.stride;
    this.layers = this.prompts.map((prompts) => {
      const all = new Float32Array(prompts.length * repeats * size);
      prompts.forEach((prompt, group) => {
        for (let i = 0; i < repeats; i++) all.set(prompt, (group * repeats + i) * size);
      });
      return all;
    });
    this.slots = Array.from({ length: this.prompts[0]!.length * repeats }, (_, slot) => slot);
    this.prompts.forEach((prompts) => (prompts.length = 0));
  }

  attend(layer: number, qkv: tf.Tensor2D, positions: Int32Array): tf.Tensor2D {
    const { heads, kvHeads, headDim } = this.config;
    const [rows, width] = qkv.shape;
    const output = hostTensor<tf.Tensor2D>([rows, heads * headDim]);
    const [from, to] = [hostView(qkv), hostView(output)];
    const cache = this.layers[layer]!;
    const stride = this.stride;
    const scale = attentionScale(this.config);
    const window = windowOf(this.config, layer);
    const weights = scratch(this.capacity, 0);
    for (let row = 0; row < rows; row++) {
      const start = this.slots[row]! * this.capacity * stride;
      const position = positions[row]!;
      cache.set(from.subarray(row * width + heads * headDim, (row + 1) * width), start + position * stride);
      for (let head = 0; head < heads; head++) {
        const query = row * width + head * headDim;
        const first = Math.max(0, position + 1 - window);
        const count = position + 1 - first;
        const key = start + first * stride + Math.floor((head * kvHeads) / heads) * headDim;
        const max = scoreKeys(weights, from, query, cache, key, stride, count, headDim, scale);
        let sum = 0;
        for (let j = 0; j < count; j++) sum += weights[j] = Math.exp(weights[j]! - max);
        mixValues(to, (row * heads + head) * headDim, weights, cache, key + kvHeads * headDim, stride, count, headDim, 1 / sum);
      }
    }
    return output;
  }

  keep(rows: readonly number[]): void {
    this.slots = rows.map((row) => this.slots[row]!);
  }

  dispose(): void {
    this.layers = [];
  }
}

/** scores[j] = scale · query · key j for the `count` keys from `keyAt`, `stride` apart; returns the largest. Two sums keep the adders busy. */
function scoreKeys(
  scores: Float64Array,
  queries: Float32Array,
  queryAt: number,
  cache: Float32Array,
  keyAt: number,
  stride: number,
  count: number,
  headDim: number,
  scale: number,
): number {
  let max = -Infinity;
  for (let j = 0, at = keyAt; j < count; j++, at += stride) {
    let even = 0;
    let odd = 0;
    for (let d = 0; d < headDim; d += 2) {
      even += queries[queryAt + d]! * cache[at + d]!;
      odd += queries[queryAt + d + 1]! * cache[at + d + 1]!;
    }
    const score = (even + odd) * scale;
    scores[j] = score;
    if (score > max) max = score;
  }
  return max;
}

/** out[d] = factor · sum of weights[j] · value j; head widths are even. */
function mixValues(
  out: Float32Array,
  outAt: number,
  weights: Float64Array,
  cache: Float32Array,
  valueAt: number,
  stride: number,
  count: number,
  headDim: number,
  factor: number,
): void {
  for (let d = 0; d < headDim; d += 2) {
    let even = 0;
    let odd = 0;
    for (let j = 0, at = valueAt + d; j < count; j++, at += stride) {
      const weight = weights[j]!;
      even += weight * cache[at]!;
      odd += weight * cache[at + 1]!;
    }
    out[outAt + d] = even * factor;
    out[outAt + d + 1] = odd * factor;
  }
}

/** Keys and values [A, K, T, hd] per layer; places past the end of a row are exactly zero. */
class TensorCache implements KeyValueCache {
  private readonly prompts: { keys: tf.Tensor4D; values: tf.Tensor4D }[][];
  private layers: { keys: tf.Tensor4D; values: tf.Tensor4D }[] = [];
  private readonly capacity: number;

  constructor(
    private readonly config: PolicyConfig,
    capacity: number,
  ) {
    this.capacity = Math.ceil(capacity / 32) * 32;
    this.prompts = Array.from({ length: config.layers }, () => []);
  }

  storePrompts(layer: number, qkv: tf.Tensor2D, { rows, width, lengths }: PackedRows): void {
    const { heads, kvHeads, headDim } = this.config;
    const inside = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) inside.fill(1, row * width, row * width + lengths[row]!);
    const mask = tf.tensor4d(inside, [rows, 1, width, 1]);
    const part = (first: number) => {
      const columns = tf.slice(qkv, [0, first * headDim], [rows * width, kvHeads * headDim]);
      const byHead = tf.transpose(tf.reshape(columns, [rows, width, kvHeads, headDim]), [0, 2, 1, 3]);
      return tf.keep(tf.pad(tf.mul(byHead, mask), [[0, 0], [0, 0], [0, this.capacity - width], [0, 0]]) as tf.Tensor4D); // prettier-ignore
    };
    this.prompts[layer]!.push({ keys: part(heads), values: part(heads + kvHeads) });
  }

  expand(repeats: number): void {
    const grow = (parts: tf.Tensor4D[]) =>
      tf.tidy(() => {
        const joined = parts.length > 1 ? tf.concat(parts, 0) : parts[0]!;
        const rows = Int32Array.from({ length: joined.shape[0] * repeats }, (_, row) => Math.floor(row / repeats));
        return tf.gather(joined, tf.tensor1d(rows, 'int32'));
      });
    this.layers = this.prompts.map((parts) => ({
      keys: grow(parts.map(({ keys }) => keys)),
      values: grow(parts.map(({ values }) => values)),
    }));
    disposeLayers(this.prompts.flat());
    this.prompts.length = 0;
  }

  attend(layer: number, qkv: tf.Tensor2D, positions: Int32Array): tf.Tensor2D {
    const { heads, kvHeads, headDim } = this.config;
    const rows = qkv.shape[0];
    const here = new Float32Array(rows * this.capacity);
    const unseen = new Float32Array(rows * this.capacity);
    const window = windowOf(this.config, layer);
    for (let row = 0; row < rows; row++) {
      here[row * this.capacity + positions[row]!] = 1;
      unseen.fill(-1e9, row * this.capacity, row * this.capacity + Math.max(0, positions[row]! + 1 - window));
      unseen.fill(-1e9, row * this.capacity + positions[row]! + 1, (row + 1) * this.capacity);
    }
    const place = tf.tensor4d(here, [rows, 1, this.capacity, 1]);
    const part = (first: number, count: number, shape: [number, number, number, number]) =>
      tf.reshape(tf.slice(qkv, [0, first * headDim], [rows, count * headDim]), shape);
    const old = this.layers[layer]!;
    const add = (cache: tf.Tensor4D, first: number) =>
      tf.keep(tf.add(cache, tf.mul(place, part(first, kvHeads, [rows, kvHeads, 1, headDim]))) as tf.Tensor4D);
    const keys = add(old.keys, heads);
    const values = add(old.values, heads + kvHeads);
    disposeLayers([old]);
    this.layers[layer] = { keys, values };
    const q = part(0, heads, [rows, kvHeads, heads / kvHeads, headDim]);
    const scores = tf.add(
      tf.mul(tf.matMul(q, keys, false, true), attentionScale(this.config)),
      tf.tensor4d(unseen, [rows, 1, 1, this.capacity]),
    );
    return tf.reshape(tf.matMul(tf.softmax(scores), values), [rows, heads * headDim]);
  }

  keep(rows: readonly number[]): void {
    const next = this.layers.map(({ keys, values }) =>
      tf.tidy(() => {
        const indices = tf.tensor1d([...rows], 'int32');
        return { keys: tf.gather(keys, indices), values: tf.gather(values, indices) };
      }),
    );
    disposeLayers(this.layers);
    this.layers = next;
  }

  dispose(): void {
    disposeLayers([...this.layers, ...this.prompts.flat()]);
    this.layers = [];
  }
}

function disposeLayers(layers: readonly { keys: tf.Tensor; values: tf.Tensor }[]): void {
  for (const { keys, values } of layers) {
    keys.dispose();
    values.dispose();
  }
}
