/**
 * The decoder once more, in float64, one number at a time and as naively as possible: what the engines are compared with.
 * No caches, no batches, no gradients; gradients are checked by differences of `referenceLoss`.
 */
import type { PolicyConfig } from '../../src/policy/config.ts';
import { families, type Activation } from '../../src/policy/families.ts';
import { parameterShapes } from '../../src/policy/config.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { Stream } from '../../src/random/counter.ts';

export type Numbers = Record<string, ArrayLike<number>>;

/** y[o] = sum_i w[o, i] x[i] + b[o], w row-major [out, in] */
function linear(w: ArrayLike<number>, x: readonly number[], b?: ArrayLike<number>): number[] {
  const y: number[] = [];
  for (let o = 0; o < w.length / x.length; o++) {
    let sum = b ? b[o]! : 0;
    for (let i = 0; i < x.length; i++) sum += w[o * x.length + i]! * x[i]!;
    y.push(sum);
  }
  return y;
}

function rmsNorm(x: readonly number[], w: ArrayLike<number>, { rmsNormEps: eps, family }: PolicyConfig): number[] {
  const mean = x.reduce((sum, v) => sum + v * v, 0) / x.length;
  return x.map((v, i) => (v / Math.sqrt(mean + eps)) * (families[family].normOffset + w[i]!));
}

/** Whether a layer looks at the nearest tokens only. */
const slides = ({ window }: PolicyConfig, layer: number) => !!window && window.sliding[layer % window.sliding.length]!;

