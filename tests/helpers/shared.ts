/** Where the extra reference material lies beside a checkout, when it is there. Tests that need it skip by name when it is not. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../../../shared');

/** The parsed JSON of a file below ../shared, or null. */
export function sharedJson<T>(path: string): T | null {
  const file = resolve(folder, path);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : null;
}

/** The same for JSON lines. */
export function sharedLines<T>(path: string): T[] | null {
  const file = resolve(folder, path);
  if (!existsSync(file)) return null;
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** Where a file below ../shared is, or null. */
export function sharedFile(path: string): string | null {
  const file = resolve(folder, path);
  return existsSync(file) ? file : null;
}
