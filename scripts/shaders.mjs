/** `npm run shaders`: writes the types of the shaders' names (src/engine/gpu/shaders.d.ts); with --check only says whether they are current. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

/** @type {{ module: typeof import('./wgsl-types.ts') }} */
const { module: types } = await runnerImport(resolve(root, 'scripts/wgsl-types.ts'), { configFile: false, logLevel: 'error' });
const now = types.declarations();
const current = existsSync(types.declarationsFile) && readFileSync(types.declarationsFile, 'utf8') === now;
if (!current && process.argv.includes('--check')) {
  console.error('src/engine/gpu/shaders.d.ts is older than the shaders: run `npm run shaders` and look at what changed.');
  process.exit(1);
}
if (!current) writeFileSync(types.declarationsFile, now);
