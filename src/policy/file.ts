/**
 * One file of a policy, read by range, so that what is larger than memory can be read a tensor at a time. In memory and in a Blob here, on
 * a web server in `http-file.ts`; the command line brings those on disk.
 */
import { LabError } from '../errors.ts';

export interface PolicyFile {
  /** For the reader: "model.safetensors of permix-tiny". */
  readonly name: string;
  readonly size: number;
  /** Its bytes `from` ≤ i < `to`, both within it; not to be written to. @throws LabError where they cannot be read */
  read(from: number, to: number): Promise<Uint8Array>;
}

export function bytesFile(name: string, bytes: Uint8Array): PolicyFile {
  return { name, size: bytes.length, read: (from, to) => Promise.resolve(bytes.subarray(from, to)) };
}

/** A file to be written, piece after piece, so that it is never in memory whole. */
export interface WrittenFile {
  /** Within its folder: `model.safetensors`. */
  readonly name: string;
  /** Bytes, known before the first is made. */
  readonly size: number;
  /** From the beginning, each time. @throws LabError where what it is made of cannot be read, or written so */
  bytes(): AsyncIterable<Uint8Array>;
}

/** @param json an object, written as people read it */
export function jsonFile(name: string, json: unknown): WrittenFile {
  return heldFile(name, new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`));
}

export function heldFile(name: string, bytes: Uint8Array): WrittenFile {
  return {
    name,
    size: bytes.length,
    async *bytes() {
      yield await Promise.resolve(bytes);
    },
  };
}

/** A file that the reader picked or dropped, or one of the browser's storage. */
export function blobFile(name: string, blob: Blob): PolicyFile {
  return {
    name,
    size: blob.size,
    async read(from, to) {
      try {
        return new Uint8Array(await blob.slice(from, to).arrayBuffer());
      } catch (cause) {
        // The browser's word for one that was changed or moved since it was picked.
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new LabError('format', `${name} can no longer be read: ${why}`, 'Choose the file again.', { cause });
      }
    },
  };
}

/** Without the folders before it. */
export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const isWeights = (path: string): boolean => /\.(safetensors|gguf)$/i.test(path);
export const isGguf = (path: string): boolean => /\.gguf$/i.test(path);
