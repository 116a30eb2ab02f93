/** A library of one's own: made of a copy, undone and redone, gone on with after a reload, saved, trained under, taken away as a file, removed. */
import type { Browser, Locator, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readPersonas } from '../../src/persona/import/read.ts';
import { bootMilliseconds, makeSmall, ready, saveAs, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
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

const sheet = (page: Page): Locator => page.getByRole('dialog', { name: 'Personas of your own' });
const textOf = (dialog: Locator): Locator => dialog.getByLabel('Text: what the policy is told');
const promptOf = (dialog: Locator): Promise<string> => dialog.getByRole('region', { name: 'The prompt' }).innerText();

describe('a persona library of one’s own', () => {
  it('is written by keyboard, survives a reload, is trained under and saved as files', async () => {
    lab = await visitLab(browser, server.url);
    const { page, complaints } = lab;
    await ready(page);
    await makeSmall(page, 1);
    const setup = page.locator('#setup');
    await setup.getByLabel('Personas of').selectOption('a new library …');
    const dialog = sheet(page);
    await dialog.getByText('There is no persona in it yet.').waitFor();
    await dialog.getByLabel('Name of the library').fill('cooks');
    await dialog.getByRole('button', { name: 'Add' }).focus();
    await page.keyboard.press('Enter');
    // The name has the focus, and all of it is selected.
    await page.keyboard.type('A cook');
    await textOf(dialog).fill('You are a very good cook.');
    expect(await dialog.getByLabel('Id', { exact: true }).inputValue()).toBe('a-cook');
    await expect
      .poll(() => promptOf(dialog))
      .toMatch(/You are a very good cook\.[^]*What is 17 \+ 25\?[^]*\d+ tokens, of \d+ that there are/);

    await dialog.getByRole('button', { name: 'Duplicate' }).click();
    await textOf(dialog).fill('');
    await dialog.getByText('A persona needs a text: it is what the policy is told.').waitFor();
    expect(await dialog.getByRole('button', { name: 'Save and use' }).isDisabled()).toBe(true);
    await page.keyboard.press('Control+z');
    expect(await textOf(dialog).inputValue()).toBe('You are a very good cook.');
    await page.keyboard.press('Control+Shift+Z');
    expect(await textOf(dialog).inputValue()).toBe('');
    await textOf(dialog).fill(`You are a slow cook. ${'Very slow. '.repeat(60)}`);
    await expect.poll(() => promptOf(dialog)).toMatch(/tokens, and the policy has room for \d+ beside a reply of 6: shorten the text/);
    await dialog.getByText(/The draft is kept/).waitFor();

    // It is open again, over the page.
    await page.reload();
    await sheet(page).waitFor({ timeout: bootMilliseconds });
    expect(await textOf(dialog).inputValue()).toMatch(/^You are a slow cook\./);
    await textOf(dialog).fill('You are a slow cook.');
    await dialog.getByLabel('Split').selectOption('held out, evaluated only');
    // From one to the next, and back, without a mouse.
    await dialog.getByRole('listbox', { name: 'Personas' }).focus();
    await page.keyboard.press('ArrowUp');
    expect(await textOf(dialog).inputValue()).toBe('You are a very good cook.');
    await dialog.getByRole('button', { name: 'Save and use' }).click();
    await dialog.waitFor({ state: 'detached' });

    await makeSmall(page, 1);
    const chosen = setup.getByLabel('Personas of');
    await expect.poll(() => chosen.locator('option:checked').innerText()).toBe('cooks, 2 personas');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');
    expect(await page.getByRole('region', { name: 'What did it just say?' }).innerText()).toMatch(/A cook/);

    const json = await saveAs(setup, 'Save as: cooks', /^Personas JSON/);
    const csv = await saveAs(setup, 'Save as: cooks', /^Personas as a table/);
    for (const [file, name] of [
      [json, 'cooks.json'],
      [csv, 'cooks.csv'],
    ] as const) {
      expect(file.name).toBe(name);
      const { library } = readPersonas([{ name, text: file.bytes.toString('utf8') }], name);
      expect(library.personas.map(({ id, text, heldOut }) => [id, text, heldOut])).toEqual([
        ['a-cook', 'You are a very good cook.', false],
        ['a-cook-copy', 'You are a slow cook.', true],
      ]);
    }
    expect(complaints).toEqual([]);
  });

  it('stays a draft when it is left, and goes when it is put away, on a phone too', async () => {
    lab = await visitLab(browser, server.url, { width: 360, height: 740, theme: 'dark' });
    const { page, complaints } = lab;
    await ready(page);
    await page.getByText('Advanced', { exact: true }).click();
    const setup = page.locator('#setup');
    await setup.getByRole('button', { name: 'Edit a copy' }).click();
    const dialog = sheet(page);
    await dialog.getByText('Nothing has been changed yet.').waitFor();
    expect(await dialog.evaluate((element) => element.scrollWidth <= element.clientWidth)).toBe(true);
    await dialog.getByLabel('Id', { exact: true }).fill('careful-professor');
    await dialog.getByText('Persona 2 has this id, too.').waitFor();
    await page.keyboard.press('Escape');
    const drafts = setup.getByRole('list', { name: 'Personas that are being edited' });
    await drafts.getByRole('button', { name: 'Go on with bundled world, copy' }).click();
    await dialog.getByText('2 personas have something to mend.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await drafts.getByRole('button', { name: 'Delete the draft of bundled world, copy' }).click();
    await drafts.waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });
});
