/** Build plugin: of KaTeX's fonts only woff2, which every browser that runs this page reads, and each as a file: the page's policy allows no others. */
import type { Plugin } from 'vite';

export const katexFonts: Plugin = {
  name: 'katex-fonts',
  enforce: 'pre',
  config: () => ({ build: { assetsInlineLimit: (file: string) => (file.endsWith('.woff2') ? false : undefined) } }),
  transform(code, id) {
    if (!/katex(\.min)?\.css$/.test(id.split('?')[0]!)) return null;
    return { code: code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, ''), map: null };
  },
};
