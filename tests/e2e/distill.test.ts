/** Distillation on the page: it says what it needs, takes the best teacher there is, and goes on after a reload. The built page, without a GPU. */
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeSmall, ready, runState, untilState, untilStep, visitLab } from '../helpers/lab-page.ts';
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

const train = (page: Page) => page.getByRole('button', { name: 'Train', exact: true });

it('needs a teacher, takes the best one, is continued after a reload, and misses it once it is deleted', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url, { width: 360, height: 780 });
  await ready(page);
  const setup = page.getByRole('region', { name: 'What should it learn from?' });
  await setup.getByRole('radio', { name: 'Distillation' }).check();
  await setup.getByText('There is no teacher yet. Train a PerMix run first').waitFor();
  await expect.poll(() => train(page).isDisabled()).toBe(true);
  expect(await obstacles(page)).toEqual([]);

  await setup.getByRole('radio', { name: 'PerMix' }).check();
  await makeSmall(page, 3);
  await train(page).click();
  await untilState(page, 'Finished');

  // On a small screen the next run is one line once there are results.
  await setup.getByRole('button', { name: /^Next run:/ }).click();
  await setup.getByRole('radio', { name: 'Distillation' }).check();
  const teacher = setup.getByLabel('Teacher');
  await expect.poll(() => teacher.getByRole('option').allInnerTexts()).toHaveLength(3);
  expect(await teacher.locator('option:checked').innerText()).toMatch(/^Own settings, .* · seed 1, step \d, reward [01]\.\d\d \(best\)$/);
  await teacher.selectOption({ index: 0 });
  const chosen = await teacher.locator('option:checked').innerText();
  // What was open within it still is.
  for (const [label, value] of Object.entries({ Steps: 300, 'Prompts a step': 2, 'Group size': 2, 'Longest reply': 6 })) {
    await setup.getByLabel(new RegExp(`^${label}(, |$)`)).fill(String(value));
  }
  await setup.getByText('Your own settings, begun from Distillation.').waitFor();
  // Its own teacher stays chosen, whatever is set.
  expect(await teacher.locator('option:checked').innerText()).toBe(chosen);
  await train(page).click();
  await runState(page).getByText('of 300').waitFor();
  // What has no checkpoint of its own yet is not offered again.
  await untilStep(page, 12);
  await page.reload();
  const card = page.getByRole('region', { name: 'A run that can be continued' });
  const at = Number(/at step (\d+) of 300/.exec(await card.innerText({ timeout: 90_000 }))?.[1]);
  await card.getByRole('button', { name: 'Continue' }).click();
  await untilStep(page, at + 2);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await train(page).click({ trial: true });

  // The teacher's run is deleted; what was learned stays, and the page says why it cannot go on.
  const runs = page.getByRole('region', { name: 'What has been kept?' });
  const taught = /taught by (.*), step \d/.exec(await runs.innerText())![1]!;
  await runs.getByRole('button', { name: `Delete the run ${taught}`, exact: true }).click();
  // As long as it can be had back, it is not gone.
  await runs.getByText(/^Deleted:/).waitFor({ state: 'detached', timeout: 60_000 });
  await runs.getByRole('button', { name: 'Continue' }).first().click();
  await page
    .getByText(/was deleted, so the run cannot go on\. What it learned is kept/)
    .first()
    .waitFor();
  expect(await obstacles(page)).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});
