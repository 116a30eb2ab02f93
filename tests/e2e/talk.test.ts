/** A visitor talks with the base and with what was trained, turn after turn. The built page, without a GPU. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it('two turns with both, each told its own replies, by keyboard, until it no longer fits', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  try {
    await ready(page);
    await makeSmall(page, 3);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');
    const probe = page.getByRole('region', { name: 'What does each persona say?' });
    await probe.getByRole('button', { name: 'Ask', exact: true }).click();
    await probe.getByText('All replies are there.').waitFor({ timeout: 60_000, state: 'attached' });
    const grid = await probe.getByRole('row').nth(1).getByRole('cell').locator('.strip').allInnerTexts();
    expect(grid).toHaveLength(2);

    await probe.getByRole('button', { name: 'Conversation' }).click();
    const log = probe.getByRole('log', { name: 'Conversation' });
    const field = probe.getByRole('textbox', { name: 'Message' });
    const turns = log.getByRole('listitem');
    const said = (turn: number) => turns.nth(turn).locator('.strip').allInnerTexts();
    const settled = async (count: number) => {
      await expect.poll(() => turns.count()).toBe(count);
      await expect.poll(() => log.getAttribute('aria-busy'), { timeout: 60_000 }).toBe('false');
    };
    // The bundled policy was not taught this, and the page says so.
    await probe.getByText(/one question and one reply at a time/).waitFor();
    await log.getByRole('button', { name: 'What is 17 + 25?' }).click();
    expect(await field.evaluate((one) => one === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await settled(1);
    expect(await said(0)).toEqual(grid);
    await page.keyboard.type('And this');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('Compute 41 - 16.');
    await page.keyboard.press('Enter');
    await settled(2);
    expect(await field.evaluate((one) => [one === document.activeElement, (one as HTMLTextAreaElement).value])).toEqual([true, '']);
    expect(await turns.nth(1).locator('.words').innerText()).toMatch(/And this\nCompute 41 - 16\.$/);
    expect(await said(1)).toHaveLength(2);
    const read = turns.nth(1).getByText(/^\d+ of 128 tokens$/);
    for (const column of [0, 1]) {
      await read.nth(column).click();
      const prompt = await turns.nth(1).locator('pre').nth(column).innerText();
      expect(prompt).toContain('What is 17 + 25?');
      expect(prompt).toMatch(/And this\s+Compute 41 - 16\./);
      expect(prompt).toContain((await turns.nth(0).locator('.strip').nth(column).locator('.boxed').allInnerTexts()).join(''));
    }
    expect(await obstacles(page)).toEqual([]);
    const before = [await said(0), await said(1)];

    // Another view and back: it is still there.
    await page.evaluate(() => (location.hash = '#/evaluate'));
    await page.getByRole('heading', { level: 2 }).first().waitFor();
    expect(await log.count()).toBe(0);
    await page.evaluate(() => (location.hash = '#/train'));
    await settled(2);
    expect([await said(0), await said(1)]).toEqual(before);

    // Another persona is another conversation, and says so before anything is lost.
    await probe.getByLabel('Persona', { exact: true }).selectOption({ label: 'Pirate' });
    const card = probe.getByRole('region', { name: 'Another conversation' });
    await card.getByText('The conversation above is with no persona. Your next message begins a new one, with Pirate.').waitFor();
    await card.getByRole('button', { name: 'Go on as before' }).click();
    expect(await card.count()).toBe(0);

    // Taken back and sent once more, greedily: the same.
    await probe.getByRole('button', { name: 'Take back' }).click();
    await expect.poll(() => turns.count()).toBe(1);
    await page.keyboard.press('Enter');
    await settled(2);
    expect(await said(1)).toEqual(before[1]);
    await probe.getByRole('button', { name: 'Edit' }).click();
    await field.fill('7 '.repeat(90));
    await page.keyboard.press('Enter');
    await settled(2);
    const problems = turns.nth(1).getByText(/^The conversation has \d+ tokens, and the policy has room for 104 besides its reply\.$/);
    expect(await problems.count()).toBe(2);
    expect(await said(1)).toEqual([]);
    await probe.getByRole('button', { name: 'Ask again' }).click({ trial: true });
    await probe.getByRole('region', { name: 'What can be done' }).getByRole('button', { name: 'Start over' }).click();
    await expect.poll(() => turns.count()).toBe(0);
    await log.getByRole('button', { name: 'Back to the conversation you left' }).click();
    await settled(2);
    expect(await said(0)).toEqual(before[0]);
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
  }
});
