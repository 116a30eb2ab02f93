/** Policies of the reader's own on the built page: dropped, picked and fetched, chosen, asked, trained, kept offline, removed. Without a GPU. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { answered, cutOff, hubServer, type HubServer } from '../helpers/hub-server.ts';
import { bootMilliseconds, makeSmall, ready, runState, saveAs, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';
import { adapterFiles } from '../helpers/tiny-adapters.ts';
import { tinyPolicyFiles, writeTinyPolicy } from '../helpers/tiny-folder.ts';

let browser: Browser;
let server: StaticServer;
let scratch: string;
let lab: LabPage | undefined;
let hub: HubServer | undefined;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'permix-own-'));
  await writeTinyPolicy(join(scratch, 'tiny'));
  [browser, server] = await Promise.all([launchChromium(false), serveFolder('dist')]);
});
afterEach(async () => {
  await lab?.context.close();
  await hub?.close();
  lab = hub = undefined;
});
afterAll(async () => {
  await browser.close();
  await server.close();
  rmSync(scratch, { recursive: true });
});

/** As from a file manager: a folder arrives as one. */
async function drop(page: Page, ...files: string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
  await session.detach();
}
const dialog = (page: Page) => page.getByRole('dialog', { name: 'Add a policy' });
const policies = (page: Page) => page.getByRole('combobox', { name: 'Which policy?' });
const names = (page: Page) => policies(page).locator('option').allInnerTexts();

/** Folders of policies in the browser's file system. */
const keptFolders = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('policies');
    let count = 0;
    for await (const _ of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) count++;
    return count;
  });

/** Asks the base one question without a persona, and waits for what it says. */
async function probe(page: Page): Promise<void> {
  const section = page.getByRole('region', { name: 'What does each persona say?' });
  await section.getByRole('button', { name: 'Ask', exact: true }).click();
  await section.getByText('All replies are there.').waitFor({ state: 'attached' });
  expect(await section.getByRole('alert').count()).toBe(0);
}

it(
  'dropped as a folder or as a GGUF file it is chosen, answers, is there after a reload without a network, and can be removed',
  async () => {
    lab = await visitLab(browser, server.url, { kept: true });
    const { page, context, complaints } = lab;
    await ready(page);
    await page.evaluate(async () => void (await navigator.serviceWorker.ready));
    await drop(page, join(scratch, 'tiny'));
    await dialog(page).getByText('is here, and chosen for the next run.').waitFor();
    await dialog(page)
      .getByText(/^Llama · 0\.0\d+ M parameters · F32, \d+(\.\d)? kB · no licence stated$/)
      .waitFor();
    expect(await obstacles(page)).toEqual([]);
    await dialog(page).getByRole('button', { name: 'Close' }).click();
    expect(await policies(page).locator('option:checked').innerText()).toBe('tiny');
    await probe(page);

    await drop(page, resolve('tests/fixtures/gguf/llama.gguf'));
    await dialog(page).getByText('is here, and chosen for the next run.').waitFor();
    await page.keyboard.press('Escape');
    expect(await names(page)).toEqual(['PerMix tiny', 'llama', 'tiny']);

    await context.setOffline(true);
    await page.reload();
    await ready(page);
    await expect.poll(() => names(page)).toEqual(['PerMix tiny', 'llama', 'tiny']);
    await policies(page).selectOption('tiny');
    await probe(page);
    await makeSmall(page, 1);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');

    const chooser = page.getByRole('group', { name: 'Which policy?' });
    await chooser.getByText('1 kept run needs it to go on.').waitFor();
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await expect.poll(() => names(page)).toEqual(['PerMix tiny', 'llama']);
    expect(await policies(page).locator('option:checked').innerText()).toBe('PerMix tiny');
    await policies(page).selectOption('llama');
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await expect.poll(() => names(page)).toEqual(['PerMix tiny']);
    expect(await keptFolders(page)).toBe(0);
    expect(complaints).toEqual([]);
  },
  bootMilliseconds * 2,
);

/** The replies that stand there, the base's first. */
const replies = (page: Page) => page.getByRole('region', { name: 'What does each persona say?' }).locator('.cell').allInnerTexts();

