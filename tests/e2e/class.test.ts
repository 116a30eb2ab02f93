/** A class hands in its runs: files dropped on the built page become one picture over their seeds, which a reload shows again. */
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packRun, readRunFile, type SavedRun } from '../../src/exchange/run-file.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { makeSmall, ready, untilState, visitLab } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
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
  await page.getByText('Drop run files here').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: carried });
  expect(await page.getByText('Drop run files here').count()).toBe(0);
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
  const [download] = await Promise.all([page.waitForEvent('download'), kept.getByRole('button', { name: 'Save as a file' }).click()]);
  const { readFile } = await import('node:fs/promises');
  const own = Uint8Array.from(await readFile((await download.path())!)).buffer;
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
  await view.getByText(/^4 trainings, 12 held-out questions a row after step 2/).waitFor();
  await page.getByText('5 runs were added to what has been kept.').waitFor();
  await page.getByText(/^Not added: notes\.txt is no saved run of this program\./).waitFor();
  const map = view.getByRole('table', { name: /Right as whom/ });
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
  expect(complaints).toEqual([]);
  await context.close();
}, 240_000);
