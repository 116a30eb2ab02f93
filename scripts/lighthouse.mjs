/**
 * `npm run lighthouse`: Lighthouse over the three views of the built page, as a desktop and as a phone, in a table; fails below the floors.
 * The page is served as hosts do, compressed. Its performance depends on the machine and on what else runs there, so it is no part of `npm test`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { launch } from 'chrome-launcher';
import lighthouse, { desktopConfig } from 'lighthouse';
import { runnerImport } from 'vite';
import { install, root, run } from './install.mjs';
import { pageSources, stale } from './stale.mjs';

const usage = `Usage: npm run lighthouse [-- OPTIONS]
  --runs N      visits of each view, of which the median counts (1)
  --verbose     also what is short of full marks, and why
A Chrome or Chromium is looked for, or taken from CHROME_PATH.`;

const views = ['train', 'evaluate', 'reproduce'];
const categories = /** @type {const} */ (['performance', 'accessibility', 'best-practices', 'seo']);
/** Scores of 100, and the largest shift of the layout. */
const full = { accessibility: 100, 'best-practices': 100, seo: 100 };
const devices = {
  desktop: { config: desktopConfig, floors: { performance: 98, ...full } },
  mobile: { config: undefined, floors: { performance: 90, ...full } },
};
const largestShift = 0.1;

const args = process.argv.slice(2);
const runsAt = args.indexOf('--runs');
const runs = runsAt >= 0 ? Number(args.splice(runsAt, 2)[1]) : 1;
if (!Number.isInteger(runs) || runs < 1 || args.some((arg) => arg !== '--verbose')) {
  console.error(usage);
  process.exit(args.includes('--help') ? 0 : 2);
}

/** @type {Readonly<Record<string, string>>} */
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.txt': 'text/plain; charset=utf-8',
};

/** dist/ on a free port of this machine. */
async function serve() {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://here').pathname));
    const file = join(root, 'dist', path.endsWith('/') ? `${path}index.html` : path);
    if (!existsSync(file)) return response.writeHead(404).end();
    response
      .writeHead(200, {
        'content-type': types[extname(file)] ?? 'application/octet-stream',
        'content-encoding': 'gzip',
        'cache-control': 'max-age=600',
      })
      .end(gzipSync(readFileSync(file)));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', () => done(null)));
  return { server, port: /** @type {import('node:net').AddressInfo} */ (server.address()).port };
}

/** @param {string} url @param {(typeof devices)[keyof typeof devices]} device @param {readonly string[]} chromeFlags @param {string | null} chromePath */
async function visit(url, { config }, chromeFlags, chromePath) {
  const chrome = await launch({ chromeFlags: [...chromeFlags], ...(chromePath ? { chromePath } : {}), logLevel: 'error' });
  try {
    const result = await lighthouse(url, { port: chrome.port, logLevel: 'error', onlyCategories: [...categories] }, config);
    if (!result) throw new Error(`Lighthouse said nothing of ${url}.`);
    return result.lhr;
  } finally {
    chrome.kill();
  }
}

/** @typedef {import('lighthouse').Result} Result */
/** @param {Result} lhr @param {(typeof categories)[number]} name */
const score = (lhr, name) => Math.round(100 * (lhr.categories[name]?.score ?? 0));
/** @param {Result} lhr @param {string} audit */
const value = (lhr, audit) => lhr.audits[audit]?.numericValue ?? NaN;

/** @param {Result} lhr */
function explain(lhr) {
  for (const name of categories) {
    // What weighs nothing in the score is advice; the tree of Chrome's own Lighthouse panel has it.
    for (const { id, weight } of lhr.categories[name]?.auditRefs ?? []) {
      const audit = lhr.audits[id];
      if (!audit || weight === 0 || audit.score === null || audit.score >= 0.99) continue;
      console.log(`    ${name}: ${audit.title} ${audit.displayValue ?? ''} (score ${audit.score}, weight ${weight})`);
      const items = audit.details && 'items' in audit.details ? audit.details.items : [];
      for (const item of items.slice(0, 5)) console.log(`      ${JSON.stringify(item).slice(0, 300)}`);
    }
  }
}

try {
  await install();
  if (stale('dist/index.html', pageSources)) {
    const built = await run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn']);
    if (built !== 0) throw new Error('The page could not be built; the message is above.');
  }
  /** @type {{ module: typeof import('./browser.ts') }} */
  const { module: browsers } = await runnerImport(resolve(root, 'scripts/browser.ts'), { configFile: false, logLevel: 'error' });
  const chromePath = process.env['CHROME_PATH'] ?? browsers.findChromium();
  const { server, port } = await serve();
  const short = [];
  const columns = ['performance', 'accessibility', 'practices', 'seo', 'CLS', 'FCP ms', 'LCP ms', 'TBT ms'];
  console.log(`${''.padEnd(20)}${columns.map((column) => column.padStart(14)).join('')}`);
  for (const [device, setup] of Object.entries(devices)) {
    for (const view of views) {
      const visits = [];
      for (let i = 0; i < runs; i++)
        visits.push(await visit(`http://127.0.0.1:${port}/#/${view}`, setup, ['--headless=new', ...browsers.quietSwitches], chromePath));
      visits.sort((a, b) => score(a, 'performance') - score(b, 'performance'));
      const lhr = /** @type {Result} */ (visits[Math.floor(runs / 2)]);
      const shift = value(lhr, 'cumulative-layout-shift');
      const times = ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time'].map((name) =>
        value(lhr, name).toFixed(0),
      );
      const cells = [...categories.map((name) => score(lhr, name)), shift.toFixed(3), ...times];
      console.log(`${`${device} ${view}`.padEnd(20)}${cells.map((cell) => String(cell).padStart(14)).join('')}`);
      if (args.includes('--verbose')) explain(lhr);
      for (const name of categories) {
        const floor = setup.floors[name];
        if (score(lhr, name) < floor) short.push(`${device} ${view}: ${name} ${score(lhr, name)}, below ${floor}`);
      }
      if (!(shift <= largestShift)) short.push(`${device} ${view}: layout shift ${shift.toFixed(3)}, above ${largestShift}`);
    }
  }
  server.closeAllConnections();
  server.close();
  for (const one of short) console.error(one);
  process.exitCode = short.length > 0 ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
