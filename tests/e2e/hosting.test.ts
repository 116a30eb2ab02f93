/** The page on hosts of every kind: the development server; built, on a sub-path without special headers, plain http over a network, a browser without WebGPU. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { createServer, type ViteDevServer } from 'vite';
import { afterEach, describe, expect, it } from 'vitest';
import { reportViolations } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

const bootMilliseconds = 90_000;

let browser: Browser | undefined;
let server: StaticServer | undefined;
let development: ViteDevServer | undefined;
afterEach(async () => {
  await browser?.close();
  await server?.close();
  await development?.close();
});

interface Visit {
  readonly page: Page;
  /** What went wrong on the page, as its console says. */
  readonly complaints: readonly string[];
}

/** Opens the page and waits until a run could be started. @param serviceWorkers blocked, only what the page itself asks for is fetched */
async function visit(url: string, serviceWorkers: 'allow' | 'block' = 'allow'): Promise<Visit> {
  const page = await browser!.newPage({ serviceWorkers });
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await reportViolations(page);
  await page.goto(url);
  // A trial click waits until the button can be pressed.
  await page.getByRole('button', { name: 'Train', exact: true }).click({ trial: true, timeout: bootMilliseconds });
  return { page, complaints };
}

/** What the chip in the header opens: which engine, and why. */
async function engineReason(page: Page): Promise<string> {
  await page.getByRole('button', { name: /^Engine:/ }).click();
  return page.locator('.popover', { has: page.getByRole('heading', { name: 'What computes here' }) }).innerText();
}

/** Scripts with a word in them that only tfjs has. */
const isTfjs = (path: string) =>
  path.endsWith('.js') && readFileSync(join('dist', path.replace(/^\/lab\//, '/')), 'utf8').includes('WASM_HAS_SIMD_SUPPORT');

describe('dist/', () => {
  it('runs from a sub-path of a plain host', async () => {
    [browser, server] = await Promise.all([launchChromium(true), serveFolder('dist', '/some/sub/path/')]);
    const { page, complaints } = await visit(server.url);
    expect(await page.title()).toContain('PerMix Lab');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(server.missing).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('runs from a deep link without its trailing file name', async () => {
    [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist', '/lab/')]);
    const { page } = await visit(`${server.url}?engine=portable&backend=wasm#run`);
    expect(await engineReason(page)).toMatch(/portable|WebAssembly|wasm/);
    expect(server.sent.filter(isTfjs)).not.toEqual([]);
  });

  it('over plain http says what is missing and trains all the same', async () => {
    server = await serveFolder('dist');
    // A name that is not localhost: the browser then treats plain http as it does on a network.
    browser = await launchChromium(true, ['--host-resolver-rules=MAP lab.example 127.0.0.1']);
    const { page, complaints } = await visit(`http://lab.example:${server.port}/`);
    expect(await page.evaluate(() => [isSecureContext, 'gpu' in navigator, 'subtle' in crypto])).toEqual([false, false, false]);
    expect(await page.getByRole('log', { name: 'Notices' }).innerText()).toMatch(/https|secure/i);

    await page.getByRole('button', { name: 'Step', exact: true }).click();
    await page
      .getByRole('region', { name: 'Run' })
      .getByText(/step 1 of/)
      .waitFor({ timeout: bootMilliseconds });
    expect(complaints).toEqual([]);
  });

  it('without WebGPU computes on WebAssembly and says why', async () => {
    [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
    const { page, complaints } = await visit(server.url, 'block');
    const reason = await engineReason(page);
    expect(reason).toMatch(/WebAssembly|wasm/);
    expect(reason).toMatch(/WebGPU/);
    expect(complaints).toEqual([]);
    expect(server.sent.filter(isTfjs)).toEqual([]);
  });

  it('computes with as many threads as the address says, and trains', async () => {
    [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist', '/lab/')]);
    const { page, complaints } = await visit(`${server.url}?engine=wasm&threads=3`, 'block');
    expect(await engineReason(page)).toMatch(/Threads\s+3/);
    // Two of the trainer's engine; the race's, which is measured before it is asked for, has its own.
    expect(page.workers().filter((worker) => worker.url().includes('engine-thread')).length).toBeGreaterThanOrEqual(2);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Step', exact: true }).click();
    const run = page.getByRole('region', { name: 'Run' });
    await run.getByText(/step 1 of/).waitFor({ timeout: bootMilliseconds });
    expect(complaints).toEqual([]);
  });

  it('on the fused engine computes without tfjs, which is not even fetched', async () => {
    [browser, server] = await Promise.all([launchChromium(true), serveFolder('dist')]);
    const { page, complaints } = await visit(`${server.url}?engine=fused`, 'block');
    expect(await engineReason(page)).toMatch(/fused/);
    expect(server.sent.filter(isTfjs)).toEqual([]);
    expect(complaints).toEqual([]);
  });
});

describe('npm run dev', () => {
  it('serves the page with its styles, and nothing that its security policy refuses', async () => {
    development = await createServer({ server: { port: 0, host: '127.0.0.1' }, logLevel: 'error' });
    await development.listen();
    browser = await launchChromium(false);
    const { page, complaints } = await visit(`${development.resolvedUrls!.local[0]!}?backend=wasm`);
    expect(complaints).toEqual([]);
    expect(await page.evaluate(() => getComputedStyle(document.body).fontFamily)).not.toMatch(/^"?Times/);
  });
});
