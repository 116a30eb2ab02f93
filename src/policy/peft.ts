/**
 * LoRA adapters as the files that PEFT reads and writes: `adapter_config.json` and `adapter_model.safetensors`, under PEFT's names, which are
 * also ours. What else PEFT can do to a model (DoRA, a rank of its own for a layer, trained embeddings …) is refused by its name. It merges
 * nothing, and knows of the base only its shapes and what it is called.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import {
  adaptedMatrices,
  adapterShapes,
  plainPlaces,
  projections,
  type AdaptedMatrix,
  type LoraSpec,
  type Projection,
} from './adapters.ts';
import type { PolicyConfig } from './config.ts';
import { heldFile, jsonFile, type PolicyFile, type WrittenFile } from './file.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { openFile, type PolicySource } from './source.ts';
import type { Tensor } from './tensor.ts';
import { checkFinite, finiteNumbers, type Weights } from './weights.ts';

export const peftFileNames = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const;

/** @param files of a folder, by name: one with a configuration of its own is a whole policy */
export const areAdapters = (files: { has(name: string): boolean }): boolean => files.has(peftFileNames.config) && !files.has('config.json');

export interface PeftAdapters extends LoraSpec {
  /** `base_model.model.….lora_A.weight` [rank, in] and `….lora_B.weight` [out, rank] of each. */
  readonly tensors: Weights;
  /** The base's id on the hub, or its folder; null where nobody has said. */
  readonly base: string | null;
  /** Fingerprint of the base's weights (`fingerprint.ts`), where this project wrote the file; PEFT passes over it. */
  readonly baseWeights?: string;
}

/** Where the file keeps that. */
const baseWeightsKey = 'permix_base_weights';

/** @param config of the base  @throws LabError 'numeric' for adapters that are no numbers */
export function peftFiles(config: PolicyConfig, adapters: PeftAdapters & { readonly base: string }): WrittenFile[] {
  const { rank, alpha, targets = projections, layers = null, tensors, base, baseWeights } = adapters;
  checkFinite(tensors, peftFileNames.weights);
  const list = adapterShapes(config, adapters).map(({ name, shape }) => ({ name, shape, data: tensors[name]! }));
  return [
    // In the order that PEFT writes, and without the keys that only some of its versions know.
    jsonFile(peftFileNames.config, {
      alpha_pattern: {},
      auto_mapping: null,
      base_model_name_or_path: base,
      bias: 'none',
      fan_in_fan_out: false,
      inference_mode: true,
      init_lora_weights: true,
      layers_pattern: null,
      layers_to_transform: layers,
      lora_alpha: alpha,
      lora_dropout: 0,
      modules_to_save: null,
      peft_type: 'LORA',
      r: rank,
      rank_pattern: {},
      revision: null,
      target_modules: targets,
      task_type: 'CAUSAL_LM',
      use_dora: false,
      use_rslora: false,
    }),
    heldFile(
      peftFileNames.weights,
      writeSafetensors(list, { format: 'pt', ...(baseWeights === undefined ? {} : { [baseWeightsKey]: baseWeights }) }),
    ),
  ];
}

type Json = Readonly<Record<string, unknown>>;

/** Read here, or without a say in what the adapters compute once they are trained. */
const read = new Set(['peft_type', 'task_type', 'r', 'lora_alpha', 'target_modules', 'layers_to_transform', 'bias', 'init_lora_weights']);
const inert = new Set(
  (
    'auto_mapping base_model_name_or_path inference_mode peft_version revision lora_dropout layers_pattern exclude_modules ' +
    'megatron_core loftq_config eva_config corda_config lora_ga_config runtime_config qalora_group_size ensure_weight_tying'
  ).split(' '),
);
/** Ways to begin that leave the base as it is. */
const plainBeginnings: readonly unknown[] = [true, false, 'gaussian', 'eva', 'orthogonal'];
const merge = 'Merge them into their base with peft (merge_and_unload), and use the merged folder.';

/** Only what the file says of the base; null: nothing. @throws LabError 'format' for a file that is none */
export async function peftBase(source: PolicySource): Promise<string | null> {
  const { base_model_name_or_path: base } = await readConfig(source);
  return typeof base === 'string' && base !== '' ? base : null;
}

/**
 * @param config of the base
 * @throws LabError 'format' naming the file and what is wrong with it, unsupported, or of another base
 */
