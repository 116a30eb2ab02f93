/**
 * Build plugin: `import kernel from '../../shaders/rl/x.wgsl'` gives the WGSL text, with `// #include "lib/y.wgsl"` lines
 * (paths relative to shaders/) replaced by that file, once.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

const shaders = resolve(import.meta.dirname, '../shaders');

function expand(path: string, seen: Set<string>, watch: (file: string) => void): string {
  if (seen.has(path)) return '';
  seen.add(path);
  watch(path);
  return readFileSync(path, 'utf8').replace(/^\/\/ #include "(.+)"$/gm, (_, name: string) => expand(resolve(shaders, name), seen, watch));
}

export function wgsl(): Plugin {
  return {
    name: 'wgsl',
    enforce: 'pre',
    load(id) {
      const path = id.split('?')[0]!;
      if (!path.endsWith('.wgsl')) return null;
      const code = expand(path, new Set(), (file) => this.addWatchFile(file));
      return { code: `export default ${JSON.stringify(code)};`, map: null };
    },
  };
}