it(
  'adapters that a run was saved as come back as a policy: it answers as the run does, not as its base, and is trained on from there',
  async () => {
    lab = await visitLab(browser, `${server.url}#/train?v=1&recipe=sft`);
    const { page, complaints } = lab;
    await ready(page);
    await probe(page);
    const [base] = await replies(page);
    await makeSmall(page, 3);
    const setup = page.locator('#setup');
    await setup.getByLabel('LoRA rank, 0 trains everything').fill('4');
    await setup.getByLabel(/^Learning rate/).fill('0.05');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');
    page.once('dialog', (asked) => void asked.accept(asked.defaultValue()));
    await probe(page);
    const run = (await replies(page))[1];
    const { name, bytes } = await saveAs(page, /^Save as: the run/, /^LoRA adapters for PEFT/);
    await page.getByRole('button', { name: 'Add a policy' }).click();
    await page.getByLabel('Files of a policy').setInputFiles({ name, mimeType: 'application/zip', buffer: bytes });
    await dialog(page).getByText('is here, and chosen for the next run.').waitFor();
    await dialog(page)
      .getByText(/^Llama · 0\.\d+ M parameters · LoRA of rank 4, \d+(\.\d)? kB/)
      .waitFor();
    await page.keyboard.press('Escape');
    const own = `${name.replace(/\.zip$/, '')} on PerMix tiny`;
    expect(await names(page)).toEqual(['PerMix tiny', own]);
    expect(await policies(page).locator('option:checked').innerText()).toBe(own);
    // Alone: beside a run it would be asked what that run began from.
    await page.getByRole('group', { name: 'Checkpoints' }).getByRole('button', { name: 'Now, step 3' }).click();
    await probe(page);
    const [adapted] = await replies(page);
    expect(adapted).not.toBe(base);
    expect(adapted).toBe(run);

    // It brings settings of its own; Advanced is closed, so that it can be opened.
    expect(await setup.getByLabel('LoRA rank, 0 trains everything').inputValue()).toBe('4');
    await page.getByText('Advanced', { exact: true }).click();
    await makeSmall(page, 1);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await runState(page).getByText('step 1 of 1').waitFor();
    await untilState(page, 'Finished');
    const chooser = page.getByRole('group', { name: 'Which policy?' });
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await chooser.getByRole('button', { name: 'Remove it' }).click();
    await expect.poll(() => names(page)).toEqual(['PerMix tiny']);
    expect(await keptFolders(page)).toBe(0);
    expect(complaints).toEqual([]);
  },
  bootMilliseconds * 2,
);

it('adapters whose base is not here ask for it, refuse another, take the one that is fetched, and say when it was removed', async () => {
  hub = await hubServer(tinyPolicyFiles());
  mkdirSync(join(scratch, 'mine'));
  for (const [name, bytes] of Object.entries(await adapterFiles('somebody/tiny'))) writeFileSync(join(scratch, 'mine', name), bytes);
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  await ready(page);
  await drop(page, join(scratch, 'mine'));
  const sheet = dialog(page);
  await sheet.getByText('The adapters in mine are of "somebody/tiny", which is not here.').waitFor();
  expect(await sheet.getByLabel('From a hub').inputValue()).toBe('somebody/tiny');
  expect(await obstacles(page)).toEqual([]);
  const choice = sheet.getByRole('combobox', { name: 'Which policy are they of?' });
  expect(await choice.locator('option').allInnerTexts()).toEqual(['Choose their base', 'PerMix tiny']);
  await choice.selectOption('PerMix tiny');
  await sheet.getByRole('button', { name: 'Add them' }).click();
  await sheet.getByRole('alert').getByText('Check that these are the adapters of this base.').waitFor();
  // It may be fetched first, under this name or another, and is proposed then.
  await sheet.getByText('Gated policies, other hubs').click();
  await sheet.getByLabel('Address of the hub').fill(hub.url);
  await sheet.getByLabel('From a hub').fill('some/tiny');
  await sheet.getByRole('button', { name: 'Fetch' }).click();
  await sheet.getByText('is here, and chosen for the next run.').waitFor();
  await expect.poll(() => choice.locator('option:checked').innerText()).toBe('tiny');
  await sheet.getByRole('button', { name: 'Add them' }).click();
  await sheet.getByText('mine on tiny').waitFor();
  await page.keyboard.press('Escape');
  expect(await names(page)).toEqual(['PerMix tiny', 'mine on tiny', 'tiny']);
  await probe(page);

  const chooser = page.getByRole('group', { name: 'Which policy?' });
  await policies(page).selectOption('tiny');
  await chooser.getByText('Adapters are of it, and answer no longer without.').waitFor();
  await chooser.getByRole('button', { name: 'Remove it' }).click();
  await chooser.getByRole('button', { name: 'Remove it' }).click();
  await expect.poll(() => names(page)).toEqual(['PerMix tiny', 'mine on tiny']);
  await policies(page).selectOption('mine on tiny');
  await chooser.getByRole('alert').getByText('and their base, “tiny”, is not in this browser.').waitFor();
});

it('adapters are fetched from a hub as policies are, on the base that is fetched in answer to the question', async () => {
  const [base, adapters] = [tinyPolicyFiles(), await adapterFiles('somebody/tiny')];
  const served = (hub = await hubServer({}));
  served.behave(({ policy }) => {
    served.files = policy === 'somebody/tiny' ? base : adapters;
    return false;
  });
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  await ready(page);
  await page.getByRole('button', { name: 'Add a policy' }).click();
  const sheet = dialog(page);
  const fetchIt = () => sheet.getByRole('button', { name: 'Fetch' }).click();
  await sheet.getByText('Gated policies, other hubs').click();
  await sheet.getByLabel('Address of the hub').fill(hub.url);
  await sheet.getByLabel('From a hub').fill('some/adapters');
  await fetchIt();
  await sheet.getByText('The adapters in adapters are of "somebody/tiny", which is not here.').waitFor();
  expect(await sheet.getByLabel('From a hub').inputValue()).toBe('somebody/tiny');
  await fetchIt();
  await sheet.getByText('is here, and chosen for the next run.').waitFor();
  await sheet.getByRole('button', { name: 'Add them' }).click();
  await sheet.getByText('adapters on tiny').waitFor();
  await page.keyboard.press('Escape');
  expect(await names(page)).toEqual(['PerMix tiny', 'adapters on tiny', 'tiny']);
  await probe(page);
});

