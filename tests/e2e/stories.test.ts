/** A story by its address: asked before it is answered, by keyboard alone; remembered, forgotten, printed. The words of the glossary, and the race on a projector. */
import type { Browser, Locator } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storyList } from '../../src/ui/stories/list.ts';
import numbers from '../../src/ui/stories/numbers.json' with { type: 'json' };
import { stories } from '../../src/ui/stories/stories.ts';
import { ready, visitLab, type LabPage } from '../helpers/lab-page.ts';
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

async function open(hash: string, width = 1280) {
  lab = await visitLab(browser, `${server.url}?engine=portable&backend=wasm${hash}`, { width });
  return lab;
}

const told = stories(numbers);

describe.each(told.map((story) => [story.id, story] as const))('%s', (id, story) => {
  it('shows its answer only to who has guessed', async () => {
    const { page, complaints } = await open(`#/story/${id}`, 360);
    await page.getByRole('heading', { name: story.title, level: 2 }).waitFor();
    const text = () => page.evaluate(() => document.body.textContent.replace(/\s+/g, ' '));
    const answered = (body: string) => story.answer.filter((line) => body.includes(line.replace(/\s+/g, ' ')));
    expect(answered(await text())).toEqual([]);
    await page.getByRole('radio').nth(story.right).check();
    expect(answered(await text())).toEqual([]);
    await page.getByRole('button', { name: 'Show the answer' }).click();
    await page.getByRole('heading', { name: `As you said: ${story.choices[story.right]}` }).waitFor();
    expect(answered(await text())).toEqual(story.answer);
    expect(await obstacles(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });
});

it('is answered by keyboard, remembered, and asked anew', async () => {
  const { page, complaints } = await open('#/story/mixing');
  const story = told.find(({ id }) => id === 'mixing')!;
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  await expect.poll(focused).toBe('Mixing');
  await page.getByText('not trained yet').first().waitFor();
  const top = () => page.getByRole('heading', { name: 'How often is each voice right?' }).evaluate((e) => e.getBoundingClientRect().top);
  const before = await top();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^The answer: / }).waitFor();
  expect(await focused()).toContain(story.answer[0]);
  // The picture tells the rest, where it stood.
  await page.getByText(`step ${numbers.race.steps}`).first().waitFor();
  expect(await top()).toBe(before);

  await page.reload();
  await page.getByRole('heading', { name: /^The answer: / }).waitFor();
  await page
    .getByRole('navigation', { name: 'Six stories' })
    .getByRole('link', { name: /Mixing , answered|Mixing, answered/ })
    .waitFor();
  await page.getByRole('button', { name: 'Ask me again' }).click();
  await page.getByRole('radio').first().waitFor();
  await page.reload();
  await page.getByRole('radio').first().waitFor();
  await page.getByRole('link', { name: 'Close' }).click();
  await page.getByRole('heading', { name: 'Same sum, another persona, another answer' }).waitFor();
  expect(await page.getByRole('navigation', { name: 'Six stories' }).getByRole('link').count()).toBe(storyList.length);
  expect(complaints).toEqual([]);
});

it('prints as a question, and on a page of its own its answer where it is asked for; then it is gone again', async () => {
  const { page } = await open('#/story/limits');
  await page.getByRole('heading', { name: 'What this model world cannot show', level: 2 }).waitFor();
  const pages = async () => (await page.pdf({ format: 'A4' })).toString('latin1').match(/\/Type\s*\/Page\b/g)?.length;
  expect(await pages()).toBe(1);
  // The dialog of the browser stays open as long as the reader likes; here it is the test that prints.
  await page.evaluate(() => (window.print = () => {}));
  await page.getByRole('button', { name: 'Print with the answer' }).click();
  expect(await pages()).toBe(2);
  expect(await pages()).toBe(1);
  expect(await page.locator('.worksheet').count()).toBe(0);
});

it('says so where there is no such story', async () => {
  const { page } = await open('#/story/%3Cb%3E');
  await page.getByText('There is no story “%3Cb%3E”.').waitFor();
});

