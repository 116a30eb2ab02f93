/**
 * The safetensors file format (8 bytes header length, JSON header, raw little-endian data): read by range, written whole.
 * It does not know what a policy is. Format: https://huggingface.co/docs/safetensors; what is refused is what its reference reader refuses.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import type { PolicyFile } from './file.ts';
import type { TensorFormat } from './tensor-format.ts';
import type { Tensor } from './tensor.ts';

/** Bits per number of every dtype of the format. */
const bits: Readonly<Record<string, number>> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, F64: 64, I64: 64, U64: 64, C64: 64 },
};

/** Those that weights are read from. */
const formats: ReadonlyMap<string, TensorFormat> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);

/** Larger than that of any policy this project can hold; a broken length would ask for more. */
const maxHeaderBytes = 32 * 1024 * 1024;
/** Linear layers have two; some formats of other models have five. */
const maxDimensions = 8;
const fetchAgain = 'Fetch the file again; it is broken or was cut off on the way.';

/** Throws the fault as a sentence that names the file. */
type Broken = (what: string) => never;

/**
 * Reads the header, and checks all of it against the length of the file: as the format demands, the tensors lie one after the other
 * without an overlap or a hole, and nothing follows them. No tensor is read.
 * @throws LabError `format` naming file and tensor
 */
export async function readSafetensors(file: PolicyFile): Promise<{ tensors: Map<string, Tensor>; metadata: Record<string, string> }> {
  const broken: Broken = (what) => {
    throw new LabError('format', `${file.name} is broken: ${what}.`, fetchAgain);
  };
  const { header, dataStart } = await readHeader(file, broken);
  const available = file.size - dataStart;
  const tensors = new Map<string, Tensor>();
  const extents: { name: string; start: number; end: number }[] = [];
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) broken('its __metadata__ is not texts');
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, start, end } = readEntry(name, entry, broken);
    const size = sizeOf(name, dtype, shape, broken);
    if (end - start !== size) broken(`the tensor ${name} [${shape.join(', ')}] ${dtype} needs ${size} bytes, it has ${end - start}`);
    if (end > available) broken(`the tensor ${name} ends at byte ${end} of ${available} bytes of data`);
    const origin = dataStart + start;
    const read = (from: number, to: number) => file.read(origin + from, origin + to);
    tensors.set(name, { name, shape, dtype, format: formats.get(dtype) ?? null, byteLength: size, read });
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

async function readHeader(file: PolicyFile, broken: Broken): Promise<{ header: Record<string, unknown>; dataStart: number }> {
  if (file.size < 8) broken(`it has ${file.size} bytes`);
  const start = await file.read(0, 8);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > maxHeaderBytes) broken(`its header claims ${length} bytes, which is too much to be true`);
  if (8 + length > file.size) broken(`its header claims ${length} bytes, the file has ${file.size}`);
  const raw = await file.read(8, 8 + length);
  // A byte order mark, which the reader of JSON would skip, is none of the format.
  if (raw[0] !== 0x7b) broken('its header is not a JSON object');
  const header = parseJsonBytes(raw, { file: `The header of ${file.name}`, next: fetchAgain });
  if (!isObject(header)) return broken('its header is not a JSON object');
  return { header, dataStart: 8 + length };
}

function readEntry(name: string, entry: unknown, broken: Broken): { dtype: string; shape: number[]; start: number; end: number } {
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
function sizeOf(name: string, dtype: string, shape: readonly number[], broken: Broken): number {
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
  const header = safetensorsHeader(
    list.map(({ name, shape, data }) => ({ name, shape, bytes: data.byteLength })),
    'F32',
    metadata,
  );
  const bytes = new Uint8Array(header.length + list.reduce((total, { data }) => total + data.byteLength, 0));
  bytes.set(header);
  let at = header.length;
  for (const { data } of list) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** What stands before the data of tensors that lie in this order: their length and their names, padded to 8 bytes. */
export function safetensorsHeader(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly bytes: number }[],
  dtype: string,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, shape, bytes }) => [name, { dtype, shape, data_offsets: [end, (end += bytes)] }]);
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}
