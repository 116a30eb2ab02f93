/** Links into the page, opened by somebody who has never been here: what they set, hide, lock and start, what is wrong with them, and how one is made. */
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bootMilliseconds, ready, runState, stepOf, untilState, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

let browser: Browser;
let server: StaticServer;
let lab: LabPage | undefined;

beforeAll(async () => {
  // A name that is not localhost: plain http there is what it is in a network.
  const names = ['--host-resolver-rules=MAP lab.example 127.0.0.1'];
  [browser, server] = await Promise.all([launchChromium(false, names), serveFolder('dist', '/lab/')]);
});
afterEach(async () => {
  await lab?.context.close();
  lab = undefined;
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

async function open(hash: string, width = 1280, at = server.url) {
  lab = await visitLab(browser, `${at}?engine=portable&backend=wasm${hash}`, { width });
  return lab;
}

const small = 'steps=3&promptsPerStep=2&groupSize=2&maxNewTokens=6&questions=0';
const field = (page: Page, label: RegExp) => page.locator('#setup').getByLabel(label);
const value = (page: Page, label: RegExp) => field(page, label).inputValue();
const line = (page: Page) => page.getByText(/^The link you opened/);
const hash = (page: Page) => page.evaluate(() => location.hash);
/** Everything that a browser keeps for a page. */
const kept = (page: Page) => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));

describe('settings', () => {
  it('are in the form, the reader’s own a press away, and nothing is stored', async () => {
    const { page, complaints } = await open('#/train?v=1&recipe=rlvr&steps=30&seed=7&lr=0.001');
    await line(page).waitFor({ timeout: bootMilliseconds });
    expect(await line(page).innerText()).toBe('The link you opened set the next run (RLVR, lr\u00a00.001, 30 steps, seed 7).');
    expect(await value(page, /^Seed/)).toBe('7');
    expect(await value(page, /^Steps/)).toBe('30');
    await ready(page);
    expect(await stepOf(page)).toBe(-1);
    expect(await kept(page)).toBe('[{},{}]');
    expect(await obstacles(page)).toEqual([]);

    await page.getByRole('button', { name: 'Back to my settings' }).click();
    await line(page).waitFor({ state: 'detached' });
    expect(await value(page, /^Seed/)).toBe('1');
    expect(await hash(page)).toBe('#/train');
    expect(complaints).toEqual([]);
  });

  it('give way when the link is left, unless they were changed since', async () => {
    const { page } = await open('#/train');
    await field(page, /^Seed/).fill('5', { timeout: bootMilliseconds });
    const go = (to: string) => page.evaluate((there) => void (location.hash = there), to);
    await go('#/train?v=1&recipe=permix&seed=9');
    await expect.poll(() => value(page, /^Seed/)).toBe('9');
    await page.goBack();
    await expect.poll(() => value(page, /^Seed/)).toBe('5');
    await page.goForward();
    await expect.poll(() => value(page, /^Seed/)).toBe('9');
    await field(page, /^Seed/).fill('10');
    await page.goBack();
    await line(page).waitFor({ state: 'detached' });
    expect(await value(page, /^Seed/)).toBe('10');
  });

  it('that are wrong are named, and the others count', async () => {
    const { page, complaints } = await open('#/train?v=1&recipe=rlvr&seed=7&lr=fast&colour=red');
    const notices = page.getByRole('log', { name: 'Notices' });
    await notices
      .getByText('The link’s “lr” is “fast”. optim.learningRate cannot be read from that. What RLVR has is used instead.')
      .waitFor();
    await notices.getByText('The link has a part “colour” that this page does not know; it was left out.').waitFor();
    await line(page).waitFor({ timeout: bootMilliseconds });
    expect(await value(page, /^Seed/)).toBe('7');
    expect(await value(page, /^Learning rate/)).toBe('0.0003');
    expect(complaints).toEqual([]);
  });
});

