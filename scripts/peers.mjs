/**
 * `npm run peers -- [OPTIONS]`: makes the Python of scripts/peers/requirements.txt a home under .permix/, and runs tests/peers/main.ts with it.
 * For development only: nothing of it is part of the product or of `npm test`.
 */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildCli } from './build-cli.mjs';
import { install, root, run } from './install.mjs';
import { sources } from './sources.mjs';

const requirements = resolve(root, 'scripts/peers/requirements.txt');
const windows = process.platform === 'win32';

/** The first Python that is new enough. @returns {string} */
function findPython() {
  const named = process.env['PYTHON'];
  const candidates = named
    ? [named]
    : ['python3', 'python', ...(windows ? ['py'] : []), ...[14, 13, 12, 11, 10].map((n) => `python3.${n}`)];
  const asked = 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else 1)';
  const found = candidates.find((name) => spawnSync(name, ['-c', asked], { stdio: 'ignore' }).status === 0);
  if (found) return found;
  throw new Error(`npm run peers needs Python 3.10 or newer${named ? `, and PYTHON is ${named}` : ''}. Install it, or name it in PYTHON.`);
}

/** The virtual environment of these requirements, made where it is missing. @returns {Promise<string>} its Python */
async function environment() {
  const python = findPython();
  const named = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = resolve(root, '.permix/peers', `venv-${named}`);
  const own = resolve(folder, windows ? 'Scripts/python.exe' : 'bin/python');
  // Written last, so that an interrupted installation is done again.
  const whole = resolve(folder, 'installed');
  if (existsSync(whole)) return own;
  console.error(`Installing ${requirements} into ${folder} …`);
  mkdirSync(resolve(root, '.permix/peers'), { recursive: true });
  for (const args of [
    ['-m', 'venv', '--clear', folder],
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements],
  ]) {
    const code = await run(args[1] === 'venv' ? python : own, args, { stdio: ['ignore', 2, 2] });
    if (code !== 0)
      throw new Error('The Python packages could not be installed; the message is above. Check the network and pip’s configuration.');
  }
  writeFileSync(whole, '');
  return own;
}

/** @returns {Promise<number>} the exit code */
async function main() {
  await install();
  // Its threads are those of the command line.
  await buildCli();
  const server = await sources();
  try {
    const { peers } = await server.ssrLoadModule('/tests/peers/main.ts');
    return await peers(process.argv.slice(2), environment);
  } finally {
    await server.close();
  }
}

const code = await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
process.stdout.write('', () => process.exit(code));
