/** A class hands in its runs: files dropped on the built page become one picture over their seeds, which a reload shows again. */
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packRun, readRunFile, type SavedRun } from '../../src/exchange/run-file.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { makeSmall, ready, saveAs, untilState, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { zipEntries } from '../../src/policy/zip.ts';
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

interface Handed {
  readonly name: string;
  readonly bytes: ArrayBuffer | string;
}

/** What the browser does with files from the desktop. */
async function drop(page: Page, files: readonly Handed[]): Promise<void> {
  const carried = await page.evaluateHandle(
    (all) => {
      const transfer = new DataTransfer();
      for (const { name, base64 } of all) {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
      }
      return transfer;
    },
    files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes as string).toString('base64') })),
  );
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: carried });
  await page.getByText('Drop run files, a policy, questions or a log here').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: carried });
  expect(await page.getByText('Drop run files, a policy, questions or a log here').count()).toBe(0);
}

/** The run as another student has it: another seed, so many of twelve questions right. */
function handedIn(
  saved: SavedRun,
  recipe: 'rlvr' | 'permix',
  seed: number,
  right: number,
  more: Partial<SavedRun['run']['config']> = {},
): SavedRun {
  const { mix } = recipes[recipe];
  const config = { ...saved.run.config, ...more, recipe, mix, seed };
  return {
    ...saved,
    run: { ...saved.run, id: `${recipe} ${seed}`, config },
    checkpoint: { ...saved.checkpoint, config, trainer: { ...saved.checkpoint.trainer, cursor: seed } },
    heldOut: saved.heldOut.map((one) =>
      one.step === 0
        ? one
        : { ...one, rows: one.rows.map((row) => ({ ...row, replies: row.replies.map((reply, i) => ({ ...reply, correct: i < right })) })) },
    ),
  };
}

