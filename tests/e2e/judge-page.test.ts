/** The page's judging: needs, file, a judge with CORS and one without, a key that goes nowhere else, a reload in the middle, files. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { judgeServer, status, type JudgeServer } from '../helpers/judge-server.ts';
import { bootMilliseconds, visitLab, type LabPage } from '../helpers/lab-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { obstacles } from '../helpers/obstacles.ts';
import { scratchFolder } from '../helpers/permix.ts';
import { serveFolder, type StaticServer } from '../helpers/static-server.ts';

const secret = 'sk-only-for-the-judge';
let browser: Browser;
let server: StaticServer;
let judge: JudgeServer;
let closed: JudgeServer;
let scratch = '';
let lab: LabPage | undefined;

beforeAll(async () => {
  const questions = Object.fromEntries(benchmarkTasks.map(({ name }) => [name, ['What do you do first?', 'Why is that?']]));
  scratch = await scratchFolder();
  await writeFile(join(scratch, 'bench.json'), JSON.stringify({ 'A pirate': questions, 'A poet': questions, 'A chef': questions }));
  await writeFile(join(scratch, 'personas.json'), '["A pirate"]');
  [browser, server, judge, closed] = await Promise.all([
    launchChromium(false),
    serveFolder('dist'),
    judgeServer(() => 'Score: 3', { origins: '*' }),
    judgeServer(() => 'Score: 3'),
  ]);
});
afterEach(async () => {
  await lab?.context.close();
  lab = undefined;
});
afterAll(async () => {
  await browser.close();
  await Promise.all([server.close(), judge.close(), closed.close(), rm(scratch, { recursive: true, force: true })]);
});

async function open() {
  lab = await visitLab(browser, `${server.url}#/evaluate`);
  await view(lab.page).getByRole('button', { name: 'Judge', exact: true }).click({ trial: true, timeout: bootMilliseconds });
  return lab;
}
const view = (page: Page) => page.getByRole('region', { name: 'Do they stay in character, says a judge?' });
const press = (page: Page) => view(page).getByRole('button', { name: 'Judge', exact: true }).click();
const alert = (page: Page) => view(page).getByRole('alert');
async function choose(page: Page, file: string) {
  await view(page).getByLabel('The PersonaGym benchmark').setInputFiles(join(scratch, file));
}
async function fill(page: Page, address: string, key = '') {
  await choose(page, 'bench.json');
  await view(page).getByText('bench.json: 3 personas, 30 questions').waitFor();
  await view(page).getByLabel('Address of the judge').fill(address);
  await view(page).getByLabel('Its model').fill('judge-1');
  await view(page).getByLabel('Key, if it wants one').fill(key);
  await view(page).getByLabel('Personas').fill('2');
}
async function download(page: Page, name: string): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent('download'), view(page).getByRole('button', { name, exact: true }).click()]);
  expect(file.suggestedFilename()).toMatch(new RegExp(`^permix-judge-.*\\.${name.toLowerCase()}$`));
  return readFile(await file.path(), 'utf8');
}

/** Everything the browser keeps of this page: IndexedDB and local storage, as text. */
async function stored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const all: unknown[] = [{ ...localStorage }, { ...sessionStorage }];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const opening = indexedDB.open(name!);
        opening.onsuccess = () => resolve(opening.result);
      });
      for (const store of database.objectStoreNames) {
        const request = database.transaction(store).objectStore(store).getAll();
        all.push(await new Promise((resolve) => (request.onsuccess = () => resolve(request.result))));
      }
      database.close();
    }
    return JSON.stringify(all);
  });
}

it('says what it needs, and what is wrong, before it sends anything', async () => {
  const { page, complaints } = await open();
  const outside: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('blob:')) outside.push(request.url());
  });
  await view(page).getByText('Nothing has been judged yet. It needs three things.').waitFor();
  await press(page);
  await expect.poll(() => alert(page).innerText()).toMatch(/Choose your copy of the benchmark first/);
  await choose(page, 'personas.json');
  await expect.poll(() => alert(page).first().innerText()).toMatch(/personas\.json: this is a list/);
  await fill(page, 'localhost:11434', secret);
  await expect.poll(() => alert(page).innerText()).toMatch(/does not begin with http/);
  await view(page).getByLabel('Address of the judge').fill(judge.url);
  await expect.poll(() => alert(page).count()).toBe(0);
  await view(page).getByText('At most 20 answers, each sent to the judge.').waitFor();
  expect(await view(page).getByLabel('Key, if it wants one').getAttribute('type')).toBe('password');
  expect(judge.asked).toHaveLength(0);
  expect(outside).toEqual([]);
  expect(await obstacles(page)).toEqual([]);
  expect(complaints).toEqual([]);
});

it('names what keeps the browser from a judge: no CORS, a wrong key', async () => {
  const { page } = await open();
  await fill(page, closed.url);
  await press(page);
  const origin = new URL(server.url).origin;
  await expect.poll(() => alert(page).innerText(), { timeout: 30_000 }).toContain(`does not allow requests from ${origin} (CORS)`);
  expect(await alert(page).innerText()).toContain(`OLLAMA_ORIGINS=${origin}`);
  expect(closed.asked).toHaveLength(0);
  // Nothing is left of an attempt that never worked.
  expect(await view(page).getByRole('heading', { name: 'Kept judgings' }).count()).toBe(0);

  judge.behave(() => status(401, { message: `bad key ${secret}` }));
  await view(page).getByLabel('Address of the judge').fill(judge.url);
  await view(page).getByLabel('Key, if it wants one').fill(secret);
  await press(page);
  await expect.poll(() => alert(page).innerText(), { timeout: 30_000 }).toMatch(/does not accept the key \(401\)/);
  expect(await alert(page).innerText()).not.toContain(secret);
});

