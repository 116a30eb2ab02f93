/** The log of a TRL run beside a run of the page: dropped or chosen, drawn, named, removed; and what is no log. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeSmall, ready, saveAs, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser;
let server: StaticServer;
let lab: LabPage | undefined;
let state: string;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
  state = await readFile(resolve(import.meta.dirname, '../fixtures/trl/trainer_state.json'), 'utf8');
});
afterEach(async () => {
  await lab?.context.close();
  lab = undefined;
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

const drop = (page: Page, name: string, text: string) =>
  page.evaluate(
    ([fileName, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([content!], fileName!));
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [name, text],
  );

it('a log of TRL is laid over the charts of a run, and taken away again', async () => {
  lab = await visitLab(browser, server.url);
  const { page, complaints } = lab;
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  await drop(page, 'trainer_state.json', state);
  await page.getByText(/trainer_state\.json is laid over the charts: 4 steps, \d+ metrics\./).waitFor();
  const over = page.getByRole('table', { name: 'What is laid over the charts' });
  await over.getByText('trainer_state.json, a log of 4 steps').waitFor();

  const learning = page.getByRole('region', { name: 'Is it learning?' });
  const chart = await saveAs(learning.locator('figure').filter({ hasText: 'Entropy' }), 'Save as: the chart Entropy', /^Numbers/);
  const rows = chart.bytes.toString('utf8').trim().split('\r\n');
  expect(rows[0]).toContain('trainer_state.json');
  // Two steps of the run, four of the log.
  expect(rows.length).toBe(5);

  await page
    .getByLabel('Logs of another trainer')
    .setInputFiles({ name: 'no.json', mimeType: 'application/json', buffer: Buffer.from('{"a": 1}') });
  await page.getByText(/no\.json has no step with a metric that is known here: its fields are "a"\./).waitFor();
  await over.getByRole('button', { name: 'Remove trainer_state.json' }).click();
  await over.waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);
});
