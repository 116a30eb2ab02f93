/**
 * `npm run soak`: kills training at random moments and goes on with it, over and over: the command line's process by SIGKILL, the page's
 * renderer by SIGKILL or a crash. At its end every run must be the one that was never killed: each step once, with the same numbers, and the
 * same bytes of weights. Settings are tiny, so that kills fall everywhere: while it starts, between steps, while it writes.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright';
import { runnerImport } from 'vite';
import { install, root, run } from './install.mjs';
import { cliSources, pageSources, stale } from './stale.mjs';

const usage = `Usage: npm run soak [-- OPTIONS]
  --kills N        how many in all (200); a tenth of them are of the page's renderer
  --page-kills N   how many of them are of the page's renderer
  --seed S         of the moments (the time)
A Chrome or Chromium is looked for, or taken from CHROMIUM_PATH.`;

const steps = 40;
/** A run that is killed this often and is not done has stopped making its way. */
const mostKillsARun = 60;

const args = process.argv.slice(2);
/** @param {string} name @param {number} otherwise */
function option(name, otherwise) {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : Number(args.splice(at, 2)[1]);
}
const kills = option('--kills', 200);
const pageKills = option('--page-kills', Math.round(kills / 10));
const seed = option('--seed', Date.now() % 1e9);
if (args.length > 0 || ![kills, pageKills, seed].every((count) => Number.isInteger(count) && count >= 0) || pageKills > kills) {
  console.error(usage);
  process.exit(args.includes('--help') ? 0 : 2);
}

let state = seed >>> 0;
/** In [0, 1): mulberry32. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let x = Math.imul(state ^ (state >>> 15), state | 1);
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
}
/** @param {number} ms */
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** @type {string[]} */
const faults = [];
/** @param {string} what @param {unknown} got @param {unknown} expected */
function same(what, got, expected) {
  if (JSON.stringify(got) === JSON.stringify(expected)) return;
  faults.push(what);
  console.error(`FAULT: ${what} is not as in the run that was never killed.`);
}

/** @type {(name: string) => boolean} what a clock measured */
let isTiming;
/** @param {Record<string, unknown>} row */
const timeless = (row) =>
  Object.fromEntries(Object.entries(row).filter(([name]) => !isTiming(name) && name !== 'seal' && name !== 'seconds'));

const scratch = mkdtempSync(join(tmpdir(), 'permix-soak-'));
const settings = join(scratch, 'settings.json');
const program = resolve(root, 'dist-cli/permix.js');

/** @param {string} folder */
function command(folder) {
  const begun = existsSync(folder) && readdirSync(folder).length > 0;
  const how = begun ? ['--resume'] : ['--recipe', 'permix', '--config', settings, '--rollouts', '--backend', 'wasm'];
  const child = spawn(process.execPath, [program, 'train', '--out', folder, ...how], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-2000)));
  const ended = new Promise((done) => child.on('close', (code, signal) => done({ code, signal, said })));
  return { child, ended: /** @type {Promise<{ code: number | null, signal: string | null, said: string }>} */ (ended) };
}

/** @param {string} folder */
function lines(folder, name = 'metrics.jsonl') {
  const file = join(folder, name);
  if (!existsSync(file)) return [];
  // The last line may have been cut off.
  const text = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return text.map((line) => timeless(JSON.parse(line)));
}

/** All that a finished run left, but for what a clock measured. @param {string} folder */
function outcome(folder) {
  const files = (/** @type {string} */ name) =>
    readdirSync(join(folder, name)).map((file) => [file, readFileSync(join(folder, name, file)).toString('base64')]);
  const newest = `step-${steps}`;
  return {
    'the step log': lines(folder),
    'the log of held-out questions': lines(folder, 'heldout.jsonl'),
    'the rollouts': files('rollouts').sort(),
    'the last checkpoint': readFileSync(join(folder, 'checkpoints', newest)).toString('base64'),
    'the policy': files('policy').sort(),
  };
}