it('hostile addresses change nothing, run nothing and keep nothing', async () => {
  const { page, complaints } = await open('');
  await ready(page);
  page.on('dialog', () => complaints.push('a dialog'));
  const before = await page.getByRole('region', { name: 'What should it learn from?' }).innerText();
  for (const hostile of [
    '#/train?v=1&__proto__=1&constructor=2',
    '#/train?v=1&recipe=__proto__&weights=__proto__:1&tasks=__proto__',
    '#/train?v=1&seed=%3Cscript%3Ealert(1)%3C/script%3E&lr=<img src=x onerror=alert(1)>',
    '#/train?v=1&cell=javascript:alert(1).permix&autostart=javascript:alert(1)',
    '#/javascript:alert(1)?v=1&steps=1e999&groupSize=NaN&templateArguments={"__proto__":{"x":1}',
    `#/train?v=1&lr=%E0%A4%A&seed=${'9'.repeat(2000)}`,
    `#/train?${'&=%00'.repeat(5000)}`,
  ]) {
    await page.evaluate((there) => void (location.hash = there), hostile);
    await page.getByRole('log', { name: 'Notices' }).getByText(/link/).first().waitFor();
    await expect.poll(() => page.getByRole('button', { name: 'Put this notice away' }).count()).toBeGreaterThan(0);
    for (const button of await page.getByRole('button', { name: 'Put this notice away' }).all())
      await button.click({ timeout: 1000 }).catch(() => {});
  }
  await page.evaluate(() => void (location.hash = '#/train'));
  await line(page).waitFor({ state: 'detached' });
  expect(await page.getByRole('region', { name: 'What should it learn from?' }).innerText()).toBe(before);
  expect(await kept(page)).toBe('[{},{}]');
  expect(await page.evaluate(() => 'x' in {})).toBe(false);
  expect(complaints).toEqual([]);
});

