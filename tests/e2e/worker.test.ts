/** The worker in trouble, for real: it ends, computes for long, fails outside every command, or never comes. The built page, without a GPU. */
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeSmall, ready, untilStep, visitLab, type LabPage } from '../helpers/lab-page.ts';
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

const trouble = (page: Page) => page.getByRole('region', { name: 'The trainer is in trouble' });
/** Longer than the silence that is nothing to speak of. */
const timeout = 25_000;

it('one that ended while it trained is said within seconds, and its run can be continued', async () => {
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  await ready(page);
  await makeSmall(page, 400);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(page, 3);
  await page.workers()[0]!.evaluate(() => self.close());
  await trouble(page).waitFor({ timeout });
  expect(await trouble(page).innerText()).toMatch(/not answered for \d+ s.*is saved up to step \d+; after a restart it can be continued/);
  await trouble(page).getByRole('button', { name: 'Restart the trainer' }).click();
  const card = page.getByRole('region', { name: 'A run that can be continued' });
  await card.waitFor({ timeout: 90_000 });
  expect(await trouble(page).count()).toBe(0);
  const at = Number(/at step (\d+) of 400/.exec(await card.innerText())?.[1]);
  expect(at).toBeGreaterThanOrEqual(2);
  await card.getByRole('button', { name: 'Continue' }).click();
  await untilStep(page, at + 2);
});

it('one that computes for long is not given up, and what failed in it is said at once', async () => {
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  await ready(page);
  const worker = page.workers()[0]!;
  await worker.evaluate(() => {
    setTimeout(() => {
      const until = Date.now() + 13_000;
      while (Date.now() < until);
    }, 0);
  });
  await trouble(page).waitFor({ timeout });
  expect(await trouble(page).innerText()).toMatch(/middle of a long computation/);
  await trouble(page).waitFor({ state: 'detached', timeout });

  await worker.evaluate(() => void Promise.reject(new Error('a promise of nobody')));
  await trouble(page).waitFor({ timeout: 2000 });
  expect(await trouble(page).innerText()).toMatch(/a promise of nobody.*still answers/);
  await trouble(page).getByRole('button', { name: 'Leave it' }).click();
  await trouble(page).waitFor({ state: 'detached' });
});

it('one whose script never comes is said, too', async () => {
  lab = await visitLab(browser, 'about:blank');
  const { page } = lab;
  await page.route('**/trainer.worker*', () => {});
  await page.goto(server.url);
  await trouble(page).waitFor({ timeout });
  expect(await trouble(page).innerText()).toMatch(/has not arrived after \d+ s/);
  await page.unroute('**/trainer.worker*');
  await trouble(page).getByRole('button', { name: 'Restart the trainer' }).click();
  await ready(page);
});
