/**
 * LoRA (Hu et al. 2021, arXiv 2106.09685) on the host: which matrices get an adapter, what the adapters are called (as PEFT
 * calls them), and how they begin. The effective weights are W + (alpha / rank) B A; how they are computed is the engines'.
 */
import { LabError } from '../errors.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { fitShapes, parameterShapes, type ParameterShape, type PolicyConfig } from './config.ts';
import type { Weights } from './weights.ts';

/** The matrices of a layer that can have an adapter, in canonical order. */
export const projections = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type Projection = (typeof projections)[number];

/** Which matrices get an adapter. */
export interface LoraPlaces {
  /** Projections of a layer, in canonical order; absent: all seven. */
  readonly targets?: readonly Projection[];
  /** Numbers of layers from 0, rising; absent: all. */
  readonly layers?: readonly number[];
}

export interface LoraSpec extends LoraPlaces {
  readonly rank: number;
  /** The adapters' product is scaled by alpha / rank. */
  readonly alpha: number;
}

/** The same places are said in one way: what is all is left out. */
export function plainPlaces<Spec extends LoraPlaces>(spec: Spec, layerCount?: number): Spec {
  const { targets, layers, ...rest } = spec;
  const ordered = targets && projections.filter((name) => targets.includes(name));
  const rising = layers && [...new Set(layers)].sort((a, b) => a - b);
  return {
    ...rest,
    ...(ordered && ordered.length < projections.length ? { targets: ordered } : {}),
    ...(rising && rising.length !== layerCount ? { layers: rising } : {}),
  } as Spec;
}

/** @throws LabError 'config' for layers that the policy does not have */
export function checkPlaces({ layers: count }: PolicyConfig, { layers = [] }: LoraPlaces): void {
  const foreign = layers.filter((layer) => layer >= count);
  if (foreign.length === 0) return;
  const what = `The policy has ${count} layers, 0 to ${count - 1}, and LoRA is to adapt layer ${foreign.join(', ')}.`;
  throw new LabError('config', what, 'Name others (lora.layers).');
}

/** Without what goes beside it: a seed, tensors. */
export const specOf = ({ rank, alpha, targets, layers }: LoraSpec): LoraSpec => ({
  rank,
  alpha,
  ...(targets ? { targets } : {}),
  ...(layers ? { layers } : {}),
});

/** Whether adapters of the two lie in the same places with the same rank. */
export function sameAdapters(one: Omit<LoraSpec, 'alpha'>, other: Omit<LoraSpec, 'alpha'>): boolean {
  const said = ({ rank, targets, layers }: Omit<LoraSpec, 'alpha'>) => JSON.stringify([rank, targets, layers]);
  return said(one) === said(other);
}

/** What an engine needs to begin. */
export interface LoraSetup extends LoraSpec {
  /** 32-bit unsigned: the draws of A. */
  readonly seed: number;
}

export interface AdaptedMatrix {
  readonly layer: number;
  readonly projection: Projection;
  /** Hugging Face name of the matrix, [out, in]. */
  readonly name: string;
  readonly out: number;
  readonly in: number;
  /** [rank, in] */
  readonly a: string;
  /** [out, rank] */
  readonly b: string;
}

/** Those of the policy's projections that get an adapter, in canonical order. */
export function adaptedMatrices(config: PolicyConfig, { targets = projections, layers }: LoraPlaces = {}): AdaptedMatrix[] {
  return everyMatrix(config).filter(({ layer, projection }) => targets.includes(projection) && (!layers || layers.includes(layer)));
}

function everyMatrix(config: PolicyConfig): AdaptedMatrix[] {
  return parameterShapes(config).flatMap(({ name, shape }) => {
    const [, module, layer, projection] = /^(model\.layers\.(\d+)\.\w+\.((?:[qkvo]|gate|up|down)_proj))\.weight$/.exec(name) ?? [];
    if (module === undefined) return [];
    const adapter = `base_model.model.${module}`;
    const place = { layer: Number(layer), projection: projection as Projection };
    return [{ name, ...place, out: shape[0]!, in: shape[1]!, a: `${adapter}.lora_A.weight`, b: `${adapter}.lora_B.weight` }];
  });
}

/** Every adapter tensor, in canonical order. */
export function adapterShapes(config: PolicyConfig, { rank, ...places }: Omit<LoraSpec, 'alpha'>): ParameterShape[] {
  return adaptedMatrices(config, places).flatMap((matrix) => [
    { name: matrix.a, shape: [rank, matrix.in] },
    { name: matrix.b, shape: [matrix.out, rank] },
  ]);
}

/**
 * As PEFT begins: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero, so the policy is still the base. A matrix begins as it does
 * whichever others are adapted.
 */
export function initialAdapters(config: PolicyConfig, { rank, seed, ...places }: LoraSetup): Weights {
  const adapters: Record<string, Float32Array> = {};
  const adapted = new Set(adaptedMatrices(config, places).map(({ name }) => name));
  everyMatrix(config).forEach((matrix, index) => {
    if (!adapted.has(matrix.name)) return;
    const stream = new Stream(seed, Purpose.adapters, 0, index);
    const bound = 1 / Math.sqrt(matrix.in);
    adapters[matrix.a] = Float32Array.from({ length: rank * matrix.in }, () => bound * (2 * stream.uniform() - 1));
    adapters[matrix.b] = new Float32Array(matrix.out * rank);
  });
  return adapters;
}

/** @throws LabError `usage` for adapters that are not those of this policy at this rank, in these places */
export function checkAdapters(config: PolicyConfig, lora: Omit<LoraSpec, 'alpha'>, adapters: Weights): void {
  if (fitShapes(adapterShapes(config, lora), adapters)) return;
  throw new LabError(
    'usage',
    `The LoRA adapters are not those of this policy at rank ${lora.rank}.`,
    'Load the policy that the run began with, and give the LoRA settings of the run.',
  );
}
