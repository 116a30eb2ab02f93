/**
 * The command line as one folder, dist-cli/, that needs no node_modules: `permix.js`, its chunks and tfjs's wasm binaries.
 * Only the npm package `webgpu` (Dawn, a native library) stays outside, and is optional at run time.
 */
import { copyFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { kernelModule } from './scripts/kernels-plugin.ts';
import { notices } from './scripts/notices-plugin.ts';
import { wgsl } from './scripts/wgsl-plugin.ts';

const outDir = resolve(import.meta.dirname, 'dist-cli');

/** tfjs loads its wasm binary from a folder at run time. */
function wasmBinaries(): Plugin {
  const from = resolve(import.meta.dirname, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');
  return {
    name: 'wasm-binaries',
    writeBundle() {
      // The threaded one is never used: threads hang minified builds and gain nothing.
      for (const name of readdirSync(from).filter((file) => file.endsWith('.wasm') && !file.includes('threaded'))) {
        copyFileSync(join(from, name), join(outDir, name));
      }
    },
  };
}

export default defineConfig({
  publicDir: false,
  plugins: [wgsl(), kernelModule(), wasmBinaries(), notices().page],
  // Emscripten's glue was written for CommonJS.
  define: { __dirname: 'import.meta.dirname' },
  ssr: { target: 'node', noExternal: true, external: ['webgpu'] },
  build: {
    ssr: true,
    outDir,
    emptyOutDir: true,
    target: 'node20',
    minify: false,
    chunkSizeWarningLimit: 5000,
    // Chunks beside the entry: what they find by import.meta.dirname is then the same folder.
    rolldownOptions: {
      input: { permix: 'src/cli/main.ts', 'engine-thread': 'src/cli/engine-thread.ts' },
      output: { chunkFileNames: '[name]-[hash].js' },
    },
  },
});
