/** Runs TypeScript from its sources, shaders and kernels included: for the benchmark and the peers, which are no part of what is built. */
import { resolve } from 'node:path';
import { root } from './install.mjs';

/**
 * A server that loads modules and serves nobody; who asks for one closes it.
 * @returns {Promise<import('vite').ViteDevServer>}
 */
export async function sources() {
  const { createServer, runnerImport } = await import('vite');
  /** @type {{ module: typeof import('./wgsl-plugin.ts') }} */
  const { module: shaders } = await runnerImport(resolve(root, 'scripts/wgsl-plugin.ts'), { configFile: false });
  /** @type {{ module: typeof import('./kernels-plugin.ts') }} */
  const { module: kernels } = await runnerImport(resolve(root, 'scripts/kernels-plugin.ts'), { configFile: false });
  return createServer({
    root,
    configFile: false,
    plugins: [shaders.wgsl(), kernels.kernelModule()],
    appType: 'custom',
    logLevel: 'warn',
    server: { middlewareMode: true, watch: null, hmr: false, ws: false },
    optimizeDeps: { noDiscovery: true, include: [] },
  });
}
