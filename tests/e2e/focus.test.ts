/** Who sees no pointer: every slider says what it is, and what is pressed never loses the focus to nowhere. */
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeSmall, ready, untilState, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
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

const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

it('a slider has a name, and a number can be typed key by key', async () => {
  const { page, context } = await visitLab(browser, server.url);
  await ready(page);
  for (const name of ['Prompts without a persona', 'Largest operand', 'Temperature', 'Longest reply'])
    expect(await page.getByRole('slider', { name, exact: true }).count(), name).toBe(1);
  const nameless = () =>
    [...document.querySelectorAll<HTMLInputElement>('input[type="range"]')].filter(
      (input) => !input.labels?.length && !input.getAttribute('aria-label'),
    ).length;
  expect(await page.evaluate(nameless)).toBe(0);

  const steps = page.locator('#setup').getByLabel('Steps', { exact: true });
  await steps.focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('-5');
  expect(await steps.inputValue()).toBe('-5');
  await page.getByText('Steps must be at least 1.').first().waitFor();
  await context.close();
});

it.each([
  ['', 'Skip to the race', 'Same sum, another persona, another answer'],
  ['#/story/forgets', 'Skip to the story', null],
  ['#/evaluate', 'Skip to the evaluation', null],
  ['#/reproduce', 'Skip to the comparison', 'Does mixing personas in keep both?'],
] as const)('the header is skipped to what is there: %s', async (hash, words, title) => {
  const { page, context, complaints } = await visitLab(browser, server.url + hash, { still: true });
  const skip = page.getByRole('link', { name: words, exact: true });
  await skip.waitFor();
  const target = page.locator((await skip.getAttribute('href'))!);
  await target.waitFor();
  // Nobody was there yet, so nothing that waits for somebody is: the link leads to what does not wait.
  if (hash === '') expect(await page.getByRole('heading', { name: 'Is it learning?' }).count()).toBe(0);
  await skip.focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => target.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await target.evaluate((element) => element.matches('h2'))).toBe(true);
  if (title !== null) expect(await focused(page)).toBe(title);
  expect(complaints).toEqual([]);
  await context.close();
});

it('pressing a button keeps it the focus of what comes next', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  await ready(page);
  await makeSmall(page, 300);
  const train = page.getByRole('button', { name: 'Train', exact: true });
  await train.focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page), { timeout: 30_000 }).toBe('Pause');
  await page.getByRole('button', { name: 'Pause', exact: true }).click({ trial: true });
  await page.keyboard.press('Enter');
  await untilState(page, 'Paused');
  expect(await focused(page)).toBe('Continue');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await ready(page);

  const both = page.getByRole('button', { name: /^Train both here/ });
  await both.focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page), { timeout: 30_000 }).toBe('Pause both');
  await untilState(page, 'Running');
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page), { timeout: 30_000 }).toMatch(/^Go on from step/);

  const cell = page.getByRole('button', { name: /^No persona, Base/ });
  await cell.focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page), { timeout: 30_000 }).toBe('No persona, Base');
  expect(await cell.getAttribute('aria-expanded')).toBe('true');
  const panel = page.getByRole('region', { name: 'No persona, Base' }).first();
  expect(await panel.getByRole('heading').evaluate((heading) => heading.getBoundingClientRect().bottom <= innerHeight)).toBe(true);
  expect(await panel.innerText()).not.toContain('boxed');
  await panel.getByRole('button', { name: 'Close' }).click();
  expect(await cell.evaluate((element) => element === document.activeElement)).toBe(true);

  const kept = page.getByRole('region', { name: 'What has been kept?' });
  const remove = kept.getByRole('button', { name: /^Delete the run/ });
  const before = await remove.count();
  await remove.first().focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page), { timeout: 30_000 }).toBe('Undo');
  await both.waitFor();
  await page.keyboard.press('Enter');
  await expect.poll(() => remove.count(), { timeout: 30_000 }).toBe(before);
  expect(await page.evaluate(() => document.activeElement?.id)).toMatch(/^kept-/);
  // The race that it was an arm of is on view again.
  await page.getByRole('button', { name: /^Go on from step/ }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

it('from the race to a cell, and from there by keyboard to its replies token by token; the rival’s row counts its steps', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  await ready(page);
  await page.getByRole('button', { name: /^Train both here/ }).click();
  const cell = page.getByRole('button', { name: /^Poet, PerMix: \d+ % right/ });
  await cell.waitFor({ timeout: 60_000 });
  const rival = page.getByRole('region', { name: 'What has been kept?' }).getByRole('listitem').filter({ hasText: 'RLVR, seed 1' });
  expect(Number(/step (\d+) of 30 · running/.exec(await rival.innerText())?.[1])).toBeGreaterThanOrEqual(9);
  await page.getByRole('button', { name: 'Train both again' }).waitFor({ timeout: 120_000 });

  await cell.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'What it was trained on, token by token' }).focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page)).toBe('What did it just say?');
  const rollouts = page.getByRole('region', { name: 'What did it just say?' });
  // Who was trained on in this step, or why everybody is shown.
  const voice = await rollouts.getByLabel('Voice').inputValue();
  if (voice !== 'poet') await page.getByText(/^Step \d+ was not trained on as Poet: all its replies are shown\./).waitFor();
  expect(await rollouts.getByText(/passes the filter/).count()).toBe(0);

  // RLVR is asked without personas.
  await page.getByRole('button', { name: /^Poet, RLVR/ }).click();
  await page.getByRole('button', { name: 'What it was trained on, token by token' }).click();
  await page.getByText(/^Step \d+ was not trained on as Poet: all its replies are shown\./).waitFor();
  await expect.poll(() => rollouts.getByRole('button', { name: /^All right/ }).count()).toBe(1);
  expect(complaints).toEqual([]);
  await context.close();
});
