/**
 * Build plugin: of KaTeX's fonts those that the formulas are written in (tests/unit/rollouts-view.test.ts), of each the woff2, which every
 * browser that runs this page reads, and as a file: the page's policy allows no others.
 */
import type { Plugin } from 'vite';

/** Families without a letter in any formula. */
export const unusedFonts = /KaTeX_(?:AMS|Caligraphic|Fraktur|SansSerif|Script|Typewriter)/;

export const katexFonts: Plugin = {
  name: 'katex-fonts',
  enforce: 'pre',
  config: () => ({ build: { assetsInlineLimit: (file: string) => (file.endsWith('.woff2') ? false : undefined) } }),
  transform(code, id) {
    return /katex(\.min)?\.css$/.test(id.split('?')[0]!) ? { code: fewerFonts(code), map: null } : null;
  },
};

export function fewerFonts(css: string): string {
  return css
    .replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, '')
    .replace(/@font-face\{[^}]*\}/g, (face) => (unusedFonts.test(face) ? '' : face));
}
