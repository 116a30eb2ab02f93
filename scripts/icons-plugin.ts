/**
 * Lucide's icons drawn by `src/ui/parts/Icon.svelte` instead of Lucide's own component, which puts every icon together at run time, attribute by
 * attribute, from options that this page does not use: most of what its header took to be made. Their drawings stay Lucide's.
 */
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

export const icons: Plugin = {
  name: 'icons',
  enforce: 'pre',
  resolveId(source, importer) {
    if (source !== '../Icon.svelte' || !importer?.includes('/@lucide/svelte/dist/icons/')) return null;
    return resolve(import.meta.dirname, '../src/ui/parts/Icon.svelte');
  },
};
