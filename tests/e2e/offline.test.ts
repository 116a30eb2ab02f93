/** The built page when the network goes: after one visit, after a newer version, where there is no service worker, and opened from a disk. */
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { bootMilliseconds, makeSmall, ready, stepOf, untilState, untilStep, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser;
beforeAll(async () => void (browser = await launchChromium(false)));
afterAll(() => browser.close());

let server: StaticServer | undefined;
let context: BrowserContext | undefined;
let copy: string | undefined;
afterEach(async () => {
  await context?.close();
  await server?.close();
  if (copy) rmSync(copy, { recursive: true });
  server = context = copy = undefined;
});

/** Everything is kept. */
const kept = (page: Page) => page.evaluate(async () => (await navigator.serviceWorker.ready).active !== null);

it('after one visit everything works without a network, and the visit downloaded nothing twice', async () => {
  server = await serveFolder('dist', '/some/path/');
  const visit = await visitLab(browser, server.url, { kept: true });
  context = visit.context;
  const { page, complaints } = visit;
  await ready(page);
  await kept(page);

  const { url, sent } = server;
  expect(sent.filter((path, i) => sent.indexOf(path) !== i)).toEqual([]);

  await context.setOffline(true);
  await server.close();
  await page.goto(`${url}?engine=portable&backend=wasm`);
  await ready(page);
  await makeSmall(page, 1);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  await page.getByRole('link', { name: 'Evaluate', exact: true }).click();
  await page.locator('#evaluate-title').waitFor();
  await page.getByRole('link', { name: 'Reproduce', exact: true }).click();
  await page.getByRole('region', { name: 'Does the persona matter less?' }).waitFor();
  await page.getByRole('slider', { name: /step/i }).first().waitFor();
  expect(await page.evaluate(async () => (await fetch('./runs/protocol.md')).ok)).toBe(true);
  expect(complaints).toEqual([]);
});

it('a new version waits for the run and for the reader, in every tab', async () => {
  copy = mkdtempSync(join(tmpdir(), 'permix-'));
  cpSync('dist', copy, { recursive: true });
  server = await serveFolder(copy);
  const visit = await visitLab(browser, server.url, { kept: true });
  context = visit.context;
  const { page } = visit;
  await ready(page);
  await kept(page);
  const other = await context.newPage();
  await other.goto(server.url);
  await ready(other);
  // A mark that a reload wipes off.
  const mark = (tab: Page) => tab.evaluate(() => void Object.assign(globalThis, { mark: true }));
  const marked = (tab: Page) => tab.evaluate(() => 'mark' in globalThis);
  await mark(page);
  await mark(other);

  await makeSmall(page, 1000);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(page, 1);
  appendFileSync(join(copy, 'service-worker.js'), '\n// A newer version.');
  await page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
  await page.getByText('A new version is ready. What is under way is not interrupted.').waitFor();
  await other.getByText('A new version is ready.', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Load it when this is done' }).click();
  await untilStep(page, (await stepOf(page)) + 2);
  expect(await marked(page)).toBe(true);

  const loaded = page.waitForEvent('load');
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await loaded;
  expect(await marked(page)).toBe(false);
  // Paused first, so that the run is whole.
  await page
    .getByRole('button', { name: /^Continue/ })
    .first()
    .waitFor({ timeout: bootMilliseconds });
  expect(await page.getByText('A new version is ready').count()).toBe(0);

  expect(await marked(other)).toBe(true);
  const loadedThere = other.waitForEvent('load');
  await other.getByRole('button', { name: 'Load it', exact: true }).click();
  await loadedThere;
  await ready(other);
  expect(await other.getByText('A new version is ready').count()).toBe(0);
});

it('without a service worker an open page has all its views when the network goes', async () => {
  server = await serveFolder('dist');
  const visit = await visitLab(browser, server.url);
  context = visit.context;
  const { page, complaints } = visit;
  await ready(page);
  const { sent } = server;
  await expect.poll(() => sent.filter((path) => path.startsWith('/runs/')).sort(), { timeout: bootMilliseconds }).toHaveLength(4);
  // Every import() of every script of the page has been fetched; the trainer's are its own.
  const late = JSON.parse(readFileSync('dist/ahead.json', 'utf8')) as string[];
  const first = [...readFileSync('dist/index.html', 'utf8').matchAll(/(assets\/[\w-]+\.js)/g)].map(([, file]) => file!);
  const imported = [...first, ...late.filter((file) => file.endsWith('.js'))].flatMap((file) =>
    [...readFileSync(`dist/${file}`, 'utf8').matchAll(/\bimport\(\s*[`'"]\.\/([\w-]+\.js)/g)].map(([, target]) => `/assets/${target}`),
  );
  expect(imported.length).toBeGreaterThan(20);
  const wanted = [...new Set([...imported, ...late.map((file) => `/${file}`)])];
  await expect.poll(() => wanted.filter((path) => !sent.includes(path)), { timeout: bootMilliseconds }).toEqual([]);
  await context.setOffline(true);
  await page.getByRole('button', { name: /^Engine:/ }).click();
  await page.getByRole('dialog', { name: 'Engine' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Evaluate', exact: true }).click();
  await page.locator('#evaluate-title').waitFor();
  await page.getByRole('link', { name: 'Reproduce', exact: true }).click();
  await page.getByRole('region', { name: 'Does the persona matter less?' }).waitFor();
  await page.getByRole('slider', { name: /step/i }).first().waitFor();
  expect(complaints).toEqual([]);
});

it('opened from a disk it says one sentence', async () => {
  context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(pathToFileURL(resolve('dist/index.html')).href);
  await expect.poll(() => page.locator('body').innerText()).toMatch(/^PerMix Lab cannot start from a file: .*web server[^.]*\.$/);
});

it('can be installed: the manifest names its icons, which are there in their sizes', async () => {
  server = await serveFolder('dist', '/some/path/');
  const visit = await visitLab(browser, server.url);
  context = visit.context;
  const session = await context.newCDPSession(visit.page);
  const { errors, url, data } = await session.send('Page.getAppManifest');
  expect(errors).toEqual([]);
  expect(url).toBe(`${server.url}manifest.webmanifest`);
  const { icons, start_url } = JSON.parse(data!) as { icons: { src: string; sizes: string }[]; start_url: string };
  expect(new URL(start_url, url).href).toBe(server.url);
  for (const { src, sizes } of icons) {
    const size = await visit.page.evaluate(async (address) => {
      const { width, height } = await createImageBitmap(await (await fetch(address)).blob());
      return `${width}x${height}`;
    }, `./${src}`);
    expect(size).toBe(sizes);
  }
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  // A private window, as the test's is, installs nothing.
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
});