function frequencies(config: PolicyConfig, layer: number): number[] {
  const half = config.headDim / 2;
  const local = slides(config, layer);
  const theta = local ? config.window!.ropeTheta : config.ropeTheta;
  const scaling = local ? null : config.ropeScaling;
  return Array.from({ length: half }, (_, i) => {
    const plain = 1 / theta ** ((2 * i) / config.headDim);
    if (scaling?.type === 'linear') return plain / scaling.factor;
    if (scaling?.type !== 'llama3') return plain;
    const wavelength = (2 * Math.PI) / plain;
    if (wavelength < scaling.originalMaxPositions / scaling.highFreqFactor) return plain;
    if (wavelength > scaling.originalMaxPositions / scaling.lowFreqFactor) return plain / scaling.factor;
    const smooth = (scaling.originalMaxPositions / wavelength - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
    return ((1 - smooth) * plain) / scaling.factor + smooth * plain;
  });
}

/** One head vector turned to its position; dimension i turns with dimension i + hd/2. */
function rotate(x: readonly number[], position: number, freq: readonly number[]): number[] {
  const half = x.length / 2;
  return x.map((v, i) => {
    const angle = position * freq[i % half]!;
    const partner = i < half ? -x[i + half]! : x[i - half]!;
    return v * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function heads(x: readonly number[], headDim: number): number[][] {
  return Array.from({ length: x.length / headDim }, (_, h) => x.slice(h * headDim, (h + 1) * headDim));
}

function attention(config: PolicyConfig, w: Numbers, layer: number, inputs: readonly number[][]): number[][] {
  const prefix = `model.layers.${layer}.self_attn`;
  const { headDim } = config;
  const freq = frequencies(config, layer);
  const project = (name: string, norm: string | null, turned: boolean) =>
    inputs.map((x, position) =>
      heads(linear(w[`${prefix}.${name}.weight`]!, x, w[`${prefix}.${name}.bias`]), headDim).map((head) => {
        const normed = norm && config.qkNorm ? rmsNorm(head, w[`${prefix}.${norm}.weight`]!, config) : head;
        return turned ? rotate(normed, position, freq) : normed;
      }),
    );
  const [q, k, v] = [project('q_proj', 'q_norm', true), project('k_proj', 'k_norm', true), project('v_proj', null, false)];
  const shared = config.heads / config.kvHeads;
  return inputs.map((_, position) => {
    const mixed: number[] = [];
    for (let h = 0; h < config.heads; h++) {
      const kv = Math.floor(h / shared);
      const scores: number[] = [];
      for (let j = 0; j <= position; j++) {
        const seen = !slides(config, layer) || position - j < config.window!.size;
        const score = q[position]![h]!.reduce((sum, value, d) => sum + value * k[j]![kv]![d]!, 0);
        scores.push(seen ? score / Math.sqrt(config.queryScalar ?? headDim) : -Infinity);
      }
      const p = softmax(scores);
      for (let d = 0; d < headDim; d++) mixed.push(p.reduce((sum, weight, j) => sum + weight * v[j]![kv]![d]!, 0));
    }
    return linear(w[`${prefix}.o_proj.weight`]!, mixed);
  });
}

function softmax(x: readonly number[]): number[] {
  const max = Math.max(...x);
  const exps = x.map((v) => Math.exp(v - max));
  const sum = exps.reduce((total, v) => total + v, 0);
  return exps.map((v) => v / sum);
}

/** The activations by their definitions: x σ(x), and GELU by its tanh. */
export function activated(x: number, activation: Activation): number {
  if (activation === 'silu') return x / (1 + Math.exp(-x));
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

function mlp(config: PolicyConfig, w: Numbers, prefix: string, x: readonly number[]): number[] {
  const gate = linear(w[`${prefix}.gate_proj.weight`]!, x);
  const up = linear(w[`${prefix}.up_proj.weight`]!, x);
  return linear(
    w[`${prefix}.down_proj.weight`]!,
    gate.map((g, i) => activated(g, families[config.family].activation) * up[i]!),
  );
}

/** Logits of every position: [T][V] */
export function referenceLogits(config: PolicyConfig, w: Numbers, tokens: ArrayLike<number>): number[][] {
  const embedding = w['model.embed_tokens.weight']!;
  const width = config.hiddenSize;
  const add = (a: readonly number[], b: readonly number[]) => a.map((v, i) => v + b[i]!);
  const { norms, scaledEmbedding } = families[config.family];
  const scale = scaledEmbedding ? Math.sqrt(width) : 1;
  let x = Array.from(tokens, (id) => Array.from({ length: width }, (_, i) => scale * embedding[id * width + i]!));
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `model.layers.${layer}`;
    const normed = (row: readonly number[], norm: string | null) =>
      norm === null ? row : rmsNorm(row, w[`${name}.${norm}.weight`]!, config);
    const attended = attention(config, w, layer, x.map((row) => [...normed(row, norms.attention.before)])); // prettier-ignore
    x = x.map((row, i) => add(row, normed(attended[i]!, norms.attention.after)));
    x = x.map((row) => add(row, normed(mlp(config, w, `${name}.mlp`, normed(row, norms.mlp.before)), norms.mlp.after)));
  }
  const head = config.tied ? embedding : w['lm_head.weight']!;
  return x.map((row) => linear(head, rmsNorm(row, w['model.norm.weight']!, config)));
}

/** Log-probs and entropies of tokens[first..], each from the logits of the position before, divided by the temperature. */
export function referenceScores(
  config: PolicyConfig,
  w: Numbers,
  tokens: ArrayLike<number>,
  first: number,
  temperature = 1,
): { logprobs: number[]; entropies: number[] } {
  const logits = referenceLogits(config, w, tokens);
  const logprobs: number[] = [];
  const entropies: number[] = [];
  for (let t = first; t < tokens.length; t++) {
    const p = softmax(logits[t - 1]!.map((z) => z / temperature));
    logprobs.push(Math.log(p[tokens[t]!]!));
    entropies.push(-p.reduce((sum, v) => sum + (v > 0 ? v * Math.log(v) : 0), 0));
  }
  return { logprobs, entropies };
}

/** d(loss)/d(weights[name][index]) by a central difference in float64. */
export function derivative(weights: Weights, name: string, index: number, loss: (weights: Numbers) => number): number {
  const at = (shift: number) => {
    const moved = Float64Array.from(weights[name]!);
    moved[index]! += shift;
    return loss({ ...weights, [name]: moved });
  };
  const h = 1e-4;
  return (at(h) - at(-h)) / (2 * h);
}

/** Weights in which everything matters: matrices wide enough to move the softmaxes, norms away from 1, biases away from 0. */
export function livelyWeights(config: PolicyConfig, seed: number): Weights {
  return Object.fromEntries(
    parameterShapes(config).map(({ name, shape }, index) => {
      const stream = new Stream(seed, 0x11fe, 0, index);
      const size = shape.reduce((total, n) => total * n, 1);
      const [centre, spread] = name.endsWith('norm.weight')
        ? [1 - families[config.family].normOffset, 0.2]
        : shape.length === 1
          ? [0, 0.5]
          : [0, 1 / Math.sqrt(shape[1]!)];
      return [name, Float32Array.from({ length: size }, () => centre + spread * stream.normal())];
    }),
  );
}
