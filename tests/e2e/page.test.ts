/** What a visitor does with the page: trains, looks, leaves and comes back, probes, makes mistakes. The built page, without a GPU. */
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeSmall, ready, runState, saveAs, stepOf, untilState, untilStep, visitLab, type LabPage } from '../helpers/lab-page.ts';
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

async function open(query = '') {
  lab = await visitLab(browser, server.url + query);
  return lab;
}

describe('a first visit', () => {
  it('trains, draws and shows what was said', async () => {
    const { page, complaints } = await open();
    await ready(page);
    await makeSmall(page, 3);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');

    expect(
      await page
        .getByRole('img', { name: /^Reward, .*over 3 steps/ })
        .locator('canvas')
        .count(),
    ).toBe(1);
    expect(await page.getByRole('img', { name: /^Entropy, .*over 3 steps/ }).count()).toBe(1);
    expect(await page.getByRole('listbox', { name: 'Groups of this step' }).getByRole('option').count()).toBe(2);
    const rollouts = page.getByRole('region', { name: 'What did it just say?' });
    expect(await rollouts.getByRole('img', { name: /^Advantage/ }).count()).toBe(2);

    await page.getByRole('button', { name: 'Table', exact: true }).click();
    expect(await page.getByRole('region', { name: 'Metrics by step' }).getByRole('rowheader').allInnerTexts()).toEqual(['3', '2', '1']);
    await page.getByRole('slider', { name: 'Step on view' }).fill('0');
    await rollouts.getByText('Step 1 of 3').waitFor();
    expect(complaints).toEqual([]);
  });

  it('makes single steps, pauses, continues and stops', async () => {
    const { page, complaints } = await open();
    await ready(page);
    await makeSmall(page, 400);
    await page.getByRole('button', { name: 'Step', exact: true }).click();
    await untilState(page, 'Paused');
    expect(await stepOf(page)).toBe(1);
    await page.getByRole('button', { name: 'Step', exact: true }).click();
    await untilStep(page, 2);
    await page.getByRole('button', { name: 'Continue', exact: true }).first().click();
    await untilStep(page, 4);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await untilState(page, 'Paused');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.getByRole('button', { name: 'Train', exact: true }).click({ trial: true });
    expect(complaints).toEqual([]);
  });
});

