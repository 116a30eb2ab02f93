/** Where a Chromium is on this machine, and the switches that give it WebGPU without a GPU. Used by the test rings. */
import { existsSync } from 'node:fs';

const candidates = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** Null: none found; Playwright's own is then used. */
export function findChromium(): string | null {
  return candidates.find((path) => path && existsSync(path)) ?? null;
}

export const quietSwitches = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
/** SwiftShader: correct and slow, the same on every machine. */
export const softwareGpuSwitches = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
