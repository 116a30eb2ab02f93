/** Whether something built is older than what it was built from. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './install.mjs';

/** @param {string} path @returns {number} newest modification time below it, 0 where there is nothing */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  // The folder's own date changes when a file of it is deleted.
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stat.mtimeMs);
}

/** @param {string} target the file a build writes last @param {readonly string[]} sources files and folders, relative to the root */
export function stale(target, sources) {
  const built = statSync(resolve(root, target), { throwIfNoEntry: false });
  return !built || sources.some((source) => newest(resolve(root, source)) > built.mtimeMs);
}

const config = ['scripts', 'package-lock.json', 'svelte.config.js', 'LICENSE'];
export const pageSources = ['src', 'shaders', 'public', 'docs/reproduction', 'index.html', 'vite.config.ts', ...config];
export const cliSources = ['src', 'shaders', 'vite.cli.config.ts', ...config];
