/**
 * The safetensors file format (8 bytes header length, JSON header, raw little-endian data), read and written whole.
 * Numbers come out as float32 whatever they were stored as. It does not know what a policy is.
 * Format: https://huggingface.co/docs/safetensors
 */
import { LabError } from '../errors.ts';

export interface SafeTensor {
  readonly shape: number[];
  readonly dtype: string;
  readonly data: Float32Array;
}

/** Bytes per number, and the way to float32. */
const readers: Readonly<Record<string, { bytes: number; read: (raw: Uint8Array) => Float32Array }>> = {
  F32: { bytes: 4, read: (raw) => new Float32Array(raw.slice().buffer) },
  F16: { bytes: 2, read: (raw) => Float32Array.from(new Uint16Array(raw.slice().buffer), halfToFloat) },
  BF16: {
    bytes: 2,
    read: (raw) => {
      const bits = new Uint32Array(raw.length / 2);
      new Uint16Array(raw.slice().buffer).forEach((half, i) => (bits[i] = half << 16));
      return new Float32Array(bits.buffer);
    },
  },
};

/** Larger than that of any policy this project can hold; a broken length would ask for more. */
const maxHeaderBytes = 32 * 1024 * 1024;
const fetchAgain = 'Fetch the file again; it is broken or was cut off on the way.';

function broken(what: string, next = fetchAgain): never {
  throw new LabError('format', `The safetensors file is broken: ${what}.`, next);
}

/** @throws LabError `format` naming the tensor */
export function readSafetensors(bytes: Uint8Array): { tensors: Map<string, SafeTensor>; metadata: Record<string, string> } {
  const { header, dataStart } = readHeader(bytes);
  const available = bytes.length - dataStart;
  const tensors = new Map<string, SafeTensor>();
  const extents: { name: string; start: number; end: number }[] = [];
  const { __metadata__: metadata, ...entries } = header;
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, start, end } = readEntry(name, entry);
    const reader = Object.hasOwn(readers, dtype) ? readers[dtype] : undefined;
    if (!reader) {
      broken(`the tensor ${name} is stored as ${dtype}`, 'Supported are F32, F16 and BF16; use the original weights of the policy.');
    }
    const size = shape.reduce((total, n) => total * n, 1) * reader.bytes;
    if (end - start !== size) broken(`the tensor ${name} [${shape.join(', ')}] ${dtype} needs ${size} bytes, it has ${end - start}`);
    if (end > available) broken(`the tensor ${name} ends at byte ${end} of ${available} bytes of data`);
    tensors.set(name, { shape, dtype, data: reader.read(bytes.subarray(dataStart + start, dataStart + end)) });
    if (size > 0) extents.push({ name, start, end });
  }
  extents.sort((a, b) => a.start - b.start);
  for (let i = 1; i < extents.length; i++) {
    if (extents[i]!.start < extents[i - 1]!.end) broken(`the tensors ${extents[i - 1]!.name} and ${extents[i]!.name} overlap`);
  }
  return { tensors, metadata: (metadata ?? {}) as Record<string, string> };
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) broken(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > maxHeaderBytes) broken(`its header claims ${length} bytes, which is too much to be true`);
  if (8 + length > bytes.length) broken(`its header claims ${length} bytes, the file has ${bytes.length}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    broken('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) broken('its header is not a JSON object');
  return { header: header as Record<string, unknown>, dataStart: 8 + length };
}

function readEntry(name: string, entry: unknown): { dtype: string; shape: number[]; start: number; end: number } {
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const { dtype, shape, data_offsets: offsets } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  if (typeof dtype !== 'string') broken(`the tensor ${name} has no dtype`);
  if (!Array.isArray(shape) || !shape.every(isSize)) broken(`the tensor ${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0]! > offsets[1]!) {
    broken(`the tensor ${name} has no valid data_offsets`);
  }
  return { dtype, shape, start: offsets[0]!, end: offsets[1]! };
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
