/** `npm run bench -- [OPTIONS]`: installs what is missing, builds the command line, puts Dawn where a browser has WebGPU, and runs tests/bench/main.ts from its sources. */
import { buildCli } from './build-cli.mjs';
import { install, root } from './install.mjs';
import { resolve } from 'node:path';

/** @returns {Promise<number>} the exit code */
async function main() {
  await install();
  // Its threads are those of the command line.
  await buildCli();
  const { createServer, runnerImport } = await import('vite');
  /** @type {{ module: typeof import('./wgsl-plugin.ts') }} */
  const { module: plugin } = await runnerImport(resolve(root, 'scripts/wgsl-plugin.ts'), { configFile: false });
  /** @type {{ module: typeof import('./kernels-plugin.ts') }} */
  const { module: kernels } = await runnerImport(resolve(root, 'scripts/kernels-plugin.ts'), { configFile: false });
  const server = await createServer({
    root,
    configFile: false,
    plugins: [plugin.wgsl(), kernels.kernelModule()],
    appType: 'custom',
    logLevel: 'warn',
    server: { middlewareMode: true, watch: null, hmr: false, ws: false },
    optimizeDeps: { noDiscovery: true, include: [] },
  });
  try {
    // Tensor libraries look for WebGPU when they are loaded, so this comes first.
    const { provideWebGpu } = await server.ssrLoadModule('/src/cli/webgpu.ts');
    const missing = await provideWebGpu();
    if (missing) throw new Error(missing);
    const { provideIteratorHelpers } = await server.ssrLoadModule('/tests/bench/node-platform.ts');
    provideIteratorHelpers();
    const { bench } = await server.ssrLoadModule('/tests/bench/main.ts');
    return await bench(process.argv.slice(2));
  } finally {
    await server.close();
  }
}

const code = await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
// Dawn keeps a process alive; what is written goes out first.
process.stdout.write('', () => process.exit(code));
