/** axe-core on the page at rest, after a run and with everything unfolded; narrow and wide, light and dark; and no sideways scrolling. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSmall, ready, untilState, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser;
let server: StaticServer;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

describe.each([
  { width: 360, theme: 'light' },
  { width: 360, theme: 'dark' },
  { width: 1440, theme: 'light' },
  { width: 1440, theme: 'dark' },
] as const)('at $width px, $theme', ({ width, theme }) => {
  it('nothing serious is found and nothing scrolls sideways', async () => {
    const { page, context } = await visitLab(browser, server.url, { width, theme, height: width < 500 ? 780 : 900 });
    try {
      await ready(page);
      expect(await obstacles(page)).toEqual([]);

      await makeSmall(page, 2);
      await page.getByRole('button', { name: 'Train', exact: true }).click();
      await untilState(page, 'Finished');
      await page.getByRole('button', { name: 'Ask', exact: true }).click();
      await page.getByText('All replies are there.').waitFor({ timeout: 60_000, state: 'attached' });
      await page.getByRole('button', { name: 'Checkpoints' }).click();
      // Where both do not fit side by side, the next run is one line once there are results.
      const next = page.locator('#setup').getByRole('button', { name: /^Next run:/ });
      if (await next.isVisible()) await next.click();
      for (const summary of await page.locator('summary').all()) {
        if (!(await summary.evaluate((element) => (element.parentElement as HTMLDetailsElement).open))) await summary.click();
      }
      await page.locator('.strip .token.pins').first().click();
      await page.locator('.whole .katex').waitFor();
      await page.getByLabel('Beside').selectOption('dr_grpo');
      await page.getByLabel('Colour tokens by').selectOption('push');
      await page.getByRole('button', { name: 'What else could it have said here?' }).click();
      await page.getByRole('list', { name: 'Likeliest tokens here' }).waitFor();
      expect(await obstacles(page)).toEqual([]);

      await page.getByRole('button', { name: /^Engine:/ }).click();
      await page.getByRole('dialog', { name: 'Engine' }).waitFor();
      expect(await obstacles(page)).toEqual([]);
    } finally {
      await context.close();
    }
  });
});