it('files of a class are dropped on the page and become one picture, which stays', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  await ready(page);
  await makeSmall(page, 2);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  const kept = page.getByRole('region', { name: 'What has been kept?' });
  const own = Uint8Array.from((await saveAs(kept, /^Save as: the run/, /^Run /)).bytes).buffer;
  const saved = await readRunFile(new File([own], 'own.permix-run'));

  // One file opens its run; this one is here.
  await drop(page, [{ name: 'own.permix-run', bytes: own }]);
  await page.getByText(/^own\.permix-run is here already, as “/).waitFor();
  expect(new URL(page.url()).hash).toBe('#/train');

  const ofClass: readonly (readonly ['rlvr' | 'permix', number, number])[] = [
    ['permix', 1, 12],
    ['permix', 2, 6],
    ['rlvr', 1, 0],
    ['rlvr', 2, 6],
  ];
  const files: Handed[] = [];
  for (const [recipe, seed, right] of ofClass)
    files.push({ name: `${recipe}-${seed}.permix-run`, bytes: await packRun(handedIn(saved, recipe, seed, right)) });
  const slow = handedIn(saved, 'permix', 3, 12, { optim: { ...saved.run.config.optim, learningRate: 1e-5 } });
  files.push({ name: 'slow.permix-run', bytes: await packRun(slow) });
  files.splice(2, 0, { name: 'notes.txt', bytes: 'not a run' });
  await drop(page, files);

  const view = page.getByRole('region', { name: 'What did all of these runs find together?' });
  await view.getByText(/^4 trainings, 12 held-out questions a row \(addition and subtraction\) after step 2/).waitFor();
  await page.getByText('5 runs were added to what has been kept.').waitFor();
  await page
    .getByText(/^Not added: notes\.txt is no saved run of this program \(a file that ends in \.permix-run\)\. Choose another file\.$/)
    .waitFor();
  const map = view.getByRole('grid', { name: /How often is each persona right/ });
  expect(await map.getByRole('columnheader').allInnerTexts()).toEqual([
    expect.stringMatching(/^Base\s+before training/),
    expect.stringMatching(/^RLVR\s+2 seeds/),
    expect.stringMatching(/^PerMix\s+2 seeds/),
  ]);
  // 100 and 50 % right, over two seeds: the mean, and an interval as wide as shares are.
  expect(await map.getByRole('row', { name: /^Poet/ }).innerText()).toMatch(/Poet, PerMix: 75 % right, 2 seeds, 95 % interval 0 to 100 %/);
  await view.getByText(/^PSS of PerMix over that of RLVR/).waitFor();
  await view.getByText('slow.permix-run: lr 0.00001 instead of 0.0003.').waitFor();
  await view.getByRole('img', { name: /^Worst persona, percent right\. / }).waitFor();
  const curve = await saveAs(view, 'Save as: the chart Worst persona, percent right', /^Numbers/);
  expect(curve.bytes.toString().split('\r\n').slice(0, 1)).toEqual([
    'step,RLVR,"RLVR, band from","RLVR, band to",PerMix,"PerMix, band from","PerMix, band to"',
  ]);

  // Behind a cell stands what each of its runs said, and behind the base what the one policy did.
  const cell = map.getByRole('button', { name: /^Poet, PerMix: / });
  await cell.click();
  const behind = view.getByRole('region', { name: 'Poet, PerMix' }).first();
  const right = () => behind.getByRole('cell', { name: 'right', exact: true }).count();
  expect([await behind.getByRole('row').count(), await right()]).toEqual([1 + 12, 12]);
  await behind.getByLabel('Run').selectOption({ label: 'permix-2.permix-run, seed 2' });
  await expect.poll(right).toBe(6);
  expect(await obstacles(page)).toEqual([]);
  await behind.getByRole('button', { name: 'Close' }).click();
  expect(await cell.evaluate((one) => one === document.activeElement)).toBe(true);
  expect(await obstacles(page)).toEqual([]);

  await page.reload();
  await view.getByText(/^4 trainings/).waitFor({ timeout: 90_000 });
  await view.getByRole('button', { name: 'Show it instead' }).click();
  await view.getByText(/^1 training, /).waitFor();
  expect(await map.getByRole('row', { name: /^Poet/ }).innerText()).toMatch(/Poet, PerMix: 100 % right, 1 seed(?!.*interval)/);

  // The same of runs that lie here: all of the class, and the visitor's own.
  await page.getByRole('link', { name: 'Train', exact: true }).click();
  await kept.getByRole('button', { name: 'Choose several' }).click();
  await kept
    .getByRole('checkbox', { name: /^Choose / })
    .nth(1)
    .check();
  await kept
    .getByRole('checkbox', { name: /^Choose / })
    .nth(2)
    .check();
  await kept.getByRole('button', { name: 'One picture of these (2)' }).click();
  await view.getByText(/^2 trainings, /).waitFor();

  const png = await saveAs(view, 'Save as: the picture', /^Image/);
  expect([png.name, [...png.bytes.subarray(0, 4)]]).toEqual(['How-often-is-each-persona-right.png', [0x89, 0x50, 0x4e, 0x47]]);
  expect((await saveAs(view, 'Save as: the picture', /^Drawing/)).bytes.toString()).toMatch(
    /^<svg [^]*How often is each persona right\?[^]*<\/svg>\n$/,
  );
  expect((await saveAs(view, 'Save as: the picture', /^Numbers/)).bytes.toString()).toMatch(/^row,Base,/);

  // On paper: the picture whole, light, and nothing to press but what is read.
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await page.setViewportSize({ width: 690, height: 1000 });
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  expect(await page.locator('.button:visible, nav:visible, input:visible').count()).toBe(0);
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('color-scheme'))).toBe('light');
  expect(
    await map.evaluate(
      (table) =>
        table.getBoundingClientRect().right <= innerWidth && table.parentElement!.scrollHeight <= table.parentElement!.clientHeight + 1,
    ),
  ).toBe(true);
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
  expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
  await page.emulateMedia({ media: 'screen' });

  // Who is late joins the class that is looked at; and another can be begun.
  const late = { name: 'late.permix-run', bytes: await packRun(handedIn(saved, 'rlvr', 9, 3)) };
  await drop(page, [late]);
  await view.getByText(/^3 trainings, /).waitFor();
  expect(new URL(page.url()).hash).toBe('#/class');
  await view.getByRole('button', { name: 'Begin anew' }).click();
  await view.getByText('A seed each.').waitFor();
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), view.getByRole('button', { name: 'Choose run files' }).click()]);
  await chooser.setFiles({ name: late.name, mimeType: '', buffer: Buffer.from(late.bytes) });
  await view.getByText(/^1 training, /).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
}, 240_000);