it('opens a step down to one token in the formula, by keyboard alone, and finds replies', async () => {
  const { page, complaints } = await open();
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  const rollouts = page.getByRole('region', { name: 'What did it just say?' });
  const strips = rollouts.getByRole('group', { name: /^Reply / });
  // One tab stop for all replies.
  expect(await strips.evaluateAll((all) => all.map((one) => (one as HTMLElement).tabIndex))).toEqual([0, -1]);
  const places = () => rollouts.locator('.token, .trace').evaluateAll((all) => all.map((one) => (one as HTMLElement).offsetTop));
  const before = await places();
  await strips.first().locator('.token').nth(1).hover();
  await strips.first().locator('.tip').waitFor();
  expect(await places()).toEqual(before);

  await strips.first().focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  const panel = rollouts.getByRole('region', { name: 'The pinned token' });
  await panel.getByText(/^Token 2 of/).waitFor();
  await page.keyboard.press('ArrowLeft');
  await panel.getByText(/^Token 1 of/).waitFor();
  await page.keyboard.press('ArrowDown');
  await expect.poll(() => strips.nth(1).evaluate((strip) => strip === document.activeElement)).toBe(true);
  await panel.getByText(/^Token 1 of/).waitFor();

  // KaTeX came from this site alone, in woff2, and drew every part with a number.
  await panel.locator('.whole .katex').waitFor();
  const rows = panel.getByRole('row');
  await expect.poll(() => rows.count()).toBe(8);
  expect(await rows.nth(3).innerText()).toMatch(/so the ratio is 1/);
  expect(await panel.locator('.katex-error').count()).toBe(0);
  const fetched = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
  const fonts = fetched.filter((name) => /KaTeX/.test(name));
  expect(fonts.length).toBeGreaterThan(0);
  for (const name of fonts) expect(name.startsWith(server.url) && name.endsWith('.woff2')).toBe(true);

  await panel.getByLabel('Beside').selectOption('dr_grpo');
  expect(await panel.getByRole('columnheader').allInnerTexts()).toEqual(['Part', 'GRPO', 'Dr. GRPO']);
  expect(await rows.nth(1).innerText()).toMatch(/differs/);
  await panel.getByRole('button', { name: 'What else could it have said here?' }).click();
  await panel.getByRole('list', { name: 'Likeliest tokens here' }).waitFor();
  expect(await panel.getByRole('list', { name: 'Likeliest tokens here' }).getByRole('listitem').count()).toBe(5);
  await panel.getByText('Of the policy that wrote this: the checkpoint of step 1.').waitFor();

  await strips.nth(1).focus();
  await page.keyboard.press('Escape');
  expect(await panel.count()).toBe(0);

  await rollouts.getByLabel('Colour tokens by').selectOption('term');
  await rollouts
    .getByRole('group', { name: 'Legend: share of the loss' })
    .or(rollouts.getByText(/0 for every token/))
    .waitFor();
  await rollouts.getByRole('searchbox', { name: 'Search in replies' }).fill('no such words');
  await rollouts.getByText('No reply of this step passes the filter.').waitFor();
  await rollouts.getByRole('button', { name: 'Show all' }).click();
  const kinds = rollouts.getByRole('group', { name: 'Groups by how they came out' }).getByRole('button');
  const counts = (await kinds.allInnerTexts()).map((text) => Number(/\d+$/.exec(text)?.[0]));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2);
  const there = counts.findIndex((count) => count > 0);
  await kinds.nth(there).click();
  await expect.poll(() => rollouts.getByRole('listbox', { name: 'Groups of this step' }).getByRole('option').count()).toBe(counts[there]);
  expect(complaints).toEqual([]);
});

it('on a small screen the settings stay as they were left when results come before them, and a run has its line in the list', async () => {
  lab = await visitLab(browser, server.url, { width: 400, height: 800 });
  const { page, complaints } = lab;
  await ready(page);
  await makeSmall(page, 3);
  const seed = page.getByLabel(/^Seed(, |$)/);
  await seed.focus();
  const tops = () => page.evaluate(() => ['setup-title', 'run'].map((id) => document.getElementById(id)!.getBoundingClientRect().top));
  const before = await tops();
  expect(before[0]).toBeLessThan(before[1]!);
  // As a shortcut or a link starts it: the focus is not moved by a press.
  await page.getByRole('button', { name: 'Train', exact: true }).evaluate((button) => (button as HTMLButtonElement).click());
  await untilState(page, 'Finished');
  const after = await tops();
  expect(after[0]).toBeGreaterThan(after[1]!);
  expect(await seed.evaluate((field) => field === document.activeElement)).toBe(true);
  expect(await page.getByLabel(/^Prompts a step(, |$)/).isVisible()).toBe(true);

  await page.getByRole('heading', { name: 'What has been kept?' }).scrollIntoViewIfNeeded();
  await page.getByRole('img', { name: /^(Worst voice|Reward) .* at step 0, .* at step 3$/ }).waitFor();

  // What is pinned is asked beside the base.
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await page.getByRole('button', { name: 'The pinned runs', exact: true }).click();
  const asked = page.getByRole('group', { name: 'Checkpoints', exact: true }).locator('[aria-pressed="true"]');
  await expect.poll(() => asked.count()).toBe(2);
  expect((await asked.allInnerTexts()).join()).toMatch(/Base.*3/);
  expect(complaints).toEqual([]);
});

it('offers to continue a run that was left in the middle, and continues it', async () => {
  const { page, complaints } = await open();
  await ready(page);
  await makeSmall(page, 300);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilStep(page, 3);
  await page.reload();
  const card = page.getByRole('region', { name: 'A run that can be continued' });
  await card.waitFor({ timeout: 90_000 });
  const at = Number(/at step (\d+) of 300/.exec(await card.innerText())?.[1]);
  expect(at).toBeGreaterThanOrEqual(2);
  await card.getByRole('button', { name: 'Continue' }).click();
  await untilStep(page, at + 2);
  expect(await card.count()).toBe(0);
  // The curve goes on where it was: the steps before the reload are still drawn.
  const summary = await page.getByRole('img', { name: /^Reward, / }).getAttribute('aria-label');
  expect(Number(/over (\d+) steps/.exec(summary!)?.[1])).toBeGreaterThan(at);
  expect(complaints).toEqual([]);
});

