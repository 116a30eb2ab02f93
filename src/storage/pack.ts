/**
 * A policy's state as one ArrayBuffer, exact to the bit: what is hashed, stored and read back.
 * It is not a file format for exchange (that is safetensors, in `exchange/`).
 *
 *   bytes 0..3    magic "PMLC"
 *   bytes 4..7    version, u32 little-endian
 *   bytes 8..11   length of the header in bytes, u32 little-endian, a multiple of 4
 *   header        JSON (UTF-8), padded with spaces: optimiser counters, tensor names and sizes, and what the caller adds
 *   data          float32: every tensor of the weights in header order, then of the LoRA adapters, then of the first moments of what
 *                 is trained (the adapters, else the weights), then of the second
 *
 * Version 2 is version 1 with adapters; states without them are still written as version 1.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import type { PolicyState } from '../engine/engine.ts';
import { checkFinite, type Weights } from '../policy/weights.ts';
import { currentConfig } from '../rl/config.ts';
import { z } from '../schema.ts';
import type { CheckpointContent } from './records.ts';

const magic = 0x434c4d50; // "PMLC" read as a little-endian u32
const versions = { plain: 1, adapters: 2 } as const;
const preamble = 12;

const count = z.int().check(z.minimum(0));
const tensors = z
  .array(z.strictObject({ name: z.string(), length: count }))
  .check(z.refine((list) => new Set(list.map(({ name }) => name)).size === list.length));

const headerShape = z.looseObject({
  /** A checkpoint's config and trainer counters; null for a bare state. */
  about: z.nullable(
    z.looseObject({
      config: z.looseObject({}),
      trainer: z.looseObject({ step: count, cursor: count, tokens: count, nonFiniteStreak: count }),
    }),
  ),
  optimSteps: count,
  skippedSteps: count,
  moments: z.boolean(),
  tensors,
  /** Absent: all parameters are trained. */
  adapters: z.optional(tensors),
});

interface Header {
  readonly about: Omit<CheckpointContent, 'state'> | null;
  readonly optimSteps: number;
  readonly skippedSteps: number;
  readonly moments: boolean;
  readonly tensors: readonly Tensor[];
  readonly adapters?: readonly Tensor[];
}

interface Tensor {
  readonly name: string;
  readonly length: number;
}

/** @throws LabError 'numeric' for weights or adapters that are no numbers: from such a checkpoint nothing can be continued */
export function packCheckpoint({ config, trainer, state }: CheckpointContent): ArrayBuffer {
  checkFinite({ ...state.weights, ...state.adapters }, `the checkpoint of step ${trainer.step}`);
  return pack(state, { config, trainer });
}

/** @throws LabError 'format' for bytes that are not a whole packed checkpoint of a known version */
export function unpackCheckpoint(buffer: ArrayBuffer): CheckpointContent {
  const { about, state } = unpack(buffer);
  if (!about) throw broken('they hold a policy without its run');
  return { ...about, config: currentConfig(about.config), state };
}

/** A policy without its run. */
export function packState(state: PolicyState): ArrayBuffer {
  return pack(state, null);
}

/** @throws LabError 'format' for bytes that are not a whole packed state of a known version */
export function unpackState(buffer: ArrayBuffer): PolicyState {
  return unpack(buffer).state;
}

function pack({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState, about: Header['about']): ArrayBuffer {
  const list = (group: Weights) => Object.entries(group).map(([name, data]): Tensor => ({ name, length: data.length }));
  const header: Header = {
    about,
    optimSteps,
    skippedSteps,
    moments: moments !== null,
    tensors: list(weights),
    ...(adapters ? { adapters: list(adapters) } : {}),
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / 4) * 4;
  const groups = [weights, ...(adapters ? [adapters] : []), ...(moments ? [moments.first, moments.second] : [])];
  const lists = groupsOf(header);
  const numbers = lists.flat().reduce((sum, tensor) => sum + tensor.length, 0);

  const buffer = new ArrayBuffer(preamble + headerLength + numbers * 4);
  const view = new DataView(buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, adapters ? versions.adapters : versions.plain, true);
  view.setUint32(8, headerLength, true);
  const bytes = new Uint8Array(buffer);
  bytes.fill(0x20, preamble, preamble + headerLength);
  bytes.set(json, preamble);

  let offset = preamble + headerLength;
  for (const [i, group] of groups.entries()) {
    for (const { name, length } of lists[i]!) {
      const data = group[name];
      if (data?.length !== length) throw new Error(`pack: the moments of ${name} do not have its shape`);
      // Copied as bytes: a copy through numbers may change the payload of a NaN.
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
      offset += length * 4;
    }
  }
  return buffer;
}

/** The tensors of every group in the data. */
function groupsOf({ tensors, adapters, moments }: Header): (readonly Tensor[])[] {
  const trained = adapters ?? tensors;
  return [tensors, ...(adapters ? [adapters] : []), ...(moments ? [trained, trained] : [])];
}

function unpack(buffer: ArrayBuffer): { about: Header['about']; state: PolicyState } {
  const view = new DataView(buffer);
  if (buffer.byteLength < preamble || view.getUint32(0, true) !== magic) throw broken('they do not begin like a packed state');
  const found = view.getUint32(4, true);
  if (found !== versions.plain && found !== versions.adapters) {
    const newest = versions.adapters;
    throw new LabError(
      'format',
      `The checkpoint has format version ${found}; this program reads up to version ${newest}.`,
      'Use the newest version of it; a page is renewed by reloading it.',
    );
  }
  const headerLength = view.getUint32(8, true);
  if (preamble + headerLength > buffer.byteLength) throw broken('the header is cut short');
  const header = readHeader(new Uint8Array(buffer, preamble, headerLength));

  const numbers = groupsOf(header)
    .flat()
    .reduce((sum, tensor) => sum + tensor.length, 0);
  const start = preamble + headerLength;
  if (buffer.byteLength !== start + numbers * 4) throw broken(`${start + numbers * 4} bytes expected, ${buffer.byteLength} found`);

  let offset = start;
  const group = (tensors: readonly Tensor[]): Weights => {
    const out: Record<string, Float32Array> = {};
    for (const { name, length } of tensors) {
      out[name] = new Float32Array(buffer.slice(offset, offset + length * 4));
      offset += length * 4;
    }
    return out;
  };
  const weights = group(header.tensors);
  const adapters = header.adapters ? group(header.adapters) : null;
  const trained = header.adapters ?? header.tensors;
  const moments: PolicyState['moments'] = header.moments ? { first: group(trained), second: group(trained) } : null;
  const { about, optimSteps, skippedSteps } = header;
  return { about, state: { weights, adapters, moments, optimSteps, skippedSteps } };
}

function readHeader(bytes: Uint8Array): Header {
  try {
    const header = headerShape.safeParse(parseJsonBytes(bytes, { file: 'header' }));
    // What a run's settings are is for `currentConfig`, which knows those of earlier versions too.
    if (header.success) return header.data as unknown as Header;
  } catch {
    // Falls through to the one sentence the reader needs.
  }
  throw broken('the header cannot be read');
}

function broken(how: string): LabError {
  return new LabError('format', `The bytes of the checkpoint are damaged: ${how}.`, 'Continue from another checkpoint of the run.');
}