describe('for a class', () => {
  it('parts are hidden and locked in all views, until somebody says otherwise', async () => {
    const { page, complaints } = await open(
      '#/train?v=1&recipe=permix&hide=advanced,runs,probe,stories,evaluate&lock=settings,steps&columns=base,rlvr',
    );
    await line(page).waitFor({ timeout: bootMilliseconds });
    await ready(page);
    const region = (name: string) => page.getByRole('region', { name });
    expect(await region('What has been kept?').count()).toBe(0);
    expect(await region('What does each persona say?').count()).toBe(0);
    expect(await page.getByRole('navigation', { name: 'Six stories' }).count()).toBe(0);
    expect(await page.getByText('Advanced', { exact: true }).isVisible()).toBe(false);
    expect(await page.getByRole('link', { name: 'Evaluate', exact: true }).count()).toBe(0);
    expect(
      await page
        .getByRole('grid', { name: /^How often is each voice right/ })
        .getByRole('columnheader')
        .allInnerTexts(),
    ).toEqual([expect.stringMatching(/^Base/), expect.stringMatching(/^RLVR/)]);
    expect(await page.getByRole('radio', { name: 'RLVR' }).isDisabled()).toBe(true);
    expect(await field(page, /^Steps/).isDisabled()).toBe(true);
    // Everybody has a seed of their own.
    await field(page, /^Seed/).fill('12');
    expect(await obstacles(page)).toEqual([]);

    // Ways within the page keep it, and so does a reload there.
    await page.getByRole('link', { name: 'Reproduce', exact: true }).click();
    await page.getByRole('heading', { name: 'Does mixing personas in keep both?' }).waitFor();
    await page.getByRole('link', { name: /^Skip to/ }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => hash(page)).toMatch(/^#\/reproduce\?v=1&recipe=permix&columns=base,rlvr&hide=/);
    await page.reload();
    await line(page).waitFor({ timeout: bootMilliseconds });
    expect(await page.getByRole('link', { name: 'Evaluate', exact: true }).count()).toBe(0);

    await page.getByRole('link', { name: 'Train', exact: true }).click();
    await page.getByRole('button', { name: 'Show everything' }).click();
    await region('What has been kept?').waitFor();
    await page.getByRole('link', { name: 'Evaluate', exact: true }).waitFor();
    expect(await page.getByRole('radio', { name: 'RLVR' }).isDisabled()).toBe(false);
    await expect
      .poll(() =>
        page
          .getByRole('grid', { name: /^How often is each voice right/ })
          .getByRole('columnheader')
          .count(),
      )
      .toBe(3);
    expect(await hash(page)).toBe('#/train?v=1&recipe=permix');
    expect(complaints).toEqual([]);
  });

  it('a run starts when the page is ready, can be stopped, and does not start again after a reload', async () => {
    const { page, complaints } = await open(`#/train?v=1&recipe=permix&${small.replace('steps=3', 'steps=500')}&seed=4&autostart=train`);
    await page.getByText('It started this run.').waitFor({ timeout: bootMilliseconds });
    expect(await hash(page)).not.toContain('autostart');
    await page.getByRole('button', { name: 'Stop it' }).click();
    await runState(page)
      .getByText('Finished', { exact: true })
      .or(runState(page).getByText('Ready', { exact: true }))
      .waitFor();
    await page.reload();
    await ready(page);
    await line(page).waitFor();
    expect(await runState(page).innerText()).not.toMatch(/Running|Starting/);
    expect(await page.getByText('It started this run.').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('both start in turn, but not while a run is under way', async () => {
    const { page, complaints } = await open('#/train?v=1&autostart=race');
    await page.getByText('It started both runs.').waitFor({ timeout: bootMilliseconds });
    await page.getByRole('button', { name: 'Pause both' }).waitFor();
    await page.evaluate(() => void (location.hash = '#/train?v=1&autostart=train'));
    await page.getByText('The link would start the next run, but a run is under way here: nothing was started.').waitFor();
    await page
      .getByRole('button', { name: 'Stop it' })
      .or(page.getByRole('button', { name: 'Stop', exact: true }))
      .first()
      .click();
    await page.getByRole('button', { name: 'Stop it' }).waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });
});

it('the picture shows what the link says: the recording at a step, and the replies of a cell', async () => {
  const { page, complaints } = await open('#/train?v=1&recording=30&cell=pirate.permix&projector=on');
  await page.getByRole('columnheader', { name: /^PerMix\s*step 30/ }).waitFor();
  await page.getByRole('heading', { name: /pirate, PerMix/i }).waitFor();
  expect(await page.locator('html').getAttribute('data-projector')).toBe('');
  expect(await kept(page)).toBe('[{},{}]');
  // A story has a step of its own, and the way back is without the picture's state.
  await page.getByRole('navigation', { name: 'Six stories' }).getByRole('link').first().click();
  await page.getByText('before training').first().waitFor();
  expect(await hash(page)).toBe('#/story/lottery?v=1&projector=on');
  expect(complaints).toEqual([]);
});

describe('a link is made', () => {
  it('of the settings, for the clipboard', async () => {
    const { page, context, complaints } = await open('');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await field(page, /^Seed/).fill('21', { timeout: bootMilliseconds });
    await page.getByRole('button', { name: 'Link to these settings' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.url}#/train?v=1&recipe=permix&seed=21`);
    expect(complaints).toEqual([]);
  });

  it('of a run, by its name', async () => {
    const { page, context } = await open(`#/train?v=1&recipe=rlvr&${small}&seed=6&autostart=train`);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await untilState(page, 'Finished');
    await page.getByRole('button', { name: 'Back to my settings' }).click();
    await page.getByRole('region', { name: 'Is it learning?' }).getByRole('button', { name: 'Copy link' }).click();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link.startsWith(`${server.url}#/train?v=1&recipe=`)).toBe(true);
    expect(new URLSearchParams(link.split('?')[1]).get('seed')).toBe('6');
    const other = await browser.newContext();
    const there = await other.newPage();
    await there.goto(link);
    await line(there).waitFor({ timeout: bootMilliseconds });
    expect(await value(there, /^Group size/)).toBe('2');
    expect(await there.getByRole('radio', { name: 'RLVR' }).isChecked()).toBe(false);
    await other.close();
  });

  it('for a class, where there is no clipboard: a field with the link, selected', async () => {
    const { page, complaints } = await open('', 360, `http://lab.example:${server.port}/lab/`);
    await page.getByRole('button', { name: 'Link for a class' }).click({ timeout: bootMilliseconds });
    const dialog = page.getByRole('dialog', { name: 'A link to the page as it is' });
    await dialog.getByLabel('List of runs').check();
    await dialog.getByLabel('Settings', { exact: true }).last().check();
    await dialog.getByLabel('When the page is ready').selectOption('race');
    expect(await obstacles(page)).toEqual([]);
    const link = `http://lab.example:${server.port}/lab/#/train?v=1&recipe=permix&hide=runs&lock=settings&autostart=race`;
    expect(await dialog.getByLabel(/^The link/).inputValue()).toBe(link);
    await dialog.getByRole('button', { name: 'Copy link' }).click();
    await expect
      .poll(() => page.evaluate(() => document.activeElement instanceof HTMLInputElement && document.activeElement.value))
      .toBe(link);
    expect(await page.evaluate(() => getSelection()?.toString())).toBe(link);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Link to these settings' }).click();
    const byHand = page.getByLabel('Copy it from here');
    expect(await byHand.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(await page.evaluate(() => getSelection()?.toString())).toBe(`http://lab.example:${server.port}/lab/#/train?v=1&recipe=permix`);
    expect(complaints).toEqual([]);
  });
});