it('asks several personas at several checkpoints, and the replies stream in', async () => {
  const { page, complaints } = await open();
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  await page.getByRole('button', { name: 'Write your own' }).click();
  const probe = page.getByRole('region', { name: 'What does each persona say?' });
  await probe.getByText('“You are a patient teacher.”').click();
  await probe.getByRole('textbox', { name: /System prompt of My persona/ }).fill('You are a lighthouse keeper.');
  await probe.locator('pre', { hasText: 'You are a lighthouse keeper.' }).waitFor();
  await probe.getByRole('button', { name: 'Ask', exact: true }).click();
  const cells = probe.getByRole('cell');
  // Three personas of the world, none, and the visitor's own; the base and the run as it is.
  await expect.poll(() => cells.count()).toBe(10);
  await probe.getByText('All replies are there.').waitFor({ timeout: 60_000, state: 'attached' });
  expect(await probe.locator('[aria-busy="true"]').count()).toBe(0);
  expect(await cells.filter({ hasText: /right|wrong/ }).count()).toBe(10);
  expect(await probe.getByText('no system prompt', { exact: true }).count()).toBe(1);

  // Another library's personas take the place of the world's; what the visitor wrote stays.
  await probe.getByLabel('Personas of').selectOption({ label: 'the general personas' });
  const rows = probe.locator('tbody tr');
  await expect.poll(() => rows.filter({ hasText: 'Mathematician' }).count()).toBe(1);
  expect(await rows.filter({ hasText: /Brilliant professor|Clueless child/ }).count()).toBe(0);
  expect(await rows.filter({ hasText: 'You are a lighthouse keeper.' }).count()).toBe(1);
  await probe.getByRole('button', { name: 'Ask', exact: true }).click();
  await probe.getByText('All replies are there.').waitFor({ timeout: 60_000, state: 'attached' });
  expect(await rows.filter({ hasText: 'plain voice' }).count()).toBe(0);
  await probe.getByRole('button', { name: 'Conversation' }).click();
  await probe.getByLabel('Persona', { exact: true }).selectOption({ label: 'Mathematician' });
  expect(complaints).toEqual([]);
});

it('keeps, renames and deletes runs and checkpoints', async () => {
  const { page, complaints } = await open();
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  const kept = page.getByRole('region', { name: 'What has been kept?' });
  await kept.getByRole('button', { name: /^Rename the run/ }).click();
  await kept.getByRole('textbox').fill('My first run');
  await page.keyboard.press('Enter');
  await kept.getByRole('button', { name: 'Rename the run My first run' }).waitFor();
  await kept.getByRole('button', { name: 'Checkpoints' }).click();
  const checkpoints = kept.getByRole('list', { name: 'Checkpoints of My first run' }).getByRole('listitem');
  await expect.poll(() => checkpoints.count()).toBeGreaterThan(1);
  const before = await checkpoints.count();
  await checkpoints
    .last()
    .getByRole('button', { name: /^Delete/ })
    .click();
  await expect.poll(() => checkpoints.count()).toBe(before - 1);
  await kept.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(() => checkpoints.count()).toBe(before);

  const tokens = page.locator('.strip .token');
  await page.getByRole('slider', { name: 'Step on view' }).fill('0');
  const said = page.getByRole('region', { name: 'What did it just say?' });
  await said.getByText('Step 1 of 2').waitFor();
  await expect.poll(() => tokens.count()).toBeGreaterThan(0);
  await kept.getByRole('button', { name: 'Delete the run My first run' }).click();
  await kept.getByText('Runs and their checkpoints stay in this browser').waitFor();
  await untilState(page, 'Ready');
  expect(await tokens.count()).toBe(0);
  await kept.getByRole('button', { name: 'Undo' }).click();
  // It is back as it was on view: in the bar, and at the step that was being read.
  await untilState(page, 'Finished');
  await said.getByText('Step 1 of 2').waitFor();
  await expect.poll(() => tokens.count()).toBeGreaterThan(0);

  await kept.getByRole('button', { name: 'Delete the run My first run' }).click();
  await kept.getByText('Runs and their checkpoints stay in this browser').waitFor();
  // What it put on view is gone with it.
  expect(await page.locator('.strip .token').count()).toBe(0);
  await untilState(page, 'Ready');
  expect(complaints).toEqual([]);
});

