/**
 * The header of a GGUF file (llama.cpp's format): metadata, and where which tensor lies. It does not know what a policy is.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3; what is refused is what ggml's own reader refuses.
 *
 * @huggingface/gguf 0.4.6 reads the same, but from an address or a path only: of a Blob, of the browser's storage, of a range it knows
 * nothing; it checks neither types, overlaps nor the end of the file, and brings @huggingface/tasks along.
 */
import { LabError } from '../errors.ts';
import type { PolicyFile } from './file.ts';
import { tensorFormats, type TensorFormat } from './tensor-format.ts';
import type { Tensor } from './tensor.ts';

type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;
export type GgufValue = number | bigint | boolean | string | Numbers | BigUint64Array | BigInt64Array | readonly GgufValue[];

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** By ggml's names; shapes as everywhere here, [out, in]. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Several times the largest published ones, which are mostly vocabulary. */
const maxHeaderBytes = 64 * 2 ** 20;
/** What is read of a file first; four times as much wherever that was too little. */
const firstBytes = 2 ** 20;
/** ggml has no tensors of more. */
const maxDimensions = 4;
/** ggml's names have up to 64. */
const maxNameBytes = 256;
const maxNesting = 4;

/** The types of ggml that weights are read from. */
const formats: Readonly<Record<number, TensorFormat>> = {
  ...{ 0: 'f32', 1: 'f16', 30: 'bf16', 2: 'q4_0', 3: 'q4_1', 6: 'q5_0', 7: 'q5_1', 8: 'q8_0', 12: 'q4_K', 13: 'q5_K', 14: 'q6_K' },
};
/** The others, so that they can be called by their names. */
const otherTypes: Readonly<Record<number, string>> = {
  ...{ 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL' },
  ...{ 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M' },
  ...{ 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4', 41: 'Q1_0' },
};

/** There is more of the header than was read. */
class MoreNeeded extends Error {}

/** @throws LabError `format` naming the file, the place in it and the fault, before anything of the size it claims is made */
export async function readGgufHeader(file: PolicyFile): Promise<GgufHeader> {
  for (let length = firstBytes; ; length *= 4) {
    const end = Math.min(length, file.size);
    const header = new Cursor(file.name, await file.read(0, end), file.size);
    try {
      return readHeader(header, file);
    } catch (error) {
      if (!(error instanceof MoreNeeded)) throw error;
      if (length >= maxHeaderBytes) header.broken(`its header is longer than ${maxHeaderBytes} bytes, which is too much to be true`);
    }
  }
}

function readHeader(header: Cursor, file: PolicyFile): GgufHeader {
  if (file.size < 4 || header.bytes(4).join() !== '71,71,85,70') {
    throw new LabError(
      'format',
      `${file.name} is no GGUF file: it does not begin with those four letters.`,
      'Check that it is the right file.',
    );
  }
  const version = header.u32();
  if (version > 0xffff) return header.refuse('it is of a big-endian machine', 'Convert the policy on, or for, a little-endian one.');
  if (version !== 2 && version !== 3)
    return header.refuse(`its version is ${version}; 2 and 3 are read`, 'Convert it with a current llama.cpp.');
  const tensorCount = header.count('the number of its tensors', 24);
  const entryCount = header.count('the number of its metadata', 13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    header.place = `metadata entry ${i + 1}`;
    const key = header.text();
    header.place += ` (${key.slice(0, 80)})`;
    if (metadata.has(key)) header.broken('its key is there twice');
    metadata.set(key, header.value(header.u32()));
  }
  header.place = '';
  const parts = metadata.get('split.count');
  if (typeof parts === 'number' && parts > 1) {
    return header.refuse(`it is one of ${parts} parts`, 'Join them into one file with llama-gguf-split of llama.cpp.');
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 2 ** 16 || !Number.isInteger(Math.log2(alignment))) {
    header.broken(`general.alignment is ${String(alignment).slice(0, 20)}, which is no power of two up to 65536`);
  }
  return { metadata, tensors: readTensors(header, file, tensorCount, alignment) };
}

/** As ggml demands, the tensors lie in the order of the header, each at the next multiple of the alignment. */
function readTensors(header: Cursor, file: PolicyFile, count: number, alignment: number): Map<string, Tensor> {
  const aligned = (at: number) => Math.ceil(at / alignment) * alignment;
  const found = new Map<string, Omit<Tensor, 'read'> & { readonly start: number }>();
  let end = 0;
  for (let i = 0; i < count; i++) {
    header.place = `tensor ${i + 1}`;
    const name = header.text(maxNameBytes);
    header.place += ` (${name})`;
    if (found.has(name)) header.broken('its name is there twice');
    const dimensions = header.u32();
    if (dimensions < 1 || dimensions > maxDimensions) header.broken(`it has ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => header.size('a dimension')).reverse();
    const { dtype, format } = typeOf(header, header.u32());
    const start = header.size('its offset');
    const byteLength = bytesOf(header, shape, format);
    if (start !== aligned(end)) header.broken(`its data begin at byte ${start}, those before it end at ${end}`);
    end = start + byteLength;
    if (end > file.size) header.broken(`its data end at byte ${end} of a file of ${file.size}`);
    found.set(name, { name, shape, dtype, format, byteLength, start });
  }
  const dataStart = aligned(header.at);
  header.place = '';
  if (dataStart + end > file.size) header.broken(`its data end at byte ${dataStart + end}, it has ${file.size}`);
  return new Map(
    [...found].map(([name, { start, ...tensor }]) => {
      const origin = dataStart + start;
      return [name, { ...tensor, read: (from, to) => file.read(origin + from, origin + to) }];
    }),
  );
}

function typeOf(header: Cursor, type: number): { readonly dtype: string; readonly format: TensorFormat } {
  const format = formats[type];
  if (format) return { dtype: format.toUpperCase(), format };
  const supported = Object.values(formats)
    .map((name) => name.toUpperCase())
    .join(', ');
  const name = otherTypes[type];
  return header.refuse(
    name ? `it is stored as ${name}, which is not read` : `its type is ${type}, which is none`,
    name ? `Choose a file in another quantisation (${supported}).` : again,
  );
}

function bytesOf(header: Cursor, shape: readonly number[], format: TensorFormat): number {
  const { numbers, bytes } = tensorFormats[format];
  const said = `[${shape.join(', ')}]`;
  if (shape.includes(0)) header.broken(`its shape is ${said}`);
  if (shape.at(-1)! % numbers !== 0) header.broken(`its rows ${said} are no whole blocks of ${numbers}`);
  const size = shape.reduce((product, n) => product * n, 1) * (bytes / numbers);
  if (!(size <= Number.MAX_SAFE_INTEGER)) header.broken(`its shape ${said} is larger than any file`);
  return size;
}

const again = 'Fetch the file again; it is broken or was cut off on the way.';

/** A place in what was read of the header; whatever is taken from it is first seen to be there. */
class Cursor {
  at = 0;
  /** What is being read, for a sentence. */
  place = '';
  readonly #view: DataView;

  constructor(
    readonly file: string,
    readonly read: Uint8Array,
    readonly fileSize: number,
  ) {
    this.#view = new DataView(read.buffer, read.byteOffset, read.byteLength);
  }

  refuse(what: string, next: string): never {
    // Names are a stranger's, and may hold anything that a terminal obeys.
    throw new LabError('format', `${this.file}${this.place && `, ${this.place}`}: ${what}.`.replace(/\p{C}+/gu, ' '), next);
  }

  broken(what: string): never {
    this.refuse(what, again);
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.read.subarray(start, start + length);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** 64 bits that a file cannot exceed. */
  size(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.broken(`${what} is ${value}`);
    return Number(value);
  }

  /** How many of something come that take at least so many bytes each. */
  count(what: string, bytes: number): number {
    const count = this.size(what);
    const left = this.fileSize - this.at;
    if (count * bytes > left) this.broken(`${what} is ${count}, for which ${left} bytes are left`);
    return count;
  }

  text(limit = this.fileSize): string {
    const length = this.count('the length of a text', 1);
    if (length > limit) this.broken(`a name has ${length} bytes`);
    try {
      return utf8.decode(this.bytes(length));
    } catch (error) {
      if (error instanceof MoreNeeded || error instanceof LabError) throw error;
      return this.broken('a text is not UTF-8');
    }
  }

  value(type: number, depth = 0): GgufValue {
    if (type === 8) return this.text();
    if (type === 9) return this.#list(depth);
    const number = numberTypes[type];
    if (!number) this.broken(`its type is ${type}, which is none`);
    const [one] = this.#numbers(number, 1);
    if (type === 7) return one !== 0;
    return typeof one === 'bigint' && BigInt.asIntN(53, one) === one ? Number(one) : one!;
  }

  #list(depth: number): GgufValue {
    const type = this.u32();
    const number = numberTypes[type];
    if (number) return this.#numbers(number, this.count('the length of a list', number.BYTES_PER_ELEMENT));
    if (type !== 8 && type !== 9) this.broken(`its list is of type ${type}, which is none`);
    if (depth === maxNesting) this.broken(`its lists lie more than ${maxNesting} deep`);
    const count = this.count('the length of a list', type === 8 ? 8 : 12);
    const list: GgufValue[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(type, depth + 1));
    return list;
  }

  #numbers(type: NumberType, count: number): InstanceType<NumberType> {
    return new type(this.bytes(count * type.BYTES_PER_ELEMENT).slice().buffer as ArrayBuffer);
  }

  #take(length: number): number {
    const start = this.at;
    if (start + length > this.fileSize) this.broken('the file ends within it');
    if (start + length > this.read.length) throw new MoreNeeded();
    this.at += length;
    return start;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** By the numbers that the format gives them; 7 is true or false, a byte each. */
const numberTypes = {
  ...{ 0: Uint8Array, 1: Int8Array, 2: Uint16Array, 3: Int16Array, 4: Uint32Array, 5: Int32Array, 6: Float32Array, 7: Uint8Array },
  ...{ 10: BigUint64Array, 11: BigInt64Array, 12: Float64Array },
} as Readonly<Record<number, NumberType>>;
type NumberType =
  | Uint8ArrayConstructor
  | Int8ArrayConstructor
  | Uint16ArrayConstructor
  | Int16ArrayConstructor
  | Uint32ArrayConstructor
  | Int32ArrayConstructor
  | Float32ArrayConstructor
  | Float64ArrayConstructor
  | BigUint64ArrayConstructor
  | BigInt64ArrayConstructor;
