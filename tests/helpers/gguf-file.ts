/** Writes GGUF files, right ones and wrong ones: every number of the header can be said otherwise. */

type Value = string | number | boolean | readonly string[] | Int32Array | Raw;
/** A value of a type of one's own, as it is. */
export interface Raw {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface GgufTensor {
  readonly name: string;
  /** ggml's order: the length of a row first. */
  readonly ne: readonly (number | bigint)[];
  readonly type?: number;
  readonly data: Uint8Array | Float32Array;
  /** In place of the right one. */
  readonly offset?: number;
}

export interface GgufParts {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata?: readonly (readonly [key: string, value: Value])[];
  readonly tensors?: readonly GgufTensor[];
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
  readonly alignment?: number;
}

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const utf8 = (text: string) => new TextEncoder().encode(text);
const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
export const ggufText = (text: string): Uint8Array => joined([u64(utf8(text).length), utf8(text)]);

function typed(value: Value): readonly Uint8Array[] {
  if (typeof value === 'string') return [u32(8), ggufText(value)];
  if (typeof value === 'boolean') return [u32(7), Uint8Array.of(value ? 1 : 0)];
  if (typeof value === 'number') {
    return Number.isInteger(value) ? [u32(4), u32(value)] : [u32(6), new Uint8Array(Float32Array.of(value).buffer)];
  }
  if (value instanceof Int32Array) return [u32(9), u32(5), u64(value.length), new Uint8Array(value.buffer)];
  if ('bytes' in value) return [u32(value.type), value.bytes];
  return [u32(9), u32(8), u64(value.length), ...value.map(ggufText)];
}

export function ggufFile(parts: GgufParts): Uint8Array {
  const { metadata = [], tensors = [], alignment = 32 } = parts;
  const padded = (length: number) => Math.ceil(length / alignment) * alignment;
  const infos: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let end = 0;
  for (const { name, ne, type = 0, data: numbers, offset } of tensors) {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    infos.push(ggufText(name), u32(ne.length), ...ne.map(u64), u32(type), u64(offset ?? end));
    data.push(bytes, new Uint8Array(padded(bytes.length) - bytes.length));
    end += padded(bytes.length);
  }
  const header = joined([
    utf8(parts.magic ?? 'GGUF'),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.entryCount ?? metadata.length),
    ...metadata.flatMap(([key, value]) => [ggufText(key), ...typed(value)]),
    ...infos,
  ]);
  return joined([header, new Uint8Array(padded(header.length) - header.length), ...data]);
}