it('names the permission for the local network where a public page lacks it, and judges once it is granted', async () => {
  // This computer under a public name: the browser then guards it as it guards everybody's.
  const origin = `http://lab.test:${server.port}`;
  const outside = await launchChromium(false, [
    '--host-resolver-rules=MAP lab.test 127.0.0.1',
    `--ip-address-space-overrides=127.0.0.1:${server.port}=public`,
    `--unsafely-treat-insecure-origin-as-secure=${origin}`,
  ]);
  try {
    lab = await visitLab(outside, `${origin}/#/evaluate`);
    const { page, context } = lab;
    await view(page).getByRole('button', { name: 'Judge', exact: true }).click({ trial: true, timeout: bootMilliseconds });
    judge.behave(() => 'Score: 2');
    const asked = judge.asked.length;
    await fill(page, judge.url);
    await press(page);
    await expect
      .poll(() => alert(page).innerText(), { timeout: 30_000 })
      .toMatch(/its permission for the local network is blocked|local network was not answered with Allow/);
    expect(judge.asked.length).toBe(asked);
    await context.grantPermissions(['local-network-access']);
    await press(page);
    await view(page).getByText('20 of 20').waitFor({ timeout: 60_000 });
  } finally {
    await lab?.context.close();
    lab = undefined;
    await outside.close();
  }
});

it('judges, survives a reload in the middle, and never keeps the key', async () => {
  const { page, complaints } = await open();
  const asked = judge.asked.length;
  const honest = (text: string) => `A reason.\nScore: ${1 + (text.length % 5)}`;
  judge.behave(({ body }) => new Promise((resolve) => setTimeout(() => resolve(honest(body.messages[1]!.content)), 250)));
  await fill(page, `${judge.url}/v1`, secret);
  await press(page);
  const bar = view(page).getByRole('progressbar', { name: 'Judging' });
  // Percent: more than 3 of 20.
  await expect.poll(async () => Number(await bar.getAttribute('aria-valuenow')), { timeout: 60_000 }).toBeGreaterThan(15);
  expect(judge.asked.at(-1)!.headers.authorization).toBe(`Bearer ${secret}`);
  expect(await obstacles(page)).toEqual([]);

  await page.reload();
  const go = view(page).getByRole('button', { name: 'Continue judging' });
  await go.waitFor({ timeout: bootMilliseconds });
  const done = Number(/(\d+) of 20 answers are judged; these numbers are preliminary/.exec(await view(page).innerText())?.[1]);
  expect(done).toBeGreaterThan(3);
  expect(done).toBeLessThan(20);
  // The judge is known again, the key is not.
  expect(await view(page).getByLabel('Address of the judge').inputValue()).toBe(`${judge.url}/v1/chat/completions`);
  expect(await view(page).getByLabel('Key, if it wants one').inputValue()).toBe('');
  const before = judge.asked.length;
  judge.behave(({ body }) => honest(body.messages[1]!.content));
  await go.click();
  await view(page).getByText('20 of 20').waitFor({ timeout: 60_000 });
  expect(judge.asked.length - before).toBe(20 - done);
  expect(judge.asked.length - asked).toBeLessThanOrEqual(22);

  const score = view(page).getByRole('img', { name: /^Base policy: PersonaScore \d\.\d\d, 95 % interval \d\.\d\d to \d\.\d\d\.$/ });
  expect(await score.count()).toBe(1);
  for (const { name } of benchmarkTasks)
    expect(
      await view(page)
        .getByRole('row', { name: new RegExp(`^${name} \\d\\.\\d\\d`) })
        .count(),
    ).toBe(1);
  await view(page).getByText('Answers and what the judge said').click();
  expect(
    await view(page)
      .getByText(/^Judge: A reason/)
      .count(),
  ).toBe(10);
  expect(await view(page).innerText()).not.toMatch(/NaN|undefined|null|Infinity/);
  expect(await obstacles(page)).toEqual([]);

  const json = JSON.parse(await download(page, 'JSON')) as { format: string; answers: unknown[]; judge: object };
  expect([json.format, json.answers.length, json.judge]).toEqual([
    'permix-judge',
    20,
    { address: `${judge.url}/v1/chat/completions`, model: 'judge-1', rubric: 1 },
  ]);
  const csv = await download(page, 'CSV');
  expect(csv).toMatch(/^Base policy,,Toxicity,mean,\d/m);
  const kept = await stored(page);
  expect(kept).toContain('A reason.');
  for (const text of [JSON.stringify(json), csv, kept]) expect(text).not.toContain(secret);

  await page.setViewportSize({ width: 360, height: 780 });
  await page.emulateMedia({ colorScheme: 'dark' });
  // Colours change over a moment.
  await expect.poll(() => obstacles(page), { timeout: 20_000 }).toEqual([]);
  expect(complaints).toEqual([]);
});
