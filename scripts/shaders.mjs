/**
 * `npm run shaders`: writes the types of the names in shaders/ (src/engine/gpu/shaders.d.ts) and in src/engine/wasm/kernels/ (kernels.d.ts beside it);
 * with --check only says whether they are current.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

const check = process.argv.includes('--check');
for (const source of ['shaders', 'kernels']) {
  const script = source === 'shaders' ? 'wgsl-types' : 'kernels-types';
  /** @type {{ module: typeof import('./wgsl-types.ts') }} */
  const { module: types } = await runnerImport(resolve(root, `scripts/${script}.ts`), { configFile: false, logLevel: 'error' });
  const now = types.declarations();
  const file = types.declarationsFile;
  if (existsSync(file) && readFileSync(file, 'utf8') === now) continue;
  if (check) {
    console.error(`${relative(root, file)} is older than ${source}/: run \`npm run shaders\` and look at what changed.`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, now);
  }
}