export async function readPeft(source: PolicySource, config: PolicyConfig): Promise<PeftAdapters> {
  const json = await readConfig(source);
  const refuse = (what: string, next = merge): never => {
    throw new LabError('format', `${peftFileNames.config} of ${source.id}: ${what}.`, next);
  };
  const said = (key: string) => `${key} is ${JSON.stringify(json[key] ?? null).slice(0, 80)}`;
  if (json['peft_type'] !== 'LORA') refuse(`${said('peft_type')}; LORA is read`, 'Use LoRA adapters.');
  if (![undefined, null, 'CAUSAL_LM'].includes(json['task_type'] as null))
    refuse(`${said('task_type')}; CAUSAL_LM is read`, 'Use the adapters of a language model.');
  if (!['none', undefined, null].includes(json['bias'] as null)) refuse(`${said('bias')}; trained biases are not supported`);
  if (!plainBeginnings.includes(json['init_lora_weights'] ?? true))
    refuse(`${said('init_lora_weights')}, which changes the base's own weights`);
  const foreign = Object.keys(json).find((key) => !read.has(key) && !inert.has(key) && !isOff(json[key]));
  if (foreign !== undefined) refuse(`${said(foreign)}, which is not supported`);
  const [rank, alpha] = [json['r'], json['lora_alpha']];
  if (!isCount(rank) || rank === 0) return refuse(`${said('r')}, not a positive whole number`, again);
  if (typeof alpha !== 'number' || !(alpha > 0)) return refuse(`${said('lora_alpha')}, not a positive number`, again);

  const file = await peftWeights(source);
  const { tensors: found, metadata } = await readSafetensors(file);
  const tensors: Record<string, Float32Array> = {};
  const adapted: AdaptedMatrix[] = [];
  for (const matrix of adaptedMatrices(config)) {
    const [down, up] = [found.get(matrix.a), found.get(matrix.b)];
    if (!down && !up) continue;
    tensors[matrix.a] = await numbersIn(file.name, down, matrix.a, [rank, matrix.in]);
    tensors[matrix.b] = await numbersIn(file.name, up, matrix.b, [matrix.out, rank]);
    adapted.push(matrix);
  }
  const stranger = [...found.keys()].find((name) => !Object.hasOwn(tensors, name));
  if (stranger !== undefined) {
    const theirs = `adapters of the ${projections.length} projections of the ${config.layers} layers of its base`;
    throw new LabError(
      'format',
      `${file.name} has a tensor ${stranger.slice(0, 120)}; read are ${theirs}.`,
      'Check that it is the right base.',
    );
  }
  if (adapted.length === 0) throw new LabError('format', `${file.name} has no adapters.`, again);
  const { targets, layers } = regular(adapted, (what) => refuse(what));
  checkClaim(json, targets, layers, config.layers, (what) => refuse(what, again));
  const { base_model_name_or_path: base } = json;
  const spec = plainPlaces({ rank, alpha, targets, layers }, config.layers);
  const baseWeights = metadata[baseWeightsKey];
  return {
    ...spec,
    tensors,
    base: typeof base === 'string' && base !== '' ? base : null,
    ...(baseWeights === undefined ? {} : { baseWeights }),
  };
}

/** @throws LabError 'format' where there are none */
export async function peftWeights(source: PolicySource): Promise<PolicyFile> {
  const file = await openFile(source, peftFileNames.weights);
  if (file) return file;
  throw new LabError(
    'format',
    `There is no ${peftFileNames.weights} in ${source.id}.`,
    'Add it; adapter_model.bin is not read (save the adapters again with a current peft).',
  );
}

const again = 'Save the adapters again, or fetch them again.';

async function readConfig(source: PolicySource): Promise<Json> {
  const name = `${peftFileNames.config} of ${source.id}`;
  const bytes = await source.read(peftFileNames.config);
  if (!bytes) throw new LabError('format', `There is no ${peftFileNames.config} in ${source.id}.`, 'Choose the folder that peft saved.');
  const json = parseJsonBytes(bytes, { file: name, next: again });
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new LabError('format', `${name} is not a JSON object.`, again);
  return json as Json;
}

/** Every adapted layer has the same projections adapted. */
function regular(adapted: readonly AdaptedMatrix[], refuse: (what: string) => never): { targets: Projection[]; layers: number[] } {
  const byLayer = new Map<number, Projection[]>();
  for (const { layer, projection } of adapted) byLayer.set(layer, [...(byLayer.get(layer) ?? []), projection]);
  const [first, ...others] = [...byLayer];
  const other = others.find(([, targets]) => targets.join() !== first![1].join());
  if (other) {
    const [one, two] = [first!, other].map(([layer, targets]) => `${targets.join(', ')} in layer ${layer}`);
    refuse(`its adapters are of ${one} and of ${two}; read are those of the same projections in every layer`);
  }
  return { targets: projections.filter((name) => first![1].includes(name)), layers: [...byLayer.keys()] };
}

/** Where the file lists projections, it is those, in the layers that it names; of patterns and whole names the weights are believed. */
function checkClaim(
  json: Json,
  targets: readonly string[],
  layers: readonly number[],
  count: number,
  refuse: (what: string) => never,
): void {
  const { target_modules: modules, layers_to_transform: transformed } = json;
  if (!Array.isArray(modules) || !modules.every((name) => projections.includes(name as Projection))) return;
  const same = (one: readonly unknown[], other: readonly unknown[]) => [...one].sort().join() === [...other].sort().join();
  if (!same(modules, targets)) refuse(`target_modules are ${modules.join(', ')}, the weights are of ${targets.join(', ')}`);
  const every = [...Array(count).keys()];
  const claimed = typeof transformed === 'number' ? [transformed] : Array.isArray(transformed) ? (transformed as unknown[]) : every;
  const named = (list: readonly unknown[]) => (list.length === count ? `all ${count} layers` : `layers ${list.join(', ')}`);
  if (!same(claimed, layers)) refuse(`its adapters are of ${named(claimed)}, the weights of ${named(layers)}`);
}

async function numbersIn(file: string, tensor: Tensor | undefined, name: string, shape: readonly number[]): Promise<Float32Array> {
  if (!tensor) throw new LabError('format', `${file} has no tensor ${name}, though it has its partner.`, again);
  if (tensor.shape.join() === shape.join()) return finiteNumbers(tensor);
  const sizes = `[${tensor.shape.join(', ')}], rank and base ask for [${shape.join(', ')}]`;
  throw new LabError('format', `${file}: the tensor ${name} is ${sizes}.`, 'Check that these are the adapters of this base.');
}

function isOff(value: unknown): boolean {
  return !value || (typeof value === 'object' && Object.keys(value).length === 0);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