it('a run whose numbers are none ends with a sentence, and shows none of them', async () => {
  const { page } = await open();
  await ready(page);
  await makeSmall(page, 6);
  const setup = page.locator('#setup');
  const ruin = { 'Learning rate': '1e38', 'Gradient clip': '0', 'Entropy bonus': '1', 'Held-out questions': '2', 'Asked every': '2' };
  for (const [label, value] of Object.entries(ruin)) await setup.getByLabel(new RegExp(`^${label}(, |$)`)).fill(value);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Failed');
  await runState(page)
    .getByText(/(is|were) not finite.*smaller learning rate/)
    .waitFor();
  const shown = () =>
    page.evaluate(() =>
      [
        document.body.innerText,
        ...[...document.querySelectorAll('[aria-label], [title]')].map(
          (one) => `${one.getAttribute('aria-label')} ${one.getAttribute('title')}`,
        ),
        ...[...document.querySelectorAll('svg')].map((one) => one.outerHTML),
      ].join('\n'),
    );
  const learning = page.getByRole('region', { name: 'Is it learning?' });
  await learning.getByText('Entropy', { exact: true }).waitFor();
  expect(await shown()).not.toMatch(/NaN|Infinity|undefined/);
  for (const chart of ['the chart Entropy', 'the chart of the held-out questions'])
    for (const item of [/^Numbers/, /^Drawing/]) {
      const { bytes } = await saveAs(learning, `Save as: ${chart}`, item);
      expect(bytes.toString()).not.toMatch(/NaN|Infinity|undefined/);
    }
  await learning.getByRole('button', { name: 'Table' }).click();
  await learning.getByRole('table').first().waitFor();
  expect(await shown()).not.toMatch(/NaN|Infinity|undefined/);
});

it('can be used by keyboard alone', async () => {
  const { page } = await open();
  await ready(page);
  await makeSmall(page, 300);
  const leaveField = () => page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await leaveField();
  // A single key begins no run.
  await page.keyboard.press('s');
  await page.getByText('S steps a run that is paused, and none is.').waitFor();
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await untilState(page, 'Paused');
  await leaveField();
  await page.keyboard.press('s');
  await untilStep(page, 2);
  await untilState(page, 'Paused');
  await page.keyboard.press(' ');
  await untilStep(page, 3);
  await page.keyboard.press(' ');
  await untilState(page, 'Paused');

  await page.keyboard.press('/');
  await page.keyboard.type(' s?t');
  expect(await page.getByLabel('Question', { exact: true }).inputValue()).toContain(' s?t');
  expect(await runState(page).innerText()).toContain('Paused');

  const groups = page.getByRole('listbox', { name: 'Groups of this step' }).getByRole('option');
  await groups.first().focus();
  await page.keyboard.press('ArrowDown');
  expect(await groups.nth(1).getAttribute('aria-selected')).toBe('true');
  await leaveField();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });

  const theme = () => page.evaluate(() => document.documentElement.dataset['theme']);
  await leaveField();
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  expect(await theme()).toBe('dark');
  await page.reload();
  expect(await theme()).toBe('dark');
});

