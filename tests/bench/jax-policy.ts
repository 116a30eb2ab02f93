/**
 * The same decoder and the same optimiser step as the engines', in jax-js, the other tensor library with autodiff on
 * WebGPU: a peer of the benchmark and nothing else. It is written for its best form there: whole steps under one `jit`,
 * projections side by side as in our engines, the embedding looked up by index and its gradient made by a one-hot product,
 * because the gradient of `take` does not compile. Only what the benchmark's batches need: tied head, no bias, no q/k norm,
 * rows of one length.
 * jax-js counts owners: an array is gone once it was passed on, and `.ref` is one more owner.
 * B rows, T tokens of a row, D hidden, H query heads, K key/value heads of hd, F intermediate, V vocabulary.
 */
import { nn, numpy as np } from '@jax-js/jax';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import type { Weights } from '../../src/policy/weights.ts';

export type JaxArray = np.Array;

export interface JaxLayer {
  readonly attentionNorm: JaxArray; // [D]
  readonly qkv: JaxArray; // [(H + 2K)·hd, D]
  readonly output: JaxArray; // [D, H·hd]
  readonly mlpNorm: JaxArray; // [D]
  readonly gateUp: JaxArray; // [2F, D]
  readonly down: JaxArray; // [D, F]
}

export interface JaxParameters {
  readonly embedding: JaxArray; // [V, D]
  readonly layers: readonly JaxLayer[];
  readonly norm: JaxArray; // [D]
}

/** One array and the Hugging Face tensors stacked in it, rows below rows. */
interface Slot {
  readonly names: readonly string[];
  readonly shape: readonly number[];
}

function slots(config: PolicyConfig): Slot[] {
  const shapes = new Map(parameterShapes(config).map(({ name, shape }) => [name, shape]));
  const stacked = (...names: string[]): Slot => {
    const [first, ...others] = names.map((name) => shapes.get(name)!);
    return { names, shape: [others.reduce((rows, shape) => rows + shape[0]!, first![0]!), ...first!.slice(1)] };
  };
  const layer = (i: number): Slot[] => {
    const name = (rest: string) => `model.layers.${i}.${rest}.weight`;
    return [
      stacked(name('input_layernorm')),
      stacked(name('self_attn.q_proj'), name('self_attn.k_proj'), name('self_attn.v_proj')),
      stacked(name('self_attn.o_proj')),
      stacked(name('post_attention_layernorm')),
      stacked(name('mlp.gate_proj'), name('mlp.up_proj')),
      stacked(name('mlp.down_proj')),
    ];
  };
  return [
    stacked('model.embed_tokens.weight'),
    ...Array.from({ length: config.layers }, (_, i) => layer(i)).flat(),
    stacked('model.norm.weight'),
  ];
}

/** Host weights as a flat list of device arrays, the embedding first. */
export function upload(config: PolicyConfig, weights: Weights): JaxArray[] {
  if (!config.tied || config.qkvBias || config.qkNorm) throw new Error('the jax-js peer has a tied head, no biases and no q/k norms');
  return slots(config).map(({ names, shape }) => {
    const values = new Float32Array(shape.reduce((total, n) => total * n, 1));
    let at = 0;
    for (const name of names) {
      values.set(weights[name]!, at);
      at += weights[name]!.length;
    }
    return np.array(values, { shape: [...shape] });
  });
}

/** The inverse of `upload`; the arrays live on. */
export async function download(config: PolicyConfig, list: readonly JaxArray[]): Promise<Weights> {
  const sizes = new Map(parameterShapes(config).map(({ name, shape }) => [name, shape.reduce((total, n) => total * n, 1)]));
  const weights: Record<string, Float32Array> = {};
  for (const [i, { names }] of slots(config).entries()) {
    const values = (await list[i]!.ref.data()) as Float32Array;
    let at = 0;
    for (const name of names) weights[name] = values.slice(at, (at += sizes.get(name)!));
  }
  return weights;
}

