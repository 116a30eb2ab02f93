/** The benchmark in the built page: on a software adapter and without WebGPU, measured for seconds; its file; cancelled, out of sight, and beside another tab. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterEach, expect, it } from 'vitest';
import { rowSpecs, type Report } from '../../src/benchmark/report.ts';
import { bootMilliseconds, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser | undefined;
let server: StaticServer | undefined;
let context: BrowserContext | undefined;
afterEach(async () => {
  await context?.close();
  await browser?.close();
  await server?.close();
  context = browser = server = undefined;
});

const measureMilliseconds = 170_000;
const measure = (page: Page) => page.getByRole('button', { name: 'Measure', exact: true });

async function open(webgpu: boolean, search: string, width = 1280) {
  [browser, server] = await Promise.all([launchChromium(webgpu), serveFolder('dist', '/lab/')]);
  const visit = await visitLab(browser, `${server.url}${search}`, { width });
  context = visit.context;
  await measure(visit.page).click({ trial: true, timeout: bootMilliseconds });
  return visit;
}

it('is no part of what the page loads first', () => {
  const first = [...readFileSync('dist/index.html', 'utf8').matchAll(/(assets\/[\w-]+\.js)/g)].map(([, file]) => file!);
  expect(first.length).toBeGreaterThan(0);
  for (const file of first) expect(readFileSync(`dist/${file}`, 'utf8')).not.toContain('How fast does this machine train');
});

it('on a software adapter measures ratios, shows them beside those that are kept, and hands out the file that the command writes', async () => {
  const { page, complaints } = await open(true, '?bench=5&profile', 360);
  await page.getByText('its times are no results').waitFor();
  await page.getByText('There are no rows yet').waitFor();
  expect(await obstacles(page)).toEqual([]);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).origin}`));
  await measure(page).click();
  await page.getByText(/^Measured in/).waitFor({ timeout: measureMilliseconds });
  const training = page.getByRole('table', { name: 'Training on WebGPU' });
  expect(await training.getByRole('row', { name: /training step, d 128, B·T 256/ }).innerText()).toMatch(
    /ratio only[\s\S]*\d×[\s\S]*fused 6\.6×, jax-js 5\.4×/,
  );
  expect(await page.getByRole('table', { name: 'On WebAssembly' }).innerText()).toMatch(/GFLOP\/s/);
  await page.getByText(/GPU time by kernel of training steps/).waitFor();
  expect(await page.locator('.kernels table').first().innerText()).toMatch(/nn\/matmul[\s\S]*%/);
  for (const summary of await page.locator('.benchmark summary').all()) await summary.click();
  await page.getByText(/fused: losses and norms within .*e-\d+ of portable's/).waitFor();
  expect(await obstacles(page)).toEqual([]);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save the JSON' }).click()]);
  expect(download.suggestedFilename()).toMatch(/^permix-bench-\d{4}-\d\d-\d\d\.json$/);
  const report = JSON.parse(await readFile(await download.path(), 'utf8')) as Report;
  expect(report).toMatchObject({ software: true, version: '0.1.0', dispatches: { trainStep: 113, decodeToken: null } });
  // Compiling alone takes longer.
  expect(report.rows.find(({ name, engine }) => name === 'rollout.16' && engine === 'fused')!.reason).toMatch(/not enough time/);
  expect([report.adapter, report.runtime]).toEqual([expect.stringMatching(/swiftshader/i), expect.stringMatching(/Chrom/)]);
  expect(report.ratios['trainStep.d128.256']!['fused/portable']).toBeGreaterThan(1);
  expect(report.profile!.fused!.length).toBeGreaterThan(5);
  expect(new Set(report.rows.map(({ name }) => name))).toEqual(new Set(rowSpecs.map(({ name }) => name)));
  // Scripts and the policy of the page's own host, and nothing anywhere else.
  expect(asked.filter((one) => one !== `GET ${new URL(server!.url).origin}` && !one.endsWith('null'))).toEqual([]);
  expect(complaints).toEqual([]);
}, 240_000);

it('without WebGPU measures the wasm engine; waits while nobody looks; two tabs do not measure at once; cancelled, what there is counts', async () => {
  const { page, context, complaints } = await open(false, '?bench=60');
  await page.getByText(/The rows of the wasm engine are measured/).waitFor();
  const other = await context.newPage();
  await other.goto(`${server!.url}?bench=5`);
  await measure(other).click({ trial: true, timeout: bootMilliseconds });
  const see = (state: string) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'visibilityState', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await see('visible');
  await page.keyboard.press('Tab');
  await measure(page).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('progressbar', { name: 'Benchmark' }).waitFor();
  await measure(other).click();
  await other.getByText('Another tab of this page is measuring').waitFor();

  await see('hidden');
  await page.getByText(/nothing is measured while this tab is out of sight/).waitFor({ timeout: 30_000 });
  await see('visible');
  await page.getByText('products on WebAssembly').waitFor({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await page.getByText('The benchmark has this machine to itself.').first().waitFor();

  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText(/^Cancelled after/).waitFor({ timeout: 30_000 });
  await page.getByText('What was not measured here').click();
  await page.getByText('Cancelled before it was measured.', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Train', exact: true }).click();
  await page.locator('#race-title').waitFor();
  await page.getByRole('link', { name: 'Bench', exact: true }).click();
  await page.getByText(/^Cancelled after/).waitFor();
  expect(complaints).toEqual([]);
}, 180_000);
