/** "Not only in our miniature": the recorded lottery of a real policy on the built page, down to what it said. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ready, visitLab } from '../helpers/lab-page.ts';
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

it.each([1280, 360])('a cell opens what was said, at %d px', async (width) => {
  const { page, context, complaints } = await visitLab(browser, server.url, { width });
  await ready(page);
  const section = page.getByRole('region', { name: 'Not only in our miniature' });
  await section.getByRole('gridcell').first().scrollIntoViewIfNeeded();
  const sentence = await section.locator('p').first().innerText();
  const [, worst, share] = /right in (\d+) % of them as “([^”]+)”/.exec(sentence) ?? [];
  expect([worst, share]).not.toContain(undefined);
  // The worst persona comes first, so that no scrolling is needed to see it; its name, as all of them, is not broken within a word.
  expect(await section.locator('tbody tr').nth(1).locator('th').innerText()).toBe(share);
  const names = page.locator('.real tbody th');
  expect(await names.count()).toBe(50);
  expect(
    await names.evaluateAll((cells) =>
      cells.flatMap((cell) => {
        const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        const broken: string[] = [];
        while (text.nextNode()) {
          for (const { 0: word, index } of (text.currentNode.nodeValue ?? '').matchAll(/[^\s-]+/g)) {
            const range = document.createRange();
            range.setStart(text.currentNode, index);
            range.setEnd(text.currentNode, index + word.length);
            if (range.getClientRects().length > 1) broken.push(word);
          }
        }
        return broken;
      }),
    ),
  ).toEqual([]);
  await section.getByRole('button', { name: new RegExp(`^${share}, One-digit sums`) }).press('Enter');
  const replies = section.getByRole('region', { name: new RegExp(`^${share}`) }).last();
  await replies.waitFor();
  const rows = replies.locator('tbody tr');
  expect(await rows.count()).toBe(48);
  expect(await rows.filter({ has: page.locator('.right') }).count()).toBe(Math.round((48 * Number(worst)) / 100));
  expect(await obstacles(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await expect.poll(() => rows.count()).toBe(0);

  // It can be brought here; nothing is fetched for it before the reader says so, who is told that it is another file than the one asked.
  await section.getByText(/another file of it, in four bits.*Q4_1/).waitFor();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await section.getByRole('button', { name: /^Bring it here/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a policy' });
  expect(await dialog.evaluate((sheet) => sheet.scrollWidth - sheet.clientWidth)).toBe(0);
  expect(await dialog.getByPlaceholder('owner/name').inputValue()).toBe('HuggingFaceTB/SmolLM2-135M-Instruct');
  expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});

it('what training made of it is there before and after, down to what it said, of the task that nobody trained on too', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url, {});
  await ready(page);
  const section = page.getByRole('region', { name: 'And training helps it, too' });
  await section.scrollIntoViewIfNeeded();
  const sentence = await section.locator('p').first().innerText();
  const [, before, after] = /takes the worst persona from (\d+) % to (\d+) %\. PerMix/.exec(sentence) ?? [];
  expect(Number(after)).toBeGreaterThan(Number(before));
  // Another picture's cell stays open above.
  await page.getByRole('button', { name: /^Grandmother, One-digit sums/ }).press('Enter');
  await section.getByRole('button', { name: /^Grandmother, PerMix/ }).press('Enter');
  const heading = section.getByRole('heading', { name: 'Grandmother, PerMix' });
  await expect.poll(() => heading.evaluate((title) => title === document.activeElement)).toBe(true);
  const replies = section.getByRole('region', { name: 'Grandmother, PerMix' }).last();
  await replies.waitFor();
  expect(await replies.locator('tbody tr').count()).toBe(24);
  await section.getByRole('button', { name: /^One-step stories/ }).click();
  await section.getByText(/24 one-step stories outside the training/).waitFor();
  expect(await obstacles(page)).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});