it('says so where there is no such view, and the page’s own address leads to its top', async () => {
  const { page } = await open('#/nonsense');
  await page.getByText('There is no “#/nonsense” on this page; this is Train.').waitFor();
  await page.evaluate(() => {
    scrollTo(0, 500);
    location.hash = '#/';
  });
  await page.getByText('There is no “#/nonsense”').waitFor({ state: 'detached' });
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(0);
});

it('on a projector the race is its picture: below the buttons, as wide as the page, with what was asked beside its name', async () => {
  const { page, complaints } = await open('');
  await ready(page);
  await page.setViewportSize({ width: 1920, height: 1080 });
  const picture = page.getByRole('grid', { name: /^How often is each voice right\?/ });
  const width = async () => (await picture.boundingBox())!.width / (await page.locator('main').boundingBox())!.width;
  expect(await width()).toBeLessThan(0.6);
  await page.keyboard.press('p');
  await expect.poll(width).toBeGreaterThan(0.9);
  const box = async (of: string) => (await page.locator(of).first().boundingBox())!;
  expect((await box('.map')).y).toBeLessThan((await box('.one')).y);
  expect((await picture.locator('tbody tr').last().boundingBox())!.y).toBeLessThan(1080);
  await page.getByText('30 steps each').waitFor();
  await page.getByText('12 held-out questions each (addition and subtraction), the most likely reply').waitFor();
  expect(await page.locator('.hint:visible').count()).toBe(0);
  // In one look from the names of its columns to the lines under them.
  const bottom = async (of: Locator) => of.boundingBox().then((box) => box!.y + box!.height);
  const bar = page.getByRole('region', { name: 'Run', exact: true });
  await expect.poll(async () => (await picture.locator('thead').boundingBox())!.y - (await bottom(bar))).toBeGreaterThanOrEqual(0);
  expect(await bottom(picture.locator('tfoot'))).toBeLessThanOrEqual(1080);
  // Escape closes what is open, and then the mode.
  await picture.getByRole('button', { name: /^Clueless chef, Base/ }).click();
  await page.locator('[data-cell-replies]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('[data-cell-replies]').waitFor({ state: 'detached' });
  expect(await width()).toBeGreaterThan(0.9);
  await page.keyboard.press('Escape');
  await expect.poll(width).toBeLessThan(0.6);
  expect(complaints).toEqual([]);
});

it('explains a word where it is pressed, gives the focus back, and lists them all', async () => {
  const { page, complaints } = await open('');
  const word = page.getByRole('button', { name: 'PSS', exact: true }).first();
  await word.click();
  const meaning = page.getByRole('dialog', { name: 'PSS, Persona Stability Score' });
  await meaning.getByText('Worst persona divided by best persona.').waitFor();
  // Its layers one at a time, by the arrow keys.
  expect(await meaning.getByRole('tab').allInnerTexts()).toEqual(['In words', 'Formula', 'Code']);
  expect(await meaning.getByText('stability.ts').count()).toBe(0);
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('In words');
  await page.keyboard.press('ArrowRight');
  await meaning.getByRole('tabpanel', { name: 'Formula' }).locator('.katex').waitFor();
  expect(await meaning.getByText('Worst persona divided by best persona.').count()).toBe(0);
  await page.keyboard.press('ArrowRight');
  await meaning.getByRole('tabpanel', { name: 'Code' }).getByText('stability.ts').waitFor();
  expect(await obstacles(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await meaning.waitFor({ state: 'detached' });
  expect(await word.evaluate((element) => element === document.activeElement)).toBe(true);

  await page.getByRole('button', { name: 'Glossary' }).click();
  const list = page.getByRole('dialog', { name: 'Glossary' });
  await list.getByLabel('Find a word or a metric').fill('frac_all_wrong');
  await list.getByText('1 of ').waitFor();
  await list.getByText('They teach nothing.').waitFor();
  expect(await obstacles(page)).toEqual([]);
  expect(complaints).toEqual([]);
});
