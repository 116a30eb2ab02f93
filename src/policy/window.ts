/**
 * Sliding-window attention as a config.json states it: which layers look at the nearest tokens only, and how they turn their heads. Families of which
 * no such layer is computed are refused where they use one (`other-architectures.ts`). Definition: transformers 5.24, configuration_gemma3.py.
 */
import { isObject, positive, refuse, size, type Json } from './config-fields.ts';
import type { FamilyTraits } from './families.ts';

export interface Window {
  /** Tokens that a place looks at, its own included. */
  readonly size: number;
  /** Layer i looks at those only where `sliding[i % sliding.length]`, at all before it elsewhere; as short as it can be. */
  readonly sliding: readonly boolean[];
  /** Of these layers' rotary embeddings, which are not scaled. */
  readonly ropeTheta: number;
}

/** Longer ones would be lists of what a file claims. */
const maxPattern = 1024;

/** @returns undefined where every layer looks at everything  @throws LabError 'format' naming the key */
export function parseWindow(json: Json, { window }: FamilyTraits, layers: number): Window | undefined {
  if (!window.computed) return undefined;
  const sliding = slidingLayers(json, layers, window.fullEvery);
  if (!sliding.includes(true)) return undefined;
  if (json['sliding_window'] === null)
    refuse('config.json: it has layers of sliding_attention, and sliding_window is null.', 'Check the file.');
  const own = isObject(json['rope_parameters']) ? json['rope_parameters']['sliding_attention'] : null;
  const rope = isObject(own) ? own : {};
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  if (type !== 'default') {
    refuse(`config.json: scaled rotary embeddings of sliding_attention (rope_type ${JSON.stringify(type)}) are not supported.`);
  }
  return {
    size: size(json, 'sliding_window', window.size),
    sliding,
    // What stands inside goes before what stands beside.
    ropeTheta: rope['rope_theta'] == null ? positive(json, 'rope_local_base_freq', window.ropeTheta) : positive(rope, 'rope_theta'),
  };
}

function slidingLayers(json: Json, layers: number, fullEvery: number): boolean[] {
  const types = json['layer_types'];
  if (Array.isArray(types)) {
    if (types.length !== layers) refuse(`config.json: layer_types has ${types.length} entries for ${layers} layers.`, 'Check the file.');
    // Others are refused before.
    return shortest(types.map((type) => type === 'sliding_attention'));
  }
  const pattern = Math.min(size(json, 'sliding_window_pattern', fullEvery), layers + 1);
  if (pattern > maxPattern)
    refuse(`config.json: sliding_window_pattern is ${pattern}; up to ${maxPattern} are supported.`, 'Check the file.');
  return shortest(Array.from({ length: Math.min(pattern, layers) }, (_, i) => i + 1 < pattern));
}

/** The list that, over and over, begins as this one does. */
function shortest(list: readonly boolean[]): boolean[] {
  let length = 1;
  while (!list.every((value, i) => value === list[i % length])) length++;
  return list.slice(0, length);
}

/** The keys of config.json that are read back as the same. */
export function windowKeys(window: Window | undefined, layers: number): Json {
  const slides = (layer: number) => window?.sliding[layer % window.sliding.length];
  return {
    layer_types: Array.from({ length: layers }, (_, layer) => (slides(layer) ? 'sliding_attention' : 'full_attention')),
    ...(window ? { sliding_window: window.size, rope_local_base_freq: window.ropeTheta } : {}),
  };
}
