/**
 * Writes GGUF files (version 3, little-endian): metadata and tensors, piece after piece. It does not know what a policy is; what is said of
 * one is `gguf-export.ts`, and reading is `gguf-header.ts`. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import type { WrittenFile } from './file.ts';
import { bytesOf, encoded, type WrittenFormat } from './tensor-encoding.ts';
import type { Tensor } from './tensor.ts';

/** A value with the type that its readers expect. */
export type GgufEntry =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly flag: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] };

export interface GgufTensor {
  /** ggml's name. */
  readonly name: string;
  readonly tensor: Tensor;
  readonly format: WrittenFormat;
}

const types: Readonly<Record<WrittenFormat, number>> = { f32: 0, f16: 1, q8_0: 8, bf16: 30 };
const alignment = 32;
const aligned = (at: number) => Math.ceil(at / alignment) * alignment;

/** @param tensors rows of whole blocks; in this order */
export function ggufFile(name: string, metadata: ReadonlyMap<string, GgufEntry>, tensors: readonly GgufTensor[]): WrittenFile {
  const header = new Bytes();
  header.raw(new TextEncoder().encode('GGUF')).u32(3).u64(tensors.length).u64(metadata.size);
  for (const [key, entry] of metadata) header.text(key).entry(entry);
  let end = 0;
  for (const { name: own, tensor, format } of tensors) {
    header.text(own).u32(tensor.shape.length);
    for (const n of [...tensor.shape].reverse()) header.u64(n);
    header.u32(types[format]).u64(end);
    end += aligned(bytesOf(tensor, format));
  }
  const head = header.padded();
  return {
    name,
    size: head.length + end,
    async *bytes() {
      yield head;
      for (const { tensor, format } of tensors) {
        yield* encoded(tensor, format);
        const bytes = bytesOf(tensor, format);
        if (aligned(bytes) > bytes) yield new Uint8Array(aligned(bytes) - bytes);
      }
    },
  };
}

class Bytes {
  #buffer = new Uint8Array(2 ** 16);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
    return this;
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  entry(entry: GgufEntry): void {
    if ('u32' in entry) this.u32(4).u32(entry.u32);
    else if ('f32' in entry) this.u32(6).raw(new Uint8Array(Float32Array.of(entry.f32).buffer));
    else if ('flag' in entry) this.u32(7).raw(Uint8Array.of(entry.flag ? 1 : 0));
    else if ('text' in entry) this.u32(8).text(entry.text);
    else if ('i32s' in entry)
      this.u32(9)
        .u32(5)
        .u64(entry.i32s.length)
        .raw(new Uint8Array(Int32Array.from(entry.i32s).buffer));
    else {
      this.u32(9).u32(8).u64(entry.texts.length);
      for (const text of entry.texts) this.text(text);
    }
  }

  padded(): Uint8Array {
    this.#grow(aligned(this.#length) - this.#length);
    return this.#buffer.slice(0, this.#length);
  }

  /** @returns where the next bytes go */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