it('what is no policy is refused in a sentence, and a link to one that is not here says which to add', async () => {
  lab = await visitLab(browser, `${server.url}#/train?v=1&recipe=permix&policy=smollm~0123456789ab`);
  const { page } = lab;
  const chooser = page.getByRole('group', { name: 'Which policy?' });
  await chooser
    .getByText('The policy “smollm” is not in this browser. Add it under “Which policy?”')
    .waitFor({ timeout: bootMilliseconds });
  await chooser.getByRole('button', { name: 'Add a policy' }).click();
  await page.getByLabel('Files of a policy').setInputFiles({ name: 'cat.gguf', mimeType: '', buffer: Buffer.from('a picture') });
  await dialog(page).getByRole('alert').getByText('cat.gguf is no GGUF file').waitFor();
  await page.getByLabel('Folder of a policy').setInputFiles(join(scratch, 'tiny'));
  await dialog(page).getByText('is here, and chosen for the next run.').waitFor();
  await page.keyboard.press('Escape');
  await expect.poll(() => chooser.getByRole('alert').count()).toBe(0);
});

it('where the browser’s room ends in the middle it works for the visit, the page says so, and nothing is left', async () => {
  lab = await visitLab(browser, server.url);
  const { page, context } = lab;
  await ready(page);
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 20_000 });
  await drop(page, join(scratch, 'tiny'));
  await dialog(page)
    .getByText(/^This browser has no room to keep tiny.*until this page is closed, from the files you gave/)
    .waitFor();
  await page.keyboard.press('Escape');
  expect(await names(page)).toEqual(['PerMix tiny', 'tiny (this visit)']);
  await probe(page);
  expect(await keptFolders(page)).toBe(0);
});

it('fetched from a hub it goes on where it stopped, and what a hub does wrong is told in a sentence', async () => {
  hub = await hubServer(tinyPolicyFiles());
  lab = await visitLab(browser, server.url);
  const { page } = lab;
  await ready(page);
  await page.getByRole('button', { name: 'Add a policy' }).click();
  const sheet = dialog(page);
  await sheet.getByText('Gated policies, other hubs').click();
  await sheet.getByLabel('Address of the hub').fill(hub.url);
  await sheet.getByLabel('From a hub').fill('some/tiny');
  const fetchIt = () => sheet.getByRole('button', { name: 'Fetch' }).click();
  const told = (sentence: string | RegExp) => sheet.getByRole('alert').getByText(sentence).waitFor();

  hub.behave((_, response) => answered(response, 200, { 'content-type': 'text/html' }));
  await fetchIt();
  await told('answered with a web page instead of config.json of some/tiny');

  hub.behave(({ headers }, response) => headers.authorization !== 'Bearer hf_mine' && answered(response, 401));
  await fetchIt();
  await told('type a token of yours that may read it');
  await sheet.getByLabel('Token').fill('hf_mine');

  const weights = hub.files['model.safetensors']!;
  let cut = true;
  hub.behave(({ path, headers }, response) => {
    if (headers.authorization !== 'Bearer hf_mine') return answered(response, 401);
    return (
      cut &&
      path === 'model.safetensors' &&
      !headers.range &&
      hub!.asked.includes('README.md') &&
      cutOff(weights, 9000, 'hang up')(response)
    );
  });
  await fetchIt();
  await told('what has arrived is kept');
  const unfinished = sheet.getByRole('list', { name: 'Begun and not finished' });
  await unfinished.getByText(/some\/tiny: \d+(\.\d)? kB of \d+(\.\d)? kB are here\./).waitFor();
  cut = false;
  hub.asked.length = 0;
  await unfinished.getByRole('button', { name: 'Go on' }).click();
  await sheet.getByText('is here, and chosen for the next run.').waitFor();
  expect(hub.asked).toContain('model.safetensors from 9000');
  await page.keyboard.press('Escape');
  await probe(page);
  // The token was this visit's.
  const stored = await page.evaluate(async () => {
    const all = [JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
    const database = await new Promise<IDBDatabase>((done, fail) => {
      const opening = indexedDB.open('permix-lab');
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => fail(opening.error!);
    });
    for (const name of database.objectStoreNames) {
      const request = database.transaction(name).objectStore(name).getAll();
      all.push(JSON.stringify(await new Promise((done) => (request.onsuccess = () => done(request.result)))));
    }
    database.close();
    return all.join('\n');
  });
  expect(stored).toContain('some/tiny');
  expect(stored).not.toContain('hf_mine');
});
