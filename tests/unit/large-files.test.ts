/**
 * Files past 32-bit numbers, holes but for a few bytes: of 4.5 GiB on disk, as the command line reads them, and of 2.5 GiB as Blobs, as a page
 * does (Node 20 makes none of more than 4 GiB).
 */
import { closeSync, ftruncateSync, mkdtempSync, openAsBlob, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diskFile } from '../../src/cli/disk-file.ts';
import { blobFile, type PolicyFile } from '../../src/policy/file.ts';
import { readGgufHeader } from '../../src/policy/gguf-header.ts';
import { readSafetensors } from '../../src/policy/safetensors.ts';
import { numbersOf, type Tensor } from '../../src/policy/tensor.ts';
import { finitePieces } from '../../src/policy/weights.ts';
import { ggufFile } from '../helpers/gguf-file.ts';

const columns = 2 ** 20;
const values = Float32Array.of(1.5, -2, 0.25, 3, 4, -5, 6, 7);
const bytes = new Uint8Array(values.buffer);

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'permix-large-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** The header, a hole where the large tensor lies, and the numbers of the small one. */
function written(name: string, header: Uint8Array, large: number): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  writeSync(file, header, 0, header.length, 0);
  writeSync(file, bytes, 0, bytes.length, header.length + large);
  ftruncateSync(file, header.length + large + bytes.length);
  closeSync(file);
  return path;
}

async function expectRead(tensors: ReadonlyMap<string, Tensor>, large: number): Promise<void> {
  expect([...tensors.keys()].sort()).toEqual(['large', 'small']);
  expect(await numbersOf(tensors.get('small')!)).toEqual(values);
  const whole = tensors.get('large')!;
  expect(whole.byteLength).toBe(large);
  expect([...(await whole.read(large - 4, large))]).toEqual([0, 0, 0, 0]);
  // The first piece of many: no tensor is read as one.
  for await (const piece of finitePieces(whole)) {
    expect(piece.length).toBeLessThan(2 ** 24);
    expect(piece.every((value) => value === 0)).toBe(true);
    break;
  }
}

/** How the file is opened, and the rows of its large tensor. */
const ways: readonly (readonly [string, (path: string) => Promise<PolicyFile>, number])[] = [
  ['on disk', diskFile, 2304],
  ['as a Blob', async (path) => blobFile('large', await openAsBlob(path)), 1280],
];

it.each(ways)('safetensors %s', async (_, opened, rows) => {
  const large = 2 * rows * columns;
  const tensors = {
    large: { dtype: 'BF16', shape: [rows, columns], data_offsets: [0, large] },
    small: { dtype: 'F32', shape: [2, 4], data_offsets: [large, large + bytes.length] },
  };
  const json = new TextEncoder().encode(JSON.stringify(tensors));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  const file = await opened(written('model.safetensors', header, large));
  expect(file.size).toBeGreaterThan(2 ** 31);
  await expectRead((await readSafetensors(file)).tensors, large);
});

it.each(ways)('GGUF %s', async (_, opened, rows) => {
  const large = 2 * rows * columns;
  const whole = ggufFile({
    metadata: [['general.architecture', 'llama']],
    tensors: [
      { name: 'large', ne: [columns, rows], type: 1, data: new Uint8Array(0), offset: 0 },
      { name: 'small', ne: [4, 2], data: values, offset: large },
    ],
  });
  const file = await opened(written('model.gguf', whole.subarray(0, whole.length - bytes.length), large));
  await expectRead((await readGgufHeader(file)).tensors, large);
});
