/**
 * Installs what the lock file names and node_modules lacks. Plain Node without dependencies: it runs in a fresh clone.
 * It is not an update: versions come from package-lock.json only.
 */
import './node-version.mjs';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** @typedef {{ packages?: Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> }} Lock */

/** @param {string} path @returns {Lock | null} */
function readLock(path) {
  try {
    return /** @type {Lock} */ (JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

/**
 * npm writes node_modules/.package-lock.json last, so it is absent after an interrupted install. Versions are compared
 * rather than dates: a checkout touches files whose content did not change.
 */
function installed() {
  const wanted = readLock(resolve(root, 'package-lock.json'))?.packages;
  const present = readLock(resolve(root, 'node_modules/.package-lock.json'))?.packages;
  if (!wanted) throw new Error('package-lock.json is missing or broken. Restore it with git checkout package-lock.json.');
  if (!present) return false;
  // Optional packages are for other operating systems, mostly; npm decides which of them are needed here.
  return Object.entries(wanted).every(([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version);
}

/**
 * Runs a program in the root of the checkout and resolves with its exit code; a signal counts as 1.
 * @param {string} command @param {readonly string[]} args @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>}
 */
export function run(command, args, options = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
}

/** Output goes to stderr, so that a command whose stdout is data can install first. */
export async function install() {
  if (installed()) return;
  console.error('Installing the packages of package-lock.json (npm ci) …');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const stdio = /** @type {const} */ (['ignore', 2, 2]);
  // npm tells its scripts where it lives; elsewhere `npm` is on the path (a .cmd file on Windows, hence the shell).
  const npm = process.env['npm_execpath'];
  const code = npm?.endsWith('.js')
    ? await run(process.execPath, [npm, ...args], { stdio: [...stdio] })
    : await run('npm', args, { stdio: [...stdio], shell: process.platform === 'win32' });
  if (code !== 0) throw new Error('npm ci failed; its own message is above. Check the network connection and try again.');
}
