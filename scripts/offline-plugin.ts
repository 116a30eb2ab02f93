/** Build plugin: the service worker with the list of files it keeps, and the manifest that lets the page be installed. The worker is `src/service-worker.ts`. */
import type { Plugin } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

/** @param notices adds the packages in the service worker to the notices of the page */
export function offline(notices: Plugin): Plugin[] {
  return VitePWA({
    strategies: 'injectManifest',
    srcDir: 'src',
    filename: 'service-worker.ts',
    // state/offline.svelte.ts does, when the page is idle.
    injectRegister: null,
    injectManifest: {
      globPatterns: ['**/*'],
      globIgnores: ['LICENSE', 'THIRD-PARTY-NOTICES.txt', 'robots.txt'],
      // The largest file is tfjs, 2.1 MB; a policy beside the page that is larger than this is not bundled but served.
      maximumFileSizeToCacheInBytes: 16e6,
      rollupFormat: 'iife',
      buildPlugins: { vite: [notices] },
    },
    // Its own build speaks when something is wrong, like the page's.
    integration: { configureCustomSWViteBuild: (config) => void (config.logLevel = 'warn') },
    includeManifestIcons: false,
    manifest: {
      id: './',
      name: 'PerMix Lab',
      short_name: 'PerMix Lab',
      description: 'Reward a small language model for right answers, in a browser tab, and watch what happens to its personas.',
      start_url: './',
      scope: './',
      display: 'standalone',
      // A manifest has one colour each; the page's own tags have two, by theme.
      theme_color: '#fbfbfa',
      background_color: '#fbfbfa',
      categories: ['education', 'science'],
      icons: [
        { src: 'icons/icon-192.png', sizes: '192x192', type: 'image/png' },
        { src: 'icons/icon-512.png', sizes: '512x512', type: 'image/png' },
        { src: 'icons/maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
      ],
    },
  });
}