/** @param {number} count */
async function killProcesses(count) {
  const whole = join(scratch, 'uninterrupted');
  const began = performance.now();
  const { code, said } = await command(whole).ended;
  if (code !== 0) throw new Error(`The run that is not killed failed: ${said}`);
  // Other work on this machine may have slowed it down.
  let span = performance.now() - began;
  const expected = outcome(whole);
  console.log(`the uninterrupted run: ${steps} steps in ${(span / 1000).toFixed(1)} s`);
  for (let done = 0, round = 1; done < count; round++) {
    const folder = join(scratch, `run-${round}`);
    for (let killed = 0; ;) {
      const from = performance.now();
      const { child, ended } = command(folder);
      const last = done === count;
      if (!last) void wait(random() * span).then(() => child.kill('SIGKILL'));
      const end = await ended;
      if (end.signal === 'SIGKILL') {
        done++;
        killed++;
        console.log(`kill ${done} of ${count}, process: run ${round}, after step ${lines(folder).length}`);
        if (killed > mostKillsARun) throw new Error(`Run ${round} was killed ${killed} times and is not done; its folder is ${folder}.`);
        continue;
      }
      if (end.code !== 0) {
        faults.push(`run ${round}`);
        console.error(`FAULT: run ${round} does not go on after ${killed} kills; its folder is ${folder}. It says: ${end.said}`);
        return;
      }
      if (killed === 0) span = Math.min(span, performance.now() - from);
      for (const [what, got] of Object.entries(outcome(folder)))
        same(`${what} of run ${round} (${folder})`, got, expected[/** @type {keyof typeof expected} */ (what)]);
      console.log(`run ${round} is done after ${killed} kills`);
      break;
    }
  }
}

/** What is stored of the newest run, without times and ids. @param {import('playwright').Page} page */
async function stored(page) {
  const found = await page.evaluate(async () => {
    /** @param {IDBRequest} request @returns {Promise<any>} */
    const answer = (request) =>
      new Promise((done, fail) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => fail(request.error);
      });
    const database = await answer(indexedDB.open('permix-lab'));
    const transaction = database.transaction(['runs', 'metrics', 'rollouts', 'heldOut', 'checkpoints', 'payloads']);
    /** @param {string} store */
    const all = (store) => answer(transaction.objectStore(store).getAll());
    const runs = await all('runs');
    const [metrics, rollouts, heldOut] = [await all('metrics'), await all('rollouts'), await all('heldOut')];
    const checkpoints = await all('checkpoints');
    const run = runs.sort((/** @type {any} */ a, /** @type {any} */ b) => b.created - a.created)[0] ?? null;
    const newest = checkpoints
      .filter((/** @type {any} */ one) => one.runId === run?.id)
      .sort((/** @type {any} */ a, /** @type {any} */ b) => b.step - a.step)[0];
    const bytes = newest ? (await answer(transaction.objectStore('payloads').get(newest.id))).bytes : new ArrayBuffer(0);
    database.close();
    const hash = [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
    /** @param {any[]} records */
    const own = (records) => records.filter(({ runId }) => runId === run?.id);
    return { run, hash, step: newest?.step ?? 0, metrics: own(metrics), rollouts: own(rollouts), heldOut: own(heldOut) };
  });
  /** @param {Record<string, unknown>} record */
  const anonymous = ({ runId: _, ...record }) => timeless(record);
  return {
    step: found.metrics.at(-1)?.step ?? 0,
    status: found.run?.status ?? null,
    outcome: {
      'the step log': found.metrics.map(({ runId: _, metrics, ...rest }) => ({ ...rest, metrics: timeless(metrics) })),
      'the log of held-out questions': found.heldOut.map(anonymous),
      'the rollouts': found.rollouts.map(anonymous),
      'the last checkpoint': [found.step, found.hash],
    },
  };
}

/** @param {import('playwright').Page} page */
async function begin(page) {
  await page.getByText('Advanced', { exact: true }).click();
  const fields = { Steps: steps, 'Prompts a step': 2, 'Group size': 2, 'Longest reply': 6, 'Checkpoint every': 3 };
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(new RegExp(`^${label}(, |$)`)).fill(String(value));
  await page.getByRole('button', { name: 'Train', exact: true }).click();
}

/** Goes on with what is stored, or begins. @param {import('playwright').Page} page @param {string} url */
async function open(page, url) {
  await page.goto(url);
  await page.getByRole('button', { name: 'Train', exact: true }).click({ trial: true, timeout: 90_000 });
  const { status } = await stored(page);
  if (status === null) return begin(page);
  const more = page.getByRole('region', { name: 'What has been kept?' }).getByRole('button', { name: 'Continue', exact: true });
  if (status !== 'finished') await more.first().click({ timeout: 30_000 });
}

/** @param {import('playwright').Page} page */
async function finished(page) {
  while ((await stored(page)).status !== 'finished') await wait(200);
}

