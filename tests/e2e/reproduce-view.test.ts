/**
 * The Reproduce view: the committed study, told by its own numbers; the recorded run, played, scrubbed, driven by keys, without an engine too; and run
 * here. What is far below is made when it is needed.
 */
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { armValue, type ClaimResult } from '../../src/study/claims.ts';
import type { StudyResults } from '../../src/study/results.ts';
import { readRecording } from '../../src/exchange/read-recording.ts';
import { recordedMetrics } from '../../src/exchange/recording.ts';
import { bootMilliseconds, runState, untilStep, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
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

async function open(width?: number, theme: 'light' | 'dark' = 'light') {
  lab = await visitLab(browser, `${server.url}?engine=portable&backend=wasm#/reproduce`, width ? { width, theme } : {});
  await whole(lab.page);
  return lab;
}
/** All of the view, which follows once somebody is there. */
async function whole(page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Does mixing personas in keep both?' }).waitFor();
  await page.keyboard.press('Shift');
}
const view = (page: Page) => page.getByRole('region', { name: 'What happens on the way?' });
const step = (page: Page) => view(page).getByRole('slider', { name: 'Step on view' });
const run = (page: Page, name: string) => view(page).getByRole('article', { name: `${name}, recorded` });
const recording = async () => readRecording(await readFile('public/runs/rlvr-permix/recording.json', 'utf8'));

it('tells the study by the numbers that are in the file', async () => {
  const { page, complaints } = await open();
  const results = JSON.parse(await readFile('docs/reproduction/results.json', 'utf8')) as StudyResults & { claims: readonly ClaimResult[] };
  const { claims } = results;
  const study = page.getByRole('region', { name: 'Does mixing personas in keep both?' });
  const [first] = claims;
  await study
    .getByRole('region', { name: 'Does the persona matter less?' })
    .getByText(`+${(100 * (first!.ratio! - 1)).toFixed(1)} %`)
    .waitFor();
  const picture = study.getByRole('table', { name: /^How often is each persona right\?/ });
  expect(await picture.locator('thead th').allInnerTexts()).toEqual(['Base', 'RLVR', 'PerMix', 'SFT', 'Distillation']);
  expect(await picture.locator('tbody tr').count()).toBe(1 + results.personas.length);
  const worst = (await picture.getByRole('row', { name: /^Worst persona/ }).innerText()).match(/\d+ \d+–\d+/g)!;
  const { mean, half } = armValue(results, 'permix-beta0.02', 'worst')!;
  expect(worst[2]).toBe(`${Math.round(100 * mean)} ${Math.round(100 * (mean - half!))}–${Math.round(100 * (mean + half!))}`);
  const setting = page.getByRole('radio', { name: /^β 0$/ });
  const table = study.getByRole('table', { name: /claim/i }).first();
  const told = async (beta: string) => {
    const text = (await table.innerText()).replace(/\s+/g, ' ');
    for (const claim of claims.filter(({ setting: of }) => of === beta)) expect(text).toContain(claim.statement);
    return text;
  };
  expect(await told('β 0.02')).toMatch(/PerMix has a higher persona fidelity than RLVR .*? Reproduced/);
  await setting.check();
  expect(await told('β 0')).toMatch(/PerMix has a higher persona fidelity than RLVR [^]*?×1\.02 [^]*?Undecided/);
  for (const summary of await study.locator('summary').all()) await summary.click();
  expect(await study.innerText()).not.toMatch(/NaN|undefined|null|Infinity/);
  expect(await obstacles(page)).toEqual([]);
  expect(complaints).toEqual([]);

  await page.route('**/runs/study.json', (route) => route.fulfill({ status: 404, body: 'no' }));
  await page.reload();
  await page.getByText('This page was built without a study.').waitFor();
});

it('makes what is far below when it comes near, when somebody is there, and for paper', async () => {
  // While the study is on its way too, what stands below it is far below.
  lab = await visitLab(browser, `${server.url}#/reproduce`, { width: 1350, height: 940 });
  const { page } = lab;
  const claims = page.getByRole('heading', { name: /^Every claim/ });
  const first = page.getByRole('region', { name: 'Does the persona matter less?' });
  await first.waitFor();
  // What is not there yet has its room.
  const length = () => page.evaluate(() => document.documentElement.scrollHeight / innerHeight);
  expect(await length()).toBeGreaterThan(4);
  expect(await view(page).count()).toBe(0);
  await expect
    .poll(
      async () => {
        await page.evaluate(() => window.scrollBy(0, innerHeight));
        return await step(page).count();
      },
      { timeout: 10_000 },
    )
    .toBe(1);

  // A browser comes back to where the page was scrolled to.
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.reload();
  await first.waitFor();
  expect(await view(page).count()).toBe(0);
  await page.keyboard.press('Shift');
  await step(page).waitFor();

  await page.evaluate(() => window.scrollTo(0, 0));
  await page.reload();
  await first.waitFor();
  expect(await view(page).count()).toBe(0);
  const printed = await page.evaluate(() => {
    dispatchEvent(new Event('beforeprint'));
    return document.body.innerText;
  });
  expect(printed).toContain('What happens on the way?');
  await claims.waitFor();
});

it('shows the end, then any step: by button, slider, key and film', async () => {
  const { page, complaints } = await open();
  const { runs } = await recording();
  const { steps } = runs[0]!.config;
  await step(page).waitFor();
  expect(await step(page).inputValue()).toBe(String(steps));
  for (const recorded of runs) {
    const reward = recordedMetrics(recorded, steps)['reward']!;
    const smoothed = Number(/([\d.]+) step 100/.exec((await run(page, recorded.name).innerText()).replace(/\s+/g, ' '))?.[1]);
    expect(Math.abs(smoothed - reward)).toBeLessThan(0.05);
  }

  await view(page).getByRole('button', { name: 'To the beginning' }).click();
  expect(await step(page).inputValue()).toBe('0');
  await page.locator('h2').first().click();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  expect(await step(page).inputValue()).toBe('2');
  await run(page, 'PerMix').getByText('What it said at step 2').click();
  const kept = runs[1]!.rollouts.find((one) => one.step === 2)!.rollouts;
  const questions = kept.map(({ question }) => question);
  expect(questions).toContain(await run(page, 'PerMix').getByRole('heading', { level: 3 }).last().innerText());

  await view(page).getByLabel('Speed').selectOption('25 steps/s');
  await page.locator('h2').first().click();
  await page.keyboard.press(' ');
  await view(page).getByRole('button', { name: 'Pause' }).waitFor();
  await expect.poll(async () => Number(await step(page).inputValue()), { timeout: 20_000 }).toBeGreaterThan(10);
  await page.keyboard.press(' ');
  await view(page).getByRole('button', { name: 'Play' }).waitFor();
  await view(page).getByRole('button', { name: 'Table' }).click();
  expect(await run(page, 'RLVR').getByRole('table').count()).toBeGreaterThan(0);
  expect(await view(page).innerText()).not.toMatch(/NaN|undefined|null|Infinity/);
  expect(complaints).toEqual([]);
});

it('replays where the trainer did not start, and says so where there is no recording', async () => {
  lab = await visitLab(browser, 'about:blank');
  const { page } = lab;
  await page.route('**/permix-tiny/**', (route) => route.abort());
  await page.goto(`${server.url}#/reproduce`);
  await whole(page);
  await step(page).waitFor();
  await view(page).getByRole('button', { name: 'One step back' }).click();
  expect(await step(page).inputValue()).toBe('99');
  expect(await view(page).getByRole('button', { name: 'Train PerMix here' }).isDisabled()).toBe(true);

  await page.route('**/recording.json', (route) => route.fulfill({ status: 404, body: 'no' }));
  await page.reload();
  await whole(page);
  await view(page)
    .getByText(/There is no recorded run beside this page/)
    .waitFor();
  await page.unroute('**/recording.json');
  await page.route('**/recording.json', (route) => route.fulfill({ contentType: 'application/json', body: '{"format":"permix-rec' }));
  await view(page).getByRole('button', { name: 'Try again' }).click();
  await view(page)
    .getByText(/The recorded run, line 1: this is not valid JSON/)
    .waitFor();
  await page.unroute('**/recording.json');
  await view(page).getByRole('button', { name: 'Try again' }).click();
  await step(page).waitFor();
});

it('runs a recorded run here, with the numbers of the recording', async () => {
  const { page } = await open();
  const button = view(page).getByRole('button', { name: 'Train RLVR here' });
  await button.click({ timeout: bootMilliseconds });
  await page.getByRole('heading', { name: 'Is it learning?' }).waitFor();
  await untilStep(page, 1);
  expect(await runState(page).innerText()).toMatch(/of 100/);
  await page.getByRole('button', { name: 'Table', exact: true }).click();
  const row = page.getByRole('region', { name: 'Metrics by step' }).getByRole('row').last();
  const first = recordedMetrics((await recording()).runs[0]!, 1)['reward']!;
  expect(await row.innerText()).toContain(first.toFixed(3));
});

it.each([
  [360, 'dark'],
  [1440, 'light'],
] as const)('nothing serious is found at %i px, %s', async (width, theme) => {
  const { page } = await open(width, theme);
  await step(page).waitFor();
  expect(await obstacles(page)).toEqual([]);
});
