/** `npm run bench -- [OPTIONS]`: installs what is missing, builds the command line, puts Dawn where a browser has WebGPU, and runs tests/bench/main.ts from its sources. */
import { buildCli } from './build-cli.mjs';
import { install } from './install.mjs';
import { sources } from './sources.mjs';

/** @returns {Promise<number>} the exit code */
async function main() {
  await install();
  // Its threads are those of the command line.
  await buildCli();
  const server = await sources();
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