/** Names the arrays of the flat list. */
export function arrange(config: PolicyConfig, list: readonly JaxArray[]): JaxParameters {
  const layers = Array.from({ length: config.layers }, (_, i): JaxLayer => {
    const [attentionNorm, qkv, output, mlpNorm, gateUp, down] = list.slice(1 + 6 * i, 7 + 6 * i);
    return { attentionNorm: attentionNorm!, qkv: qkv!, output: output!, mlpNorm: mlpNorm!, gateUp: gateUp!, down: down! };
  });
  return { embedding: list[0]!, layers, norm: list.at(-1)! };
}

/** Cosines and sines of the positions [first, first + count), [count, 1, hd/2] each, made on the host in double precision. */
export function ropeTable(config: PolicyConfig, count: number): [JaxArray, JaxArray] {
  const half = config.headDim / 2;
  const angle = (i: number) => Math.floor(i / half) / config.ropeTheta ** ((2 * (i % half)) / config.headDim);
  const table = (of: (x: number) => number) =>
    np.array(
      Float32Array.from({ length: count * half }, (_, i) => of(angle(i))),
      { shape: [count, 1, half] },
    );
  return [table(Math.cos), table(Math.sin)];
}

/** q [B, T, H, hd], k and v [B, T, K, hd], turned already -> mixed values [B, T, H, hd] */
export type JaxAttend = (q: JaxArray, k: JaxArray, v: JaxArray, layer: number) => JaxArray;

export const causal: JaxAttend = (q, k, v) => nn.dotProductAttention(q, k, v, { isCausal: true });

/** Embedded tokens [B, T, D] -> the residual stream after the last layer [B, T, D]. Owns x, the layers and the table. */
export function hidden(
  config: PolicyConfig,
  layers: readonly JaxLayer[],
  x: JaxArray,
  [cos, sin]: readonly [JaxArray, JaxArray],
  attend: JaxAttend,
): JaxArray {
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const [rows, width] = x.shape as [number, number, number];
  layers.forEach((layer, index) => {
    const qkv = linear(rmsNorm(x.ref, layer.attentionNorm, eps), layer.qkv).reshape([rows, width, heads + 2 * kvHeads, headDim]);
    const turned = rotate(qkv.ref.slice([], [], [0, heads + kvHeads]), cos.ref, sin.ref);
    const mixed = attend(
      turned.ref.slice([], [], [0, heads]),
      turned.slice([], [], [heads]),
      qkv.slice([], [], [heads + kvHeads]),
      index,
    ).reshape([rows, width, heads * headDim]);
    const h = x.add(linear(mixed, layer.output));
    const gateUp = linear(rmsNorm(h.ref, layer.mlpNorm, eps), layer.gateUp);
    const f = config.intermediateSize;
    const activation = nn.silu(gateUp.ref.slice([], [], [0, f])).mul(gateUp.slice([], [], [f]));
    x = h.add(linear(activation, layer.down));
  });
  cos.dispose();
  sin.dispose();
  return x;
}

export function rmsNorm(x: JaxArray, weight: JaxArray, eps: number): JaxArray {
  const scale = np.reciprocal(np.sqrt(np.mean(np.square(x.ref), -1, { keepdims: true }).add(eps)));
  return x.mul(scale).mul(weight);
}

/** y = x · Wᵀ, W [out, in] */
export function linear(x: JaxArray, weight: JaxArray): JaxArray {
  return np.matmul(x, weight.transpose());
}

/** Dimension i turns with dimension i + hd/2; x [B, T, heads, hd] */
function rotate(x: JaxArray, cos: JaxArray, sin: JaxArray): JaxArray {
  const half = x.shape[3]! / 2;
  const low = x.ref.slice([], [], [], [0, half]);
  const high = x.slice([], [], [], [half]);
  return np.concatenate([low.ref.mul(cos.ref).sub(high.ref.mul(sin.ref)), high.mul(cos).add(low.mul(sin))], -1);
}
