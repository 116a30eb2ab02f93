/**
 * LoRA (Hu et al. 2021, arXiv 2106.09685) on the host: which matrices get an adapter, what the adapters are called (as PEFT
 * calls them), and how they begin. The effective weights are W + (alpha / rank) B A; how they are computed is the engines'.
 */
import { Purpose, Stream } from '../random/counter.ts';
import { parameterShapes, type ParameterShape, type PolicyConfig } from './config.ts';
import type { Weights } from './weights.ts';

/** The usual two dials. */
export interface LoraSpec {
  readonly rank: number;
  /** The adapters' product is scaled by alpha / rank. */
  readonly alpha: number;
}

/** What an engine needs to begin. */
export interface LoraSetup extends LoraSpec {
  /** 32-bit unsigned: the draws of A. */
  readonly seed: number;
}

export interface AdaptedMatrix {
  /** Hugging Face name of the matrix, [out, in]. */
  readonly name: string;
  readonly out: number;
  readonly in: number;
  /** [rank, in] */
  readonly a: string;
  /** [out, rank] */
  readonly b: string;
}

/** The seven projections of every layer, in canonical order. */
export function adaptedMatrices(config: PolicyConfig): AdaptedMatrix[] {
  return parameterShapes(config).flatMap(({ name, shape }) => {
    const module = /^(.*\.(?:[qkvo]|gate|up|down)_proj)\.weight$/.exec(name)?.[1];
    if (!module) return [];
    const adapter = `base_model.model.${module}`;
    return [{ name, out: shape[0]!, in: shape[1]!, a: `${adapter}.lora_A.weight`, b: `${adapter}.lora_B.weight` }];
  });
}

/** Every adapter tensor, in canonical order. */
export function adapterShapes(config: PolicyConfig, rank: number): ParameterShape[] {
  return adaptedMatrices(config).flatMap((matrix) => [
    { name: matrix.a, shape: [rank, matrix.in] },
    { name: matrix.b, shape: [matrix.out, rank] },
  ]);
}

/** As PEFT begins: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero, so the policy is still the base. */
export function initialAdapters(config: PolicyConfig, { rank, seed }: LoraSetup): Weights {
  const adapters: Record<string, Float32Array> = {};
  adaptedMatrices(config).forEach((matrix, index) => {
    const stream = new Stream(seed, Purpose.adapters, 0, index);
    const bound = 1 / Math.sqrt(matrix.in);
    adapters[matrix.a] = Float32Array.from({ length: rank * matrix.in }, () => bound * (2 * stream.uniform() - 1));
    adapters[matrix.b] = new Float32Array(matrix.out * rank);
  });
  return adapters;
}

/** W + (alpha / rank) B A of every adapted matrix, in float32; the other weights are those of the base. */
export function mergedWeights(config: PolicyConfig, base: Weights, adapters: Weights, { rank, alpha }: LoraSpec): Weights {
  const merged: Record<string, Float32Array> = { ...base };
  const scale = alpha / rank;
  for (const { name, out, in: inside, a, b } of adaptedMatrices(config)) {
    const values = base[name]!.slice();
    const [down, up] = [adapters[a]!, adapters[b]!];
    for (let o = 0; o < out; o++) {
      for (let k = 0; k < rank; k++) {
        const factor = scale * up[o * rank + k]!;
        if (factor === 0) continue;
        for (let i = 0; i < inside; i++) values[o * inside + i]! += factor * down[k * inside + i]!;
      }
    }
    merged[name] = values;
  }
  return merged;
}
