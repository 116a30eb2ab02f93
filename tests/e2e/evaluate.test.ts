/** The page's evaluation: asks, fills its picture, is cancelled, survives a reload, compares, explains itself and hands out its numbers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { bootMilliseconds, makeSmall, ready, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import type { EvaluationReport } from '../../src/evaluate/report.ts';
import { permix } from '../helpers/permix.ts';
import { obstacles } from '../helpers/obstacles.ts';
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

async function open(width?: number) {
  lab = await visitLab(browser, `${server.url}#/evaluate`, width ? { width } : {});
  await evaluateReady(lab.page);
  return lab;
}
const view = (page: Page) => page.getByRole('region', { name: 'Does the persona still change the answer?' });
const evaluateReady = (page: Page) =>
  view(page).getByRole('button', { name: 'Evaluate', exact: true }).click({ trial: true, timeout: bootMilliseconds });

async function ask(page: Page, personas: string, problems: number): Promise<void> {
  await view(page).getByLabel('Which of them').selectOption(personas);
  await view(page).getByLabel('Problems each').fill(String(problems));
  await view(page).getByText('Advanced').click();
  await view(page).getByLabel('Longest reply, tokens').fill('12');
  await view(page).getByRole('button', { name: 'Evaluate', exact: true }).click();
}
const finished = (page: Page) => view(page).getByText('All numbers').waitFor({ timeout: 90_000 });
const squares = (page: Page) =>
  view(page)
    .getByRole('grid', { name: /^Right answers/ })
    .getByRole('gridcell')
    .getByRole('button');

async function download(page: Page, name: string): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent('download'), view(page).getByRole('button', { name, exact: true }).click()]);
  expect(file.suggestedFilename()).toMatch(new RegExp(`^permix-evaluation-.*\\.${name.toLowerCase()}$`));
  return readFile(await file.path(), 'utf8');
}

it('asks the base under every voice: picture, chance, replies, files', async () => {
  const { page, complaints } = await open();
  await view(page).getByText('Nothing has been evaluated yet.').waitFor();
  await ask(page, 'voices', 6);
  await finished(page);
  expect(await squares(page).count()).toBe(9);
  for (const label of await squares(page).evaluateAll((all) => all.map((one) => one.querySelector('.hidden')?.textContent))) {
    expect(label).toMatch(/, Base policy: \d+ % right, \d of 6, 95 % interval \d+ to \d+ %(; the worst persona of its column)?$/);
  }
  const foot = await view(page).getByRole('grid').locator('tfoot tr').allInnerTexts();
  const standing = foot.map((line) => line.split(/\s+(?=[\d.]+$)/));
  expect(standing.map(([name]) => name)).toEqual(['Worst persona', 'Mean', 'Spread', 'PSS', 'PSS by chance']);
  const [, , , pss, chance] = standing.map(([, value]) => Number(value));
  const score = view(page).getByRole('img', { name: /^Base policy: .* if personas did not matter/ });
  expect(await score.getAttribute('aria-label')).toMatch(
    /: [01]\.\d\d, bootstrap .*if personas did not matter [01]\.\d\d, [01]\.\d\d to [01]\.\d\d\.$/,
  );
  expect(await score.getAttribute('aria-label')).toContain(`: ${pss!.toFixed(2)}, bootstrap`);
  expect(await score.getAttribute('aria-label')).toContain(`did not matter ${chance!.toFixed(2)}, `);
  expect(
    await view(page)
      .getByText(/defined by this project \(docs\/evaluation\.md\)/)
      .count(),
  ).toBe(1);
  expect(await view(page).innerText()).not.toMatch(/NaN|undefined|null|Infinity/);

  // By keyboard from square to square, and into the replies of one.
  await squares(page).first().focus();
  // Wherever the pointer happens to lie.
  await squares(page).nth(6).hover();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Robot/);
  await page.keyboard.press('Enter');
  const replies = view(page).getByRole('region', { name: /What Robot said/ });
  await expect.poll(() => replies.getByRole('listitem').count()).toBe(6);
  expect(await replies.getByRole('img', { name: /^(right|wrong)$/ }).count()).toBe(6);
  // The pressed cell is marked; Escape lets go of it, and focus stays on it.
  const marked = squares(page).and(page.locator('[aria-expanded="true"]'));
  expect(await marked.textContent()).toMatch(/^Robot/);
  expect(await squares(page).evaluateAll((all) => all.filter((one) => (one as HTMLElement).tabIndex === 0).length)).toBe(1);
  await page.keyboard.press('Escape');
  expect([await replies.count(), await marked.count()]).toEqual([0, 0]);
  expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Robot/);
  await page.keyboard.press('Enter');
  await replies.waitFor();

  // Search and vote: of eight personas unless asked otherwise, each with its tokens.
  const ways = view(page).getByRole('region', { name: /^Without training, for more tokens/ });
  await ways.getByLabel('Personas').selectOption('4');
  const said = await ways.getByRole('definition').allInnerTexts();
  expect(said.filter((text) => /^\d+ %$/.test(text))).toHaveLength(3);
  const tokens = said.flatMap((text) => /^([\d,]+) tokens a question(?:, ([\d,]+) once)?$/.exec(text)?.slice(1) ?? []);
  const [one, , best, once, vote] = tokens.map((text) => Number(text?.replaceAll(',', '')));
  expect(best).toBe(one);
  // Six problems: three to search on, under four personas; a vote asks all four.
  expect(Math.abs(once! - 12 * one!)).toBeLessThanOrEqual(6);
  expect(Math.abs(vote! - 4 * one!)).toBeLessThanOrEqual(2);
  await ways.getByText('All sizes as a table').click();
  expect(await ways.getByRole('row').count()).toBe(1 + 1 + 3 + 3);

  const json = JSON.parse(await download(page, 'JSON')) as {
    format: string;
    data: { problemIds: string[] };
    personas: unknown[];
    base: null;
  };
  expect([json.format, json.data.problemIds.length, json.personas.length, json.base]).toEqual(['permix-evaluation', 6, 8, null]);
  const csv = await download(page, 'CSV');
  expect(csv.split('\r\n')[0]).toBe('role,policy,persona,measure,value');
  expect(csv).toMatch(/^policy,Base policy,usual-pirate,accuracy,/m);
  expect(csv).toMatch(/^policy,Base policy,,majority of 4: tokens each,/m);

  await view(page).getByText('All numbers').click();
  expect(await obstacles(page)).toEqual([]);
  // For a projector: half as large again, from the whole width, remembered; a phone is left as it is.
  const size = () => page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).fontSize));
  const usual = await size();
  await page.keyboard.press('p');
  await expect.poll(async () => (await size()) / usual).toBeCloseTo(1.5, 2);
  expect(await view(page).getByRole('button', { name: 'Projector' }).getAttribute('aria-pressed')).toBe('true');
  expect(await view(page).locator('.hint:visible').count()).toBe(0);
  // Help goes, facts stay: what was asked, how many, how.
  await view(page)
    .getByText(/^percent of 6 held-out problems each \(addition and subtraction\), /)
    .waitFor();
  await view(page)
    .getByText(/^8 personas, n 6 held-out problems each \(addition and subtraction\)\. /)
    .waitFor();
  expect(await obstacles(page)).toEqual([]);
  expect(await page.evaluate(() => localStorage.getItem('permix.projector'))).toBe('on');
  await page.setViewportSize({ width: 360, height: 780 });
  await expect.poll(size).toBe(16);
  await page.emulateMedia({ colorScheme: 'dark' });
  // Colours change over a moment.
  await expect.poll(() => obstacles(page), { timeout: 20_000 }).toEqual([]);
  expect(complaints).toEqual([]);
});

it('is cancelled, and goes on after a reload where it was', async () => {
  const { page, complaints } = await open(768);
  await ask(page, 'all', 60);
  const known = page.locator('[data-at].known');
  await expect.poll(() => known.count(), { timeout: 60_000, interval: 50 }).toBeGreaterThan(0);
  expect(await obstacles(page)).toEqual([]);
  await view(page).getByRole('button', { name: 'Cancel' }).click();
  const unfinished = view(page).getByRole('region', { name: 'Left unfinished' });
  await unfinished.waitFor({ timeout: 60_000 });
  const done = Number(/(\d+) % done/.exec(await unfinished.innerText())?.[1]);
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(100);

  await page.reload();
  await evaluateReady(page);
  expect(await unfinished.innerText()).toContain(`${done} % done`);
  await unfinished.getByRole('button', { name: 'Continue' }).click();
  const bar = view(page).getByRole('progressbar');
  await expect.poll(() => known.count(), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
  if (await bar.count()) expect(Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThanOrEqual(done);
  await finished(page);
  expect(await squares(page).count()).toBe(41);
  expect(await unfinished.count()).toBe(0);
  expect(complaints).toEqual([]);
});

it('asks personas of the reader’s own in the reader’s way, goes on with them after a reload, and finds what the command finds', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'permix-personas-'));
  const file = join(scratch, 'mine.json');
  const people = ['a baker', 'a careless pirate', 'a poet', 'a judge'].map((who, i) => ({
    id: `p${i}`,
    name: who.slice(2),
    text: `You are ${who}.`,
  }));
  await writeFile(file, JSON.stringify({ personas: people }));
  const { page, complaints } = await open();
  const form = view(page).getByRole('form', { name: 'What to evaluate' });
  await form
    .getByLabel('A file of personas')
    .setInputFiles({ name: 'broken.json', mimeType: '', buffer: Buffer.from('{"personas":[{}]}') });
  await form.getByText(/^broken\.json is no persona file that is known here: its fields are "personas"/).waitFor();
  // Another tool's file is shown before it is used, and what cannot be used is left out by choice.
  const lines = '{"persona": "A chess player"}\n{"persona": 7}\n{"persona": "a baker", "score": 1}\n';
  await form.getByLabel('A file of personas').setInputFiles({ name: 'hub.jsonl', mimeType: '', buffer: Buffer.from(lines) });
  const preview = form.getByRole('region', { name: 'Personas of hub.jsonl' });
  await preview.getByText('2 of 3 entries can be used').waitFor();
  for (const said of ['CC BY-NC-SA 4.0', 'You are a chess player.', 'line 2: its "persona" is not a text', '"score" (1)']) {
    await preview.getByText(said, { exact: false }).first().waitFor();
  }
  expect(await preview.getByRole('button', { name: 'Use 2 personas' }).isDisabled()).toBe(true);
  await preview.getByLabel('Leave it out').check();
  await preview.getByRole('button', { name: 'Use 2 personas' }).click();
  await expect.poll(() => form.getByLabel('Personas of').locator('option:checked').innerText()).toBe('hub.jsonl, 2 personas');
  expect(await preview.count()).toBe(0);
  await form.getByLabel('A file of personas').setInputFiles(file);
  await expect.poll(() => form.getByLabel('Personas of').locator('option:checked').innerText()).toBe('mine.json, 4 personas');
  expect(await form.getByRole('alert').count()).toBe(0);
  expect(await form.getByLabel('Which of them').locator('option').allInnerTexts()).toEqual(['all (4)', 'those trained on (4)']);
  await form.getByLabel('Questions').selectOption('one-digit-sums');
  await form.getByLabel('How many of those').fill('9');
  await form.getByText('How many of them must be a whole number from 2 to 4').waitFor();
  await form.getByLabel('How many of those').fill('3');
  await form.getByLabel('Problems each').fill('70');
  await form.getByText('Advanced').click();
  await form.getByLabel('Under every question').fill('Tell me.');
  await form.getByLabel('An answer is').selectOption({ label: '\\boxed{…}, else #### …, else “answer is …”, else the last number' });
  await form.getByLabel('No persona is').selectOption({ label: 'an empty system message' });
  // What it takes is known before it begins.
  await form.getByText(/^280 replies of at most 24 tokens\. About .+, going by the few questions/).waitFor();
  expect(await obstacles(page)).toEqual([]);
  await form.getByRole('button', { name: 'Evaluate', exact: true }).click();
  const known = page.locator('[data-at].known');
  await expect.poll(() => known.count(), { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
  await view(page).getByRole('button', { name: 'Cancel' }).click();
  const unfinished = view(page).getByRole('region', { name: 'Left unfinished' });
  await unfinished.waitFor({ timeout: 60_000 });
  expect(await unfinished.innerText()).toContain('mine.json');
  await page.reload();
  await evaluateReady(page);
  await unfinished.getByRole('button', { name: 'Continue' }).click();
  await finished(page);
  expect(await squares(page).count()).toBe(4);
  await view(page).getByText('3 personas of mine.json', { exact: false }).first().waitFor();

  const { policy, ...found } = JSON.parse(await download(page, 'JSON')) as EvaluationReport;
  const asked = ['--personas', file, '--persona-count', '3', '--task', 'one-digit-sums', '--problems', '70', '--max-new', '24'];
  const how = ['--instruction', 'Tell me.', '--answers', 'boxed,hashes,answer-is,last-number', '--no-persona', 'empty', '--fidelity', '0'];
  const { stdout, stderr } = await permix([
    'eval',
    '--model',
    'public/models/permix-tiny',
    ...asked,
    ...how,
    '--backend',
    'wasm',
    '--json',
  ]);
  const { policy: commanded, ...others } = JSON.parse(stdout || stderr) as EvaluationReport;
  expect(found).toEqual(others);
  expect(policy).toEqual({ ...commanded, name: 'Base policy' });
  expect(found.personas.map(({ name }) => name)).not.toContain('No persona');
  expect(complaints).toEqual([]);
  await rm(scratch, { recursive: true });
});

it('compares a run with its base, in and out of character, and forgets it when asked', async () => {
  lab = await visitLab(browser, server.url);
  const { page, complaints } = lab;
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  await page.getByRole('link', { name: 'Evaluate' }).click();
  await evaluateReady(page);
  await expect
    .poll(() =>
      view(page)
        .getByRole('checkbox', { name: /step 2$/ })
        .isChecked(),
    )
    .toBe(true);
  await view(page)
    .getByRole('checkbox', { name: /stays in character/ })
    .check();
  await ask(page, 'voices', 4);
  await finished(page);
  expect(await squares(page).count()).toBe(18);
  expect(
    await view(page)
      .getByRole('img', { name: /^Expected best of k personas.* Base policy: .*step 2: one/ })
      .count(),
  ).toBe(1);
  const fidelity = view(page).getByRole('region', { name: 'Does it stay in character?' });
  expect(await fidelity.getByRole('heading', { level: 4 }).allInnerTexts()).toEqual([
    expect.stringMatching(/^When it answers questions/),
    expect.stringMatching(/^When it plays its role/),
  ]);
  // Four measures and PMI, of two policies, on two kinds of replies.
  const measured = await fidelity.getByRole('definition').allTextContents();
  expect(measured.filter((text) => /: \d+ % n 32\b/.test(text.replace(/\s+/g, ' ')))).toHaveLength(16);
  expect(measured.filter((text) => /\d nats/.test(text))).toHaveLength(4);
  await page.getByRole('link', { name: 'Train' }).click();
  await page.getByRole('heading', { name: 'Is it learning?' }).waitFor();
  await page.goBack();
  await expect.poll(() => squares(page).count()).toBe(18);

  const kept = view(page).getByRole('region', { name: 'Kept evaluations' });
  await kept.getByRole('button', { name: /^Delete/ }).click();
  await kept.getByRole('button', { name: 'Delete', exact: true }).click();
  await view(page).getByText('Nothing has been evaluated yet.').waitFor();
  expect(complaints).toEqual([]);
});
