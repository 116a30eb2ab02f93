/** Where a page's storage is not what it should be, in a real browser: site data is blocked, and a tab that trained has died. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findChromium, quietSwitches } from '../../scripts/browser.ts';
import { bootMilliseconds, makeSmall, ready, untilState, untilStep, visitLab, saveAs } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let server: StaticServer;
let browser: Browser;
beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** A browser whose reader has blocked all site data, as in its settings. */
async function blockedBrowser(): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), 'permix-blocked-'));
  mkdirSync(join(profile, 'Default'));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
  const path = findChromium();
  const browserOf = path ? { executablePath: path } : { channel: 'chromium' };
  const context = await chromium.launchPersistentContext(profile, { ...browserOf, args: [...quietSwitches], acceptDownloads: true });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

it('with site data blocked it trains in memory, says so, and a run can be saved as a file and opened again', async () => {
  const { context, close } = await blockedBrowser();
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.url);
  await ready(page);
  expect(await page.evaluate(() => navigator.locks.request('x', () => {}).then(String, (error: Error) => error.name))).toBe(
    'SecurityError',
  );
  await page.getByText(/Runs are kept only until this page is closed; those you want to keep can be saved as files/).waitFor();
  await makeSmall(page, 3);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  const kept = page.getByRole('region', { name: 'What has been kept?' });
  await kept.getByText('in memory, until this page is closed').waitFor();
  const { bytes: file } = await saveAs(kept, /^Save as: the run/, /^Run /);

  await page.reload();
  await ready(page);
  await kept.getByText('stay in this page until it is closed').waitFor();
  await page.getByLabel('Files of saved runs').setInputFiles({ name: 'mine.permix-run', mimeType: '', buffer: file });
  await kept.getByText(/step 3 of 3 · finished/).waitFor();
  await page.getByRole('img', { name: /^Reward, .*over 3 steps/ }).waitFor();
  expect(errors).toEqual([]);
  await close();
});

it(
  'a run whose tab died is not running in another, which offers to continue it',
  async () => {
    const { page, context } = await visitLab(browser, server.url);
    await ready(page);
    await makeSmall(page, 400);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilStep(page, 2);
    const other = await context.newPage();
    await other.goto(server.url);
    await ready(other);
    const kept = other.getByRole('region', { name: 'What has been kept?' });
    await kept.getByText(/· running ·/).waitFor();
    const card = other.getByRole('region', { name: 'A run that can be continued' });
    expect(await card.count()).toBe(0);

    const crashed = page.waitForEvent('crash');
    void (await context.newCDPSession(page)).send('Page.crash').catch(() => {});
    await crashed;
    await card.waitFor({ timeout: 20_000 });
    await kept.getByText(/· paused ·/).waitFor();
    const at = Number(/step (\d+) of 400/.exec(await card.innerText())?.[1]);
    // It says "Go on here" where the other tab was seen to train.
    await card.getByRole('button', { name: /^(Continue|Go on here)$/ }).click();
    await untilStep(other, at + 1);
    await context.close();
  },
  bootMilliseconds * 2,
);
