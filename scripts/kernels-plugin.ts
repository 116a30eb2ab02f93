/**
 * Build plugin: `import binary from './kernels/index.ts?kernels'` gives the AssemblyScript in src/engine/wasm/kernels/ as a WebAssembly module, in base64, so
 * that page, worker, command line and tests have it without a file beside them; `?kernels-relaxed` the same with relaxed SIMD. It is compiled when its sources change, and kept by their hash.
 * What its functions are called with is read here too (`kernels-types.ts`).
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';

const root = resolve(import.meta.dirname, '..');
export const kernels = join(root, 'src/engine/wasm/kernels');

/** No runtime and no allocator: memory is the engine's. 112: kernels hand vectors to each other, never to the host. */
const options = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--maximumMemory', '65536', '--enable', 'simd,bulk-memory'];
const quiet = ['--disableWarning', '112'];
/** Products and sums rounded once: kernels/product.ts. */
const relaxed = ['--enable', 'relaxed-simd', '--use', 'FUSED=1'];
const variants: Readonly<Record<string, readonly string[]>> = { kernels: options, 'kernels-relaxed': [...options, ...relaxed] };

export const kernelFiles = () =>
  readdirSync(kernels)
    .filter((name) => name.endsWith('.ts'))
    .sort();

/** @throws what the compiler says */
export async function compileKernels(variant = 'kernels'): Promise<Uint8Array> {
  const options = variants[variant]!;
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/assemblyscript/package.json'), 'utf8')) as { version: string };
  const hash = createHash('sha256').update([version, ...options].join('\n'));
  for (const name of kernelFiles()) hash.update(name).update(readFileSync(join(kernels, name)));
  const cache = join(root, 'node_modules/.cache/permix-kernels');
  const kept = join(cache, `${hash.digest('hex').slice(0, 32)}.wasm`);
  if (existsSync(kept)) return readFileSync(kept);

  const asc = await import('assemblyscript/asc');
  let binary: Uint8Array | null = null;
  const writeFile = (_: string, contents: Uint8Array | string) => {
    if (typeof contents !== 'string') binary = contents;
  };
  const { error, stderr } = await asc.main(['index.ts', '--baseDir', kernels, ...options, ...quiet, '--outFile', 'kernels.wasm'], {
    writeFile,
  });
  const said = stderr.toString().trim();
  if (error || binary === null || said !== '') throw new Error(`src/engine/wasm/kernels/ does not compile: ${said || String(error)}`);
  mkdirSync(cache, { recursive: true });
  // Two builds may compile at the same time: neither may read half a file.
  const whole = `${kept}.${process.pid}`;
  writeFileSync(whole, binary);
  renameSync(whole, kept);
  return binary;
}

export function kernelModule(): Plugin {
  return {
    name: 'kernels',
    enforce: 'pre',
    async load(id) {
      const [path, query] = id.split('?');
      const variant = query?.split('&')[0] ?? '';
      if (!(variant in variants) || !path!.endsWith('kernels/index.ts')) return null;
      for (const name of kernelFiles()) this.addWatchFile(join(kernels, name));
      const text = Buffer.from(await compileKernels(variant)).toString('base64');
      return { code: `export default ${JSON.stringify(text)};`, map: null, moduleType: 'js' };
    },
  };
}
