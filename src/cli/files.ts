/**
 * Files on disk that are whole or not there: replaced in one move, appended to durably, and JSON under a seal, in which one changed bit is
 * found. What is in them is for others to know.
 */
import type { Stats } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LabError } from '../errors.ts';
import { parseJson, parseJsonBytes } from '../json.ts';
import type { WrittenFile } from '../policy/file.ts';
import { maxTextBytes } from '../policy/source.ts';
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

/** Written beside and moved over, piece after piece. @param onBytes how many were written since */
export async function writePieces(path: string, file: WrittenFile, onBytes?: (bytes: number) => void): Promise<void> {
  await writeStream(path, async (write) => {
    for await (const bytes of file.bytes()) {
      await write(bytes);
      onBytes?.(bytes.length);
    }
  });
}

/** The same of what makes its pieces itself, and hands each to `write`. */
export async function writeStream(path: string, make: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>): Promise<void> {
  const fresh = unfinished(path);
  await mkdir(dirname(fresh), { recursive: true });
  const handle = await open(fresh, 'w');
  try {
    await make((bytes) => handle.writeFile(bytes));
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(fresh, { force: true });
    throw error;
  }
  await handle.close();
  await rename(fresh, path);
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

/**
 * The whole of a regular file: to read a pipe or a device may take for ever.
 * @param limit bytes  @throws LabError 'format' for anything else and for a larger file; the system's own error where there is none
 */
export async function readWhole(file: string, limit = maxTextBytes): Promise<Buffer> {
  const found = await regularFile(file);
  if (found.size > limit) {
    throw new LabError('format', `${file} has more than ${limit / 1e6} MB.`, 'Check that it is the right one; a smaller one is read.');
  }
  return readFile(file);
}

/** @throws LabError 'format' for anything but a regular file; the system's own error where there is none */
export async function regularFile(file: string): Promise<Stats> {
  const found = await stat(file);
  if (found.isFile()) return found;
  const [is, next] = notRead(found);
  throw new LabError('format', `${file} is ${is}, not a file.`, next);
}

function notRead(found: Stats): readonly [is: string, next: string] {
  if (found.isDirectory()) return ['a folder', 'Give a file in its place.'];
  const is = found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
  return [is, 'Write what comes out of it into a file, and give that.'];
}

/** @throws LabError 'format' for a file that is not JSON, see `json.ts`, and as `readWhole` */
export async function readJson(file: string): Promise<unknown> {
  return parseJsonBytes(await readWhole(file), { file, next: 'Correct it or restore it.' });
}

/** The value as JSON with its fingerprint as the last entry. */
export async function sealedJson(value: object): Promise<string> {
  const seal = await fingerprint(bytesOf(pretty(value)));
  return pretty({ ...value, seal });
}

/** What a file under a seal holds; null where a bit of it is not what `sealedJson` wrote. */
export async function readSealed(file: string): Promise<object | null> {
  return openSealedJson((await readWhole(file)).toString('utf8'));
}

/** Null where a bit of the text is not what `sealedJson` wrote. */
export async function openSealedJson(text: string): Promise<object | null> {
  let json: unknown;
  try {
    json = parseJson(text, { file: 'sealed' });
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
