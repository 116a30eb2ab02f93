/**
 * A policy's state as bytes, exact to the bit: what is hashed, stored and read back, in one piece or, where it is large, piece after piece, so
 * that it is not in memory a second time. It is not a file format for exchange (that is safetensors, in `exchange/`).
 *
 *   bytes 0..3    magic "PMLC"
 *   bytes 4..7    version, u32 little-endian
 *   bytes 8..11   length of the header in bytes, u32 little-endian, a multiple of 4
 *   header        JSON (UTF-8), padded with spaces: optimiser counters, tensor names and sizes, and what the caller adds
 *   data          float32: every tensor of the weights in header order, then of the LoRA adapters, then of the first moments of what
 *                 is trained (the adapters, else the weights), then of the second
 *
 * Version 3 may leave out the weights, which are those of the policy that the run began with then, and says how adapters are scaled.
 * Version 2, which is read, held adapters beside the weights they made, and their scale was the run's. All weights and nothing else are
 * still written as version 1.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import type { PolicyState } from '../engine/engine.ts';
import { projections, specOf, type LoraSpec } from '../policy/adapters.ts';
import type { PolicyFile } from '../policy/file.ts';
import { checkFinite, type Weights } from '../policy/weights.ts';
import { currentConfig } from '../rl/config.ts';
import { z } from '../schema.ts';
import type { CheckpointContent } from './records.ts';

const magic = 0x434c4d50; // "PMLC" read as a little-endian u32
const versions = { plain: 1, merged: 2, parts: 3 } as const;
const preamble = 12;
/** Far above that of any checkpoint: names and lengths of its tensors. */
const maxHeaderBytes = 2 ** 26;
/** Read or handed out at a time. */
const pieceBytes = 2 ** 24;

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
  lora: z.optional(
    z.looseObject({
      rank: count,
      alpha: z.number(),
      targets: z.optional(z.array(z.enum(projections))),
      layers: z.optional(z.array(count)),
    }),
  ),
});

interface Header {
  readonly about: Omit<CheckpointContent, 'state'> | null;
  readonly optimSteps: number;
  readonly skippedSteps: number;
  readonly moments: boolean;
  readonly tensors: readonly Tensor[];
  readonly adapters?: readonly Tensor[];
  readonly lora?: LoraSpec;
}

interface Tensor {
  readonly name: string;
  readonly length: number;
}

/** A state in its packed form. The pieces, in order, are views of its own numbers, and not to be written to. */
export interface Packed {
  /** Bytes of all pieces. */
  readonly size: number;
  pieces(): Iterable<Uint8Array<ArrayBuffer>>;
}

/** @throws LabError 'numeric' for weights or adapters that are no numbers: from such a checkpoint nothing can be continued */
export function packedCheckpoint({ config, trainer, state }: CheckpointContent): Packed {
  checkFinite({ ...state.weights, ...state.adapters?.tensors }, `the checkpoint of step ${trainer.step}`);
  return packed(state, { config, trainer });
}

/** @throws LabError as `packedCheckpoint` */
export function packCheckpoint(content: CheckpointContent): ArrayBuffer {
  return joined(packedCheckpoint(content));
}

/** @throws LabError 'format' for bytes that are not a whole packed checkpoint of a known version */
export function unpackCheckpoint(buffer: ArrayBuffer): CheckpointContent {
  const { header, version, numbers } = unpack(buffer);
  return contentOf(header, version, numbers);
}

/** The same of bytes that are read by range, from the first to the last, each once. @throws LabError as `unpackCheckpoint`, and as `file.read` */
export async function readCheckpoint(file: Pick<PolicyFile, 'size' | 'read'>): Promise<CheckpointContent> {
  const first = await file.read(0, Math.min(preamble, file.size));
  const { version, headerLength } = readPreamble(first, file.size);
  if (headerLength > maxHeaderBytes) throw broken('the header cannot be read');
  const start = preamble + headerLength;
  const header = readHeader(await file.read(preamble, start));
  checkLength(header, start, file.size);
  const numbers: Float32Array[] = [];
  let at = start;
  for (const { length } of groupsOf(header).flat()) {
    const bytes = new Uint8Array(length * 4);
    for (let done = 0; done < bytes.length; done += pieceBytes) {
      bytes.set(await file.read(at + done, at + Math.min(bytes.length, done + pieceBytes)), done);
    }
    numbers.push(new Float32Array(bytes.buffer));
    at += bytes.length;
  }
  return contentOf(header, version, numbers);
}

/** A policy without its run. */
export function packState(state: PolicyState): ArrayBuffer {
  return joined(packed(state, null));
}

/** @throws LabError 'format' for bytes that are not a whole packed state of a known version */
export function unpackState(buffer: ArrayBuffer): PolicyState {
  const { header, version, numbers } = unpack(buffer);
  return stateOf(header, version, numbers);
}