it('a run and its charts are saved in every form that the command line knows, by keyboard too', async () => {
  const { page, context, complaints } = await visitLab(browser, server.url);
  await ready(page);
  await makeSmall(page, 3);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await untilState(page, 'Finished');
  const kept = page.getByRole('region', { name: 'What has been kept?' });
  const saved = async (item: RegExp) => {
    const { name, bytes } = await saveAs(kept, /^Save as: the run/, item);
    return [name.replace(/^.*?(?=-unipo|-trackio|-trl|-step|\.)/, ''), bytes.toString()] as const;
  };
  expect(await saved(/^Metrics/)).toEqual(['.csv', expect.stringMatching(/^step,[^]*\r\n0,[^]*\r\n3,[^]*\r\n$/)]);
  const [unipo, replay] = await saved(/^Replies for UNIPO/);
  expect([unipo, (JSON.parse(replay) as { entries: unknown[] }).entries.length]).toEqual(['-unipo.json', 3]);
  const [trackio, traces] = await saved(/^Replies as trackio/);
  expect([trackio, traces.trim().split('\n').length]).toEqual(['-trackio.jsonl', 3 * 2 * 2]);
  const [trl, table] = await saved(/^Replies as TRL/);
  expect([trl, Object.keys(JSON.parse(table.split('\n')[0]!) as object).slice(0, 3)]).toEqual([
    '-trl.jsonl',
    ['step', 'prompt', 'completion'],
  ]);
  for (const [trainer, settings, data] of [
    ['TRL', 'config.yaml', 'data/train.jsonl'],
    ['verl', 'run.yaml', 'data/train.json'],
  ] as const) {
    const { name, bytes } = await saveAs(kept, /^Save as: the run/, new RegExp(`^Project for ${trainer}`));
    const entries = await zipEntries(name, new Blob([Uint8Array.from(bytes)]));
    const read = async (path: string) => {
      const file = await entries.find((entry) => entry.path.endsWith(`/${path}`))!.open(path);
      return new TextDecoder().decode(await file.read(0, file.size));
    };
    expect(await read(settings)).toContain('0.0003');
    const rows = (await read(data))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { prompt: { role: string }[] });
    expect([rows.length, rows[0]!.prompt.at(-1)!.role]).toEqual([3 * 2, 'user']);
    expect(await read('verifier.py')).toContain('def correct');
    expect(JSON.parse(await read('policy/config.json'))).toHaveProperty('num_hidden_layers');
    expect(await read('README.md')).toContain('pip install -r requirements.txt');
  }
  await page.getByText(/^What TRL does otherwise is in the project’s README: The held-out questions/).waitFor();
  await page.getByRole('slider', { name: 'Step on view' }).fill('1');
  const [html, step] = await saved(/^Step 2 as a page/);
  expect([html, step]).toEqual(['-step-2.html', expect.stringMatching(/^<!doctype html>[^]*, step 2<\/h1>/)]);

  const reward = page.getByRole('figure').filter({ has: page.getByRole('img', { name: /^Reward, / }) });
  expect((await saveAs(reward, 'Save as: the chart Reward', /^Numbers/)).bytes.toString()).toMatch(/^step,Reward[^]*\r\n1,[^]*\r\n3,[^]*$/);
  expect((await saveAs(reward, 'Save as: the chart Reward', /^Drawing/)).bytes.toString()).toMatch(/^<svg [^]*Reward[^]*<path [^]*<\/svg>/);
  const asked = await saveAs(page, 'Save as: the chart of the held-out questions', /^Image/);
  expect([...asked.bytes.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);

  // The list is reached, walked and left by keyboard, and gives the focus back.
  const button = page.getByRole('button', { name: 'Save as: the chart Reward' });
  await button.focus();
  await page.keyboard.press('Enter');
  const menu = page.getByRole('menu', { name: 'Save as: the chart Reward' });
  await menu.getByRole('menuitem', { name: /^Numbers/ }).waitFor();
  await page.keyboard.press('ArrowDown');
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toMatch(/Numbers|Image/);
  expect(await obstacles(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await expect.poll(() => button.evaluate((one) => one === document.activeElement)).toBe(true);
  expect(complaints).toEqual([]);
  await context.close();
}, 240_000);