/** @param {number} count @param {string | null} path */
async function killRenderers(count, path) {
  /** @type {{ module: typeof import('../tests/helpers/static-server.ts') }} */
  const { module } = await runnerImport(resolve(root, 'tests/helpers/static-server.ts'), { configFile: false, logLevel: 'error' });
  const server = await module.serveFolder(resolve(root, 'dist'));
  const address = `${server.url}?engine=portable&backend=wasm`;
  const browser = await chromium.launch({ ...(path ? { executablePath: path } : { channel: 'chromium' }), args: switches });
  const visitor = () => browser.newContext({ serviceWorkers: 'block', reducedMotion: 'reduce' });
  try {
    const alone = await visitor();
    const first = await alone.newPage();
    await open(first, address);
    const began = performance.now();
    await finished(first);
    const span = performance.now() - began;
    const expected = (await stored(first)).outcome;
    await alone.close();
    console.log(`the uninterrupted run of the page: ${steps} steps in ${(span / 1000).toFixed(1)} s`);
    for (let done = 0, round = 1; done < count; round++) {
      const context = await visitor();
      for (let killed = 0; ;) {
        const page = await context.newPage();
        const crashed = new Promise((dead) => page.on('crash', () => dead('crash')));
        await open(page, address);
        const end = finished(page).then(() => 'finished');
        const moment = done === count ? wait(300_000) : wait(random() * span);
        if ((await Promise.race([end, moment.then(() => 'now')])) === 'finished') {
          for (const [what, got] of Object.entries((await stored(page)).outcome))
            same(`${what} of the page’s run ${round}`, got, expected[/** @type {keyof typeof expected} */ (what)]);
          console.log(`the page’s run ${round} is done after ${killed} kills`);
          break;
        }
        // It asks a page that is about to be gone.
        end.catch(() => {});
        if (done === count) throw new Error(`The page’s run ${round} is not done after five minutes.`);
        const { step } = await stored(page);
        await crash(browser, page);
        await crashed;
        await page.close();
        done++;
        killed++;
        console.log(`kill ${done} of ${count}, renderer: run ${round}, after step ${step}`);
        if (killed > mostKillsARun) throw new Error(`The page’s run ${round} was killed ${killed} times and is not done.`);
      }
      await context.close();
    }
  } finally {
    await browser.close();
    await server.close();
  }
}

/** By the renderer's own hand, or by the system's. @param {import('playwright').Browser} browser @param {import('playwright').Page} page */
async function crash(browser, page) {
  if (random() < 0.5) {
    const session = await page.context().newCDPSession(page);
    session.send('Page.crash').catch(() => {});
    return;
  }
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  // No other page is open.
  for (const { type, id } of processInfo) if (type === 'renderer') process.kill(id, 'SIGKILL');
  await session.detach();
}

/** @type {string[]} */
let switches = [];
try {
  await install();
  const vite = ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'];
  const lacking = [
    ...(stale('dist-cli/permix.js', cliSources) ? [[...vite, '--config', 'vite.cli.config.ts']] : []),
    ...(pageKills > 0 && stale('dist/index.html', pageSources) ? [vite] : []),
  ];
  for (const one of lacking) if ((await run(process.execPath, one)) !== 0) throw new Error('The build failed; the message is above.');
  /** @type {{ module: typeof import('../src/rl/metric-names.ts') }} */
  const { module: names } = await runnerImport(resolve(root, 'src/rl/metric-names.ts'), { configFile: false, logLevel: 'error' });
  isTiming = names.isTiming;
  /** @type {{ module: typeof import('./browser.ts') }} */
  const { module: browsers } = await runnerImport(resolve(root, 'scripts/browser.ts'), { configFile: false, logLevel: 'error' });
  switches = [...browsers.quietSwitches];
  const tiny = {
    steps,
    promptsPerStep: 2,
    groupSize: 2,
    sampling: { maxNewTokens: 6 },
    checkpointEvery: 3,
    heldOut: { questions: 1, every: 7 },
  };
  writeFileSync(settings, JSON.stringify(tiny));
  console.log(`${kills} kills, seed ${seed}`);
  if (kills > pageKills) await killProcesses(kills - pageKills);
  if (pageKills > 0) await killRenderers(pageKills, browsers.findChromium());
} catch (error) {
  faults.push('stopped');
  console.error(error instanceof Error ? error.message : error);
}
console.log(
  faults.length > 0
    ? `${faults.length} faults after ${kills} kills.`
    : `${kills} kills: no step was lost or doubled, and every bit is the same.`,
);
if (faults.length === 0) rmSync(scratch, { recursive: true, force: true });
else console.log(`What is left is in ${scratch}; --seed ${seed} repeats the moments as far as this machine does.`);
process.exitCode = faults.length > 0 ? 1 : 0;
