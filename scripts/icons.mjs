/**
 * `npm run icons`: draws public/icons/*.png, which installing the page needs, from src/ui/icon.svg with a Chromium. They are kept in the
 * repository, so that a build needs no browser.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium } from 'playwright';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

/** @type {{ module: typeof import('./browser.ts') }} */
const { module: browsers } = await runnerImport(resolve(root, 'scripts/browser.ts'), { configFile: false, logLevel: 'error' });
const svg = readFileSync(resolve(root, 'src/ui/icon.svg'), 'utf8');
// Systems cut these to shapes of their own: colour to the edge, the drawing inside the middle four fifths.
const whole = svg.replace(' rx="7"', '').replace('<g ', '<g transform="translate(16 16) scale(.76) translate(-16 -16)" ');
const icons = { 'icon-192': [192, svg], 'icon-512': [512, svg], 'maskable-512': [512, whole], 'apple-touch-icon': [180, whole] };

const browser = await chromium.launch({ executablePath: browsers.findChromium() ?? undefined, args: [...browsers.quietSwitches] });
const folder = resolve(root, 'public/icons');
mkdirSync(folder, { recursive: true });
for (const [name, [size, drawing]] of /** @type {[string, [number, string]][]} */ (Object.entries(icons))) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100vw; height: 100vh }</style>${drawing}`);
  writeFileSync(resolve(folder, `${name}.png`), await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
