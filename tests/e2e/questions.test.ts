/** A file of questions dropped on the page: looked at, trained on, gone on with after a reload, removed. */
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeSmall, ready, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
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

const patience = { timeout: 30_000 };

/** As GSM8K writes them, short enough for the bundled policy; the last row has no answer. */
const apples = [
  ...Array.from({ length: 30 }, (_, i) => ({
    question: `Tom has ${i + 2} apples and buys ${i + 5}. How many has he?`,
    answer: `He has ${i + 2}+${i + 5}=<<${i + 2}+${i + 5}=${2 * i + 7}>>${2 * i + 7}.\n#### ${2 * i + 7}`,
  })),
  { question: 'Who is Tom?' },
]
  .map((row) => JSON.stringify(row))
  .join('\n');

/** Onto the page, as from the reader's desk. */
const dropFile = (page: Page, name: string, text: string) =>
  page.evaluate(
    ([fileName, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([content!], fileName!));
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [name, text],
  );

/** One line, as soon as there is a run. */
const openSetup = (page: Page) =>
  page
    .locator('#setup')
    .getByRole('button', { name: /^Next run:/ })
    .click();

describe('questions of one’s own', () => {
  it('are dropped, trained on, and gone on with after a reload', async () => {
    lab = await visitLab(browser, server.url);
    const { page, complaints } = lab;
    await ready(page);
    await dropFile(page, 'apples.jsonl', apples);
    const dialog = page.getByRole('dialog', { name: 'Questions of your own' });
    await expect
      .poll(() => dialog.innerText(), patience)
      .toMatch(/GSM8K, by question, answer\. 31 rows, 30 can be used: \d+ to train on, \d+ held out\./);
    expect(await dialog.getByRole('list', { name: 'Left out' }).innerText()).toMatch(/1: no answer \(line 31\)/);
    expect(await dialog.getByRole('region', { name: 'First rows' }).getByRole('row').count()).toBe(6);
    await dialog.getByRole('button', { name: 'Train on the 30' }).click();
    await dialog.waitFor({ state: 'detached' });
    const asked = page.getByRole('group', { name: 'What is it asked?' });
    expect(await asked.innerText()).toMatch(/apples\.jsonl\s+GSM8K, 30 questions: \d+ to train on, \d+ held out/);
    expect(await asked.getByText('Addition and subtraction').filter({ visible: true }).count()).toBe(0);

    await makeSmall(page, 3);
    await page.getByRole('button', { name: 'Step', exact: true }).click();
    await untilState(page, 'Paused');
    await page.reload();
    await ready(page);
    await page.getByRole('button', { name: 'Continue', exact: true }).first().click();
    await untilState(page, 'Finished');
    const rollouts = page.getByRole('region', { name: 'What did it just say?' });
    expect(await rollouts.innerText()).toMatch(/Tom has \d+ apples/);
    expect(await page.getByRole('list', { name: 'Questions kept in this browser' }).innerText()).toContain('apples.jsonl, 30 questions');
    expect(complaints).toEqual([]);
  });

  it('are read by chosen columns, refused where they do not fit, and removed', async () => {
    lab = await visitLab(browser, server.url, { width: 360, height: 740, theme: 'dark' });
    const { page } = lab;
    await ready(page);
    const long = ['ask,right,why', ...Array.from({ length: 9 }, (_, i) => `"${i} and ${'one more apple and '.repeat(40)}?",${i},x`)].join(
      '\r\n',
    );
    await page.getByLabel('File of questions').setInputFiles({ name: 'long.csv', mimeType: 'text/csv', buffer: Buffer.from(long) });
    const dialog = page.getByRole('dialog', { name: 'Questions of your own' });
    await dialog.getByText('Not recognised').waitFor();
    await dialog.getByLabel('What is asked').selectOption('ask');
    await dialog.getByLabel('What is right').selectOption('right');
    await dialog.getByRole('button', { name: 'Read these columns' }).click();
    await expect.poll(() => dialog.innerText(), patience).toMatch(/chosen columns, by ask, right\. 9 rows, 9 can be used/);
    await dialog.getByRole('button', { name: 'Train on it' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page
      .getByText(/9 of 9 questions of long\.csv are too long|\d of \d questions of long\.csv are too long/)
      .first()
      .waitFor();
    await openSetup(page);
    const kept = page.getByRole('list', { name: 'Questions kept in this browser' });
    await kept.getByRole('button', { name: 'Delete the questions of long.csv' }).click();
    await kept.getByRole('button', { name: 'Delete', exact: true }).click();
    await kept.waitFor({ state: 'detached' });
    await page
      .getByText(/questions of long\.csv are not in this browser/)
      .first()
      .waitFor();
  });
});