describe('what cannot be', () => {
  it('a mix of nothing is said where it is made, and Train waits', async () => {
    const { page, complaints } = await open();
    await ready(page);
    await page.getByText('Choose personas').click();
    await page.getByRole('group', { name: 'Quick choices' }).getByRole('button', { name: 'None' }).click();
    await page
      .getByRole('region', { name: 'What should it learn from?' })
      .getByText(/weights of the mix sum to zero/)
      .waitFor();
    expect(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled()).toBe(true);
    await page.getByRole('group', { name: 'Quick choices' }).getByRole('button', { name: 'All' }).click();
    await ready(page);
    expect(complaints).toEqual([]);
  });

  it('a field that makes no sense is named', async () => {
    const { page } = await open();
    await ready(page);
    await page.getByLabel('Steps', { exact: true }).fill('0');
    await page.getByText('Steps must be at least 1.').first().waitFor();
    expect(await page.getByLabel('Steps', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    expect(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled()).toBe(true);
  });

  it('a persona of 100 kB is refused with its length', async () => {
    const { page, complaints } = await open();
    await ready(page);
    await page.getByRole('button', { name: 'Write your own' }).click();
    const probe = page.getByRole('region', { name: 'What does each persona say?' });
    await probe.getByText('“You are a patient teacher.”').click();
    await probe.getByRole('textbox', { name: /System prompt of My persona/ }).fill('x'.repeat(100_000));
    await probe
      .getByText(/100.?000 characters/)
      .first()
      .waitFor();
    expect(await probe.getByRole('button', { name: 'Ask', exact: true }).isDisabled()).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('an engine and a backend that do not go together are refused, and the page chooses', async () => {
    const { page } = await open('?engine=fused&backend=wasm');
    await ready(page);
    const notices = await page.getByRole('log', { name: 'Notices' }).innerText();
    expect(notices).toMatch(/fused/);
    expect(notices).toMatch(/wasm/);
    expect(notices).toMatch(/page has chosen/);
  });

  it.each([
    ['the worker', '**/trainer.worker*', /could not be loaded/],
    ['the policy', '**/models/**', /no policy permix-tiny/],
  ])('without %s the page says so and offers another try', async (_, files, sentence) => {
    lab = await visitLab(browser, 'about:blank');
    const { page } = lab;
    await page.route(files, (route) => route.fulfill({ status: 404, body: 'not found' }));
    await page.goto(server.url);
    const broken = page.getByRole('region', { name: 'The trainer did not start' });
    await broken.waitFor({ timeout: 30_000 });
    expect(await broken.innerText()).toMatch(sentence);
    await page.unroute(files);
    await broken.getByRole('button', { name: 'Try again' }).click();
    await ready(page);
  });

  it('an engine that does not exist is left out', async () => {
    const { page } = await open('?engine=quantum');
    await ready(page);
    expect(await page.getByRole('log', { name: 'Notices' }).innerText()).toMatch(/engine "quantum", which does not exist/);
  });
});

it('takes the engine and backend from the address', async () => {
  const { page } = await open('?engine=portable&backend=cpu');
  await ready(page);
  const chip = page.getByRole('button', { name: /^Engine:/ });
  expect(await chip.innerText()).toMatch(/portable · plain JavaScript/);
  await chip.click();
  const popover = page.getByRole('dialog', { name: 'Engine' });
  expect(await popover.getByLabel('Backend').inputValue()).toBe('cpu');
  await popover.getByLabel('Backend').selectOption('wasm');
  await popover.getByRole('link', { name: 'Reload with this choice' }).click();
  await ready(page);
  expect(new URL(page.url()).searchParams.get('backend')).toBe('wasm');
  expect(await page.getByRole('button', { name: /^Engine:/ }).innerText()).toMatch(/WebAssembly/);
});

it('trains under personas of the reader’s own, whose file says no more than it must', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  await ready(page);
  await makeSmall(page, 1);
  const personas = JSON.stringify([
    { id: 'captain', text: 'You are a captain.' },
    { id: 'grandma', text: 'You knit.', heldOut: true },
  ]);
  const file = { name: 'mine.json', mimeType: 'application/json', buffer: Buffer.from(personas) };
  await page.locator('#setup').getByLabel('A file of personas').setInputFiles(file);
  await page.locator('#setup').getByText('mine.json, 2 personas').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  expect(complaints).toEqual([]);
  await context.close();
});
