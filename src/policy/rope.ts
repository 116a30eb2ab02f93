/**
 * Rotary embeddings as a config.json states them, in any of the ways in which transformers (5.24) reads them: `rope_theta` beside or inside
 * `rope_parameters`, `rope_scaling` of older files, parameters by layer type. The table of angles is `engine/rope-table.ts`.
 */
import { isObject, positive, refuse, size, type Json } from './config-fields.ts';
import type { FamilyTraits } from './families.ts';

export type RopeScaling =
  | { type: 'linear'; factor: number }
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling | null;
}

const layerTypes = ['full_attention', 'sliding_attention', 'chunked_attention', 'linear_attention'];

/**
 * Of the layers that look at everything; of others it is `window.ts`.
 * @param json config.json  @param maxPositions stands for the length before scaling where the file names none
 * @throws LabError 'format' for a kind of scaling that is not computed here, or a key of the wrong kind
 */
export function parseRope(json: Json, traits: FamilyTraits, maxPositions: number): Rope {
  const parameters = traits.window.computed ? statedOfFull(json) : stated(json);
  // What stands inside goes before what stands beside.
  const theta = positive(parameters['rope_theta'] == null ? json : parameters, 'rope_theta', traits.ropeTheta);
  wholeHead(json);
  wholeHead(parameters);
  if (json['rope_interleaved'] === true)
    refuse('config.json: rotary embeddings of interleaved pairs (rope_interleaved) are not supported.');
  return { theta, scaling: scalingOf(parameters, json, maxPositions) };
}

/** `rope_scaling`, where it says anything, stands for all of `rope_parameters`. */
function stated(json: Json): Json {
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const value = json[key] ?? {};
    if (!isObject(value)) refuse(`config.json: ${key} must be an object, it is ${JSON.stringify(value)}.`);
    if (Object.keys(value).length === 0) continue;
    const byLayer = Object.keys(value).filter((name) => layerTypes.includes(name));
    if (byLayer.length === 0) return value;
    // Every layer of these families attends to everything.
    const full = value['full_attention'];
    if (isObject(full)) return full;
    refuse(`config.json: ${key} names ${byLayer.join(', ')} and has nothing for full_attention, which all layers are.`);
  }
  return {};
}

/** Where layers differ, `rope_parameters` are by layer type, and `rope_scaling` adds to those of full attention. */
function statedOfFull(json: Json): Json {
  const [byLayer, scaling] = ['rope_parameters', 'rope_scaling'].map((key) => {
    const value = json[key] ?? {};
    return isObject(value) ? value : refuse(`config.json: ${key} must be an object, it is ${JSON.stringify(value)}.`);
  }) as [Json, Json];
  const foreign = Object.keys(byLayer).find((name) => !layerTypes.includes(name));
  if (foreign !== undefined)
    refuse(`config.json: rope_parameters must be by layer type, and has ${JSON.stringify(foreign)}.`, 'Check the file.');
  const full = byLayer['full_attention'];
  return { ...(isObject(full) ? full : {}), ...scaling };
}

function wholeHead(json: Json): void {
  const factor = json['partial_rotary_factor'] ?? 1;
  if (factor !== 1) refuse(`config.json: partial rotary embeddings (partial_rotary_factor ${JSON.stringify(factor)}) are not supported.`);
}

function scalingOf(parameters: Json, json: Json, maxPositions: number): RopeScaling | null {
  const type = parameters['rope_type'] ?? parameters['type'] ?? 'default';
  if (type === 'default') return null;
  if (type === 'linear') return { type: 'linear', factor: positive(parameters, 'factor') };
  if (type === 'llama3') {
    const original = 'original_max_position_embeddings';
    return {
      type: 'llama3',
      factor: positive(parameters, 'factor'),
      lowFreqFactor: positive(parameters, 'low_freq_factor'),
      highFreqFactor: positive(parameters, 'high_freq_factor'),
      originalMaxPositions: size(json[original] == null ? parameters : json, original, maxPositions),
    };
  }
  refuse(
    `config.json: rope scaling of type ${JSON.stringify(type)} is not supported.`,
    'Supported are default, linear and llama3; choose a policy that uses one of them.',
  );
}

/** By what llama3 divides each frequency of a head, slowest last: what llama.cpp's converter makes of the settings. */
export function llama3Factors(
  { ropeTheta, headDim }: { readonly ropeTheta: number; readonly headDim: number },
  scaling: Extract<RopeScaling, { type: 'llama3' }>,
): number[] {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: original } = scaling;
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * ropeTheta ** ((2 * i) / headDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
