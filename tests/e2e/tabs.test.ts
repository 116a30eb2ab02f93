/** Two tabs of one browser: the second watches what the first trains, and goes on with it when the first is gone. The built page, without a GPU. */
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeSmall, ready, runState, stepOf, untilStep, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser;
let server: StaticServer;
let lab: LabPage | undefined;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
});
afterEach(async () => {
  await lab?.context.close();
  lab = undefined;
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

it('a second tab follows the run, step by step, and goes on with it when the first one is closed', async () => {
  lab = await visitLab(browser, server.url);
  const { page: first, context, complaints } = lab;
  await ready(first);
  await makeSmall(first, 2000);
  await first.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(first, 2);

  const second = await context.newPage();
  second.on('pageerror', (error) => complaints.push(error.message));
  await second.goto(server.url);
  await second.getByRole('region', { name: 'A run in another tab' }).waitFor({ timeout: 90_000 });
  await runState(second).getByText('In another tab', { exact: true }).waitFor();
  const seen = await stepOf(second);
  await untilStep(second, seen + 3);
  expect(await second.getByRole('region', { name: 'A run that can be continued' }).count()).toBe(0);
  // Its replies come along, and stay on the newest step.
  const rollouts = second.getByRole('region', { name: 'What did it just say?' });
  await expect
    .poll(async () => Number(/Step (\d+) of/.exec(await rollouts.innerText())?.[1] ?? 0), { timeout: 30_000 })
    .toBeGreaterThan(seen);

  await first.close();
  const card = second.getByRole('region', { name: 'A run that can be continued' });
  await card.getByText(/^No other tab trains/).waitFor({ timeout: 30_000 });
  expect(await second.getByRole('region', { name: 'A run in another tab' }).count()).toBe(0);
  const at = Number(/from step (\d+) of 2000/.exec(await card.innerText())?.[1]);
  expect(at).toBeGreaterThan(1);
  await card.getByRole('button', { name: 'Go on here' }).click();
  await untilStep(second, at + 2);
  expect(await card.count()).toBe(0);

  // Every step once, whoever made it.
  await runState(second).getByRole('button', { name: 'Pause' }).click();
  await runState(second).getByText('Paused', { exact: true }).waitFor({ timeout: 30_000 });
  await second.getByRole('button', { name: 'Table', exact: true }).click();
  const rows = second.getByRole('region', { name: 'Metrics by step' }).getByRole('rowheader');
  const last = await stepOf(second);
  const steps = (await rows.allInnerTexts()).map(Number);
  expect(steps).toEqual(Array.from(steps, (_, i) => last - i));
  expect(complaints).toEqual([]);
});

it('a tab that was open before sees a run begin in the other, and what it trains itself is not taken for one', async () => {
  lab = await visitLab(browser, server.url);
  const { page: first, context } = lab;
  const second = await context.newPage();
  await second.goto(server.url);
  await ready(second);
  await ready(first);
  await makeSmall(first, 2000);
  await first.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(first, 2);
  await second.getByRole('region', { name: 'A run in another tab' }).waitFor({ timeout: 30_000 });
  // Nothing was on view there.
  await untilStep(second, 2);
  expect(await first.getByRole('region', { name: 'A run in another tab' }).count()).toBe(0);
  await runState(first).getByRole('button', { name: 'Stop' }).click();
  await second.getByRole('region', { name: 'A run in another tab' }).waitFor({ state: 'detached', timeout: 30_000 });
});

it('a tab that was hidden says once what became of the run meanwhile', async () => {
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  const look = (state: 'hidden' | 'visible') =>
    page.evaluate((visibilityState) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => visibilityState });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  const said = page.getByRole('log', { name: 'Notices' }).getByText(/trained on while it was hidden: \d+ steps were made/);
  await ready(page);
  await makeSmall(page, 2000);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(page, 2);
  await look('hidden');
  await page.waitForTimeout(6000);
  await look('visible');
  await said.waitFor();
  await page.getByRole('button', { name: 'Put this notice away' }).last().click();
  await look('hidden');
  await page.waitForTimeout(6000);
  await look('visible');
  await page.waitForTimeout(1000);
  expect(await said.count()).toBe(0);
});

/** MiB: enough for the policy and groups of 128 replies, not of 256. */
const memory = 18;

it('a run for which memory is too short offers the same with less at once', async () => {
  lab = await visitLab(browser, 'about:blank');
  const { page } = lab;
  // A machine with next to no memory, as its browser would say it to the worker.
  await page.route(/trainer\.worker/, async (route) => {
    const response = await route.fetch();
    const said = `Object.defineProperty(navigator, 'deviceMemory', { value: ${memory} / 1024 });\n`;
    await route.fulfill({ response, body: said + (await response.text()) });
  });
  await page.goto(server.url);
  await ready(page);
  await makeSmall(page, 3);
  await page.getByLabel(/^Prompts a step(, |$)/).fill('1024');
  await page.getByLabel(/^Group size(, |$)/).fill('256');
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  const card = page.getByRole('region', { name: 'A run that needs less memory' });
  await card.getByText(/group size\s+128 instead of 256, rows a pass\s+131072 instead of all/).waitFor({ timeout: 60_000 });
  await runState(page).getByText(/MiB/).waitFor();
  await card.getByRole('button', { name: 'Try again with less' }).click();
  const kept = page.getByRole('region', { name: 'What has been kept?' });
  await expect.poll(() => kept.getByRole('button', { name: /^Rename the run/ }).count(), { timeout: 30_000 }).toBe(2);
});
