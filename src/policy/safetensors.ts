/**
 * The safetensors file format (8 bytes header length, JSON header, raw little-endian data), read and written whole.
 * Numbers come out as float32 whatever they were stored as, and only when they are asked for. It does not know what a policy is.
 * Format: https://huggingface.co/docs/safetensors; what is refused is what its reference reader refuses.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';

export interface SafeTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Decoded anew at every access; nothing is allocated before. @throws LabError `format` for a dtype that weights are not read from */
  readonly data: Float32Array;
}

/** Bits per number of every dtype of the format. */
const bits: Readonly<Record<string, number>> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, F64: 64, I64: 64, U64: 64, C64: 64 },
};

/** The way to float32. */
const readers: Readonly<Record<string, (raw: Uint8Array) => Float32Array>> = {
  F32: (raw) => new Float32Array(raw.slice().buffer),
  F16: (raw) => Float32Array.from(new Uint16Array(raw.slice().buffer), halfToFloat),
  BF16: (raw) => {
    const words = new Uint32Array(raw.length / 2);
    new Uint16Array(raw.slice().buffer).forEach((half, i) => (words[i] = half << 16));
    return new Float32Array(words.buffer);
  },
};

/** Larger than that of any policy this project can hold; a broken length would ask for more. */
const maxHeaderBytes = 32 * 1024 * 1024;
/** Linear layers have two; some formats of other models have five. */
const maxDimensions = 8;
const fetchAgain = 'Fetch the file again; it is broken or was cut off on the way.';

function broken(what: string, next = fetchAgain): never {
  throw new LabError('format', `The safetensors file is broken: ${what}.`, next);
}

/**
 * Checks the whole header against the length of the file: as the format demands, the tensors lie one after the other without an overlap
 * or a hole, and nothing follows them. No number is decoded.
 * @throws LabError `format` naming the tensor
 */
export function readSafetensors(bytes: Uint8Array): { tensors: Map<string, SafeTensor>; metadata: Record<string, string> } {
  const { header, dataStart } = readHeader(bytes);
  const available = bytes.length - dataStart;
  const tensors = new Map<string, SafeTensor>();
  const extents: { name: string; start: number; end: number }[] = [];
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) broken('its __metadata__ is not texts');
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, start, end } = readEntry(name, entry);
    const size = sizeOf(name, dtype, shape);
    if (end - start !== size) broken(`the tensor ${name} [${shape.join(', ')}] ${dtype} needs ${size} bytes, it has ${end - start}`);
    if (end > available) broken(`the tensor ${name} ends at byte ${end} of ${available} bytes of data`);
    tensors.set(name, new Slice(name, shape, dtype, bytes.subarray(dataStart + start, dataStart + end)));
    extents.push({ name, start, end });
  }
  extents.sort((a, b) => a.start - b.start || a.end - b.end);
  let reached = 0;
  for (const [i, { name, start, end }] of extents.entries()) {
    if (start < reached) broken(`the tensors ${extents[i - 1]!.name} and ${name} overlap`);
    if (start > reached) broken(`${start - reached} bytes before the tensor ${name} belong to none`);
    reached = end;
  }
  if (reached < available) broken(`${available - reached} bytes at its end belong to no tensor`);
  return { tensors, metadata: metadata as Record<string, string> };
}

class Slice implements SafeTensor {
  readonly #raw: Uint8Array;

  constructor(
    readonly name: string,
    readonly shape: readonly number[],
    readonly dtype: string,
    raw: Uint8Array,
  ) {
    this.#raw = raw;
  }

  get data(): Float32Array {
    const reader = readers[this.dtype];
    if (!reader) {
      throw new LabError(
        'format',
        `The tensor ${this.name} is stored as ${this.dtype}.`,
        'Supported are F32, F16 and BF16; use the original weights of the policy.',
      );
    }
    return reader(this.#raw);
  }
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) broken(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > maxHeaderBytes) broken(`its header claims ${length} bytes, which is too much to be true`);
  if (8 + length > bytes.length) broken(`its header claims ${length} bytes, the file has ${bytes.length}`);
  const raw = bytes.subarray(8, 8 + length);
  // A byte order mark, which the reader of JSON would skip, is none of the format.
  if (raw[0] !== 0x7b) broken('its header is not a JSON object');
  const header = parseJsonBytes(raw, { file: 'The header of the safetensors file', next: fetchAgain });
  if (!isObject(header)) broken('its header is not a JSON object');
  return { header, dataStart: 8 + length };
}

function readEntry(name: string, entry: unknown): { dtype: string; shape: number[]; start: number; end: number } {
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
  if (typeof dtype !== 'string') broken(`the tensor ${name} has no dtype`);
  if (!Array.isArray(shape) || shape.length > maxDimensions || !shape.every(isSize)) broken(`the tensor ${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0]! > offsets[1]!) {
    broken(`the tensor ${name} has no valid data_offsets`);
  }
  return { dtype, shape, start: offsets[0]!, end: offsets[1]! };
}

/** Bytes of a tensor; beyond 2^53 numbers lose their last digits, so nothing that large is believed. */
function sizeOf(name: string, dtype: string, shape: readonly number[]): number {
  if (!Object.hasOwn(bits, dtype)) broken(`the tensor ${name} has the unknown dtype ${JSON.stringify(dtype.slice(0, 20))}`);
  let size = bits[dtype]!;
  for (const n of shape) {
    size *= n;
    if (!Number.isSafeInteger(size)) broken(`the tensor ${name} [${shape.join(', ')}] is larger than any file`);
  }
  if (size % 8 !== 0) broken(`the tensor ${name} [${shape.join(', ')}] ${dtype} ends within a byte`);
  return size / 8;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** All numbers as F32, tensors in the given order, data aligned to 8 bytes. */
export function writeSafetensors(
  tensors: Iterable<{ readonly name: string; readonly shape: readonly number[]; readonly data: Float32Array }>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array {
  const list = [...tensors];
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, data } of list) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, (end += data.byteLength)] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength);
  bytes.set(json, 8);
  let at = 8 + headerLength;
  for (const { data } of list) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** IEEE 754 binary16 to number. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