function packed({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState, about: Header['about']): Packed {
  const list = (group: Weights) => Object.entries(group).map(([name, data]): Tensor => ({ name, length: data.length }));
  const header: Header = {
    about,
    optimSteps,
    skippedSteps,
    moments: moments !== null,
    tensors: list(weights ?? {}),
    ...(adapters ? { adapters: list(adapters.tensors), lora: specOf(adapters) } : {}),
  };
  const groups = [weights ?? {}, ...(adapters ? [adapters.tensors] : []), ...(moments ? [moments.first, moments.second] : [])];
  const data = groupsOf(header).flatMap((tensors, i) =>
    tensors.map(({ name, length }) => {
      const numbers = groups[i]![name];
      if (numbers?.length !== length) throw new Error(`pack: the moments of ${name} do not have its shape`);
      // As bytes: a copy through numbers may change the payload of a NaN.
      return new Uint8Array(numbers.buffer as ArrayBuffer, numbers.byteOffset, numbers.byteLength);
    }),
  );

  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / 4) * 4;
  const head = new Uint8Array(preamble + headerLength).fill(0x20, preamble);
  const view = new DataView(head.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, weights && !adapters ? versions.plain : versions.parts, true);
  view.setUint32(8, headerLength, true);
  head.set(json, preamble);
  return {
    size: data.reduce((sum, { length }) => sum + length, head.length),
    *pieces() {
      yield head;
      for (const bytes of data) {
        for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
      }
    },
  };
}

export function joined({ size, pieces }: Packed): ArrayBuffer {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.buffer;
}

/** The tensors of every group in the data. */
function groupsOf({ tensors, adapters, moments }: Header): (readonly Tensor[])[] {
  const trained = adapters ?? tensors;
  return [tensors, ...(adapters ? [adapters] : []), ...(moments ? [trained, trained] : [])];
}

interface Unpacked {
  readonly header: Header;
  readonly version: number;
  /** Of all tensors, in the order of the groups. */
  readonly numbers: readonly Float32Array[];
}

function unpack(buffer: ArrayBuffer): Unpacked {
  const { version, headerLength } = readPreamble(new Uint8Array(buffer, 0, Math.min(preamble, buffer.byteLength)), buffer.byteLength);
  const start = preamble + headerLength;
  const header = readHeader(new Uint8Array(buffer, preamble, headerLength));
  checkLength(header, start, buffer.byteLength);
  let at = start;
  const numbers = groupsOf(header)
    .flat()
    .map(({ length }) => new Float32Array(buffer.slice(at, (at += length * 4))));
  return { header, version, numbers };
}

/** @param size of everything */
function readPreamble(bytes: Uint8Array, size: number): { readonly version: number; readonly headerLength: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < preamble || view.getUint32(0, true) !== magic) throw broken('they do not begin like a packed state');
  const version = view.getUint32(4, true);
  if (!Object.values<number>(versions).includes(version)) {
    const newest = versions.parts;
    throw new LabError(
      'format',
      `The checkpoint has format version ${version}; this program reads up to version ${newest}.`,
      'Use the newest version of it; a page is renewed by reloading it.',
    );
  }
  const headerLength = view.getUint32(8, true);
  if (preamble + headerLength > size) throw broken('the header is cut short');
  return { version, headerLength };
}

function checkLength(header: Header, start: number, size: number): void {
  const numbers = groupsOf(header)
    .flat()
    .reduce((sum, tensor) => sum + tensor.length, 0);
  if (size !== start + numbers * 4) throw broken(`${start + numbers * 4} bytes expected, ${size} found`);
}

function stateOf(header: Header, version: number, numbers: readonly Float32Array[]): PolicyState {
  let next = 0;
  const group = (tensors: readonly Tensor[]): Weights => Object.fromEntries(tensors.map(({ name }) => [name, numbers[next++]!]));
  const stored = group(header.tensors);
  const tensors = header.adapters ? group(header.adapters) : null;
  const spec = header.lora ?? (version === versions.merged ? header.about?.config.lora : null);
  if (tensors && !spec) throw broken('they do not say how the adapters are scaled');
  const trained = header.adapters ?? header.tensors;
  const moments: PolicyState['moments'] = header.moments ? { first: group(trained), second: group(trained) } : null;
  const { optimSteps, skippedSteps } = header;
  // Of weights that adapters made, the adapters say all.
  const weights = header.tensors.length === 0 || version === versions.merged ? null : stored;
  const adapters = tensors && { ...specOf(spec!), tensors };
  return { weights, adapters, moments, optimSteps, skippedSteps };
}

function contentOf(header: Header, version: number, numbers: readonly Float32Array[]): CheckpointContent {
  const { about } = header;
  if (!about) throw broken('they hold a policy without its run');
  return { ...about, config: currentConfig(about.config), state: stateOf(header, version, numbers) };
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
