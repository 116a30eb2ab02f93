/**
 * Files on disk that are whole or not there: replaced in one move, appended to durably, and JSON under a seal, in which one changed bit is
 * found. What is in them is for others to know.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { fingerprint } from '../storage/hash.ts';

/** The name a file has until it is whole; what is found under it was never finished. */
export const unfinished = (file: string): string => `${file}.new`;

/** Written beside and moved over: whoever reads finds the old file or the new one, whole, even after a power cut. */
export async function replaceFile(file: string, ...parts: readonly (string | Uint8Array)[]): Promise<void> {
  const fresh = unfinished(file);
  const handle = await open(fresh, 'w');
  try {
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
  await syncFolder(dirname(file));
}

/** Creates the folder, and makes sure that a power cut does not take its entry away again. @returns whether it was not there */
export async function makeFolder(folder: string): Promise<boolean> {
  const made = (await mkdir(folder, { recursive: true })) !== undefined;
  if (made) await syncFolder(dirname(folder));
  return made;
}

/** A move is on the disk when its folder is. Windows has no such call, and journals moves by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** No JSON that this program writes or reads whole has a tenth of it. */
const maxJsonBytes = 200_000_000;

/** Of a larger file, or of a pipe without end, no more is read. @throws LabError 'format' for a file that is not JSON, see `json.ts` */
export async function readJson<T>(file: string): Promise<T> {
  const next = 'Correct it or restore it.';
  const chunks: Buffer[] = [];
  let read = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if ((read += chunk.length) > maxJsonBytes) throw new LabError('format', `${file} has more than ${maxJsonBytes / 1e6} MB.`, next);
  }
  return parseJsonBytes(Buffer.concat(chunks), { file, next }) as T;
}

/** The value as JSON with its fingerprint as the last entry. */
export async function sealedJson(value: object): Promise<string> {
  const seal = await fingerprint(bytesOf(pretty(value)));
  return pretty({ ...value, seal });
}

/** Null where a bit of the text is not what `sealedJson` wrote. */
export async function openSealedJson(text: string): Promise<object | null> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof json !== 'object' || json === null || !('seal' in json)) return null;
  const { seal: _, ...value } = json;
  return (await sealedJson(value)) === text ? value : null;
}

const pretty = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

function bytesOf(text: string): ArrayBuffer {
  return new TextEncoder().encode(text).buffer as ArrayBuffer;
}
