/** The rewards of a run in its form: folded away, added, mended beside the field, trained with, and put back to right answers. */
import type { Browser } from 'playwright';
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

describe('the rewards of a run', () => {
  it('are put together in the page, and are what the run is trained with', async () => {
    lab = await visitLab(browser, server.url);
    const { page, complaints } = lab;
    await ready(page);
    await makeSmall(page, 2);
    const setup = page.locator('#setup');
    const form = setup.locator('details', { hasText: 'What a reply earns' });
    const rewards = form.getByRole('list', { name: 'Rewards' });
    expect(await rewards.isVisible()).toBe(false);
    expect(await form.locator('summary').innerText()).toContain('1 × Right answer');
    await form.locator('summary').click();
    expect(await rewards.getByRole('listitem').count()).toBe(1);
    expect(await rewards.getByRole('button', { name: 'Remove Right answer' }).isDisabled()).toBe(true);

    await form.getByLabel('Add a reward').selectOption('matches');
    const pattern = rewards.getByRole('textbox', { name: 'Pattern' });
    await pattern.fill('a(b');
    await pattern.blur();
    await form.getByText('Pattern cannot be read: a group is not closed at character 4 of the pattern.').waitFor();
    expect(await pattern.getAttribute('aria-invalid')).toBe('true');
    await pattern.fill('\\d');
    await pattern.blur();
    await form.getByText('Pattern cannot be read').waitFor({ state: 'detached' });
    await form.getByLabel('Add a reward').selectOption('max_words');
    await rewards.getByLabel('Weight').last().fill('-0.5');
    await rewards.getByLabel('Weight').last().blur();
    await form.locator('summary').click();
    expect(await form.locator('summary').innerText()).toContain('1 × Right answer + 0.1 × Matches a pattern − 0.5 × Few words');

    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');
    const stored = await page.evaluate(
      () =>
        new Promise<unknown>((resolve, reject) => {
          const opening = indexedDB.open('permix-lab');
          opening.onerror = () => reject(new Error('no database'));
          opening.onsuccess = () => {
            const asked = opening.result.transaction('metrics').objectStore('metrics').getAll();
            asked.onsuccess = () => {
              opening.result.close();
              resolve(asked.result);
            };
          };
        }),
    );
    expect(JSON.stringify(stored)).toMatch(/"rewards\/matches\/mean":.*"rewards\/max_words\/mean":/);

    if (!(await form.isVisible())) await setup.getByRole('button', { name: /^Next run:/ }).click();
    await form.locator('summary').click();
    await form.getByRole('button', { name: 'Only right answers' }).click();
    expect(await rewards.getByRole('listitem').count()).toBe(1);
    expect(complaints).toEqual([]);
  });
});
