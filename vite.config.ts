import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { ahead } from './scripts/ahead-plugin.ts';
import { findChromium, quietSwitches, softwareGpuSwitches } from './scripts/browser.ts';
import { icons } from './scripts/icons-plugin.ts';
import { kernelModule } from './scripts/kernels-plugin.ts';
import { katexFonts } from './scripts/katex-plugin.ts';
import { notices } from './scripts/notices-plugin.ts';
import { offline } from './scripts/offline-plugin.ts';
import { study } from './scripts/study-plugin.ts';
import { wgsl } from './scripts/wgsl-plugin.ts';

const chromium = findChromium();
const thirdParty = notices();

/** What the worker and everything right of it import. */
const workerPackages = [
  '@huggingface/jinja',
  '@huggingface/tokenizers',
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js',
  '@tensorflow/tfjs-backend-webgpu',
  '@zip.js/zip.js/lib/zip-core-native.js',
  'comlink',
  'hash-wasm',
  'idb',
  'zod/mini',
];

/** What is built is what hosts serve, whoever asks for it: a test's environment would make it the development variant, without its service worker. */
const forHosts: Plugin = {
  name: 'for-hosts',
  config: (_, { command }) => {
    if (command === 'build') process.env['NODE_ENV'] = 'production';
  },
};

/** How long plugins take on a busy machine is no news to whoever builds. */
const quietBuild = { checks: { pluginTimings: false } };

export default defineConfig({
  // Relative, so that dist/ works from any folder of any static host.
  base: './',
  plugins: [forHosts, wgsl(), kernelModule(), katexFonts, icons, svelte(), study(), ahead(), thirdParty.page, offline(thirdParty.page)],
  worker: { format: 'es', plugins: () => [wgsl(), kernelModule(), thirdParty.worker], rolldownOptions: quietBuild },
  // Bundled before the first request: a dependency that is discovered later reloads the page in the middle of a run or a test.
  optimizeDeps: { include: workerPackages },
  build: { target: 'es2022', chunkSizeWarningLimit: 3000, rolldownOptions: quietBuild },
  test: {
    // tfjs greets, and warns, at length; what a failing test printed is shown.
    silent: 'passed-only',
    slowTestThreshold: 10_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], environment: 'node', testTimeout: 30_000 } },
      {
        extends: true,
        test: { name: 'trajectory', include: ['tests/trajectory/**/*.test.ts'], environment: 'node', testTimeout: 180_000 },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          environment: 'node',
          globalSetup: 'tests/helpers/build-page.ts',
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        // Nothing of index.html is looked at when a file that is not there answers with it: its dependencies would reload the page too.
        server: { preTransformRequests: false },
        test: {
          name: 'gpu',
          include: ['tests/gpu/**/*.test.ts'],
          testTimeout: 120_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                ...(chromium ? { executablePath: chromium } : { channel: 'chromium' }),
                args: [...quietSwitches, ...softwareGpuSwitches],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
