/** What the built page forbids itself, what it asks of its host, and the licences that travel with it. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Browser, Request } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSmall, ready, reportViolations, untilState, visitLab } from '../helpers/lab-page.ts';
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

describe('a whole visit', () => {
  it('keeps the content security policy and asks nobody but its own host, the page, its worker and its service worker', async () => {
    const { page, context, complaints } = await visitLab(browser, 'about:blank', { kept: true });
    const requests: Request[] = [];
    context.on('request', (request) => requests.push(request));
    await page.goto(server.url);
    await ready(page);
    await makeSmall(page, 2);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await untilState(page, 'Finished');
    await page.getByRole('button', { name: /^Engine:/ }).click();
    await page.getByRole('dialog', { name: 'Engine' }).waitFor();
    await page.keyboard.press('Escape');
    // The focus goes back to where it came from.
    expect(await page.evaluate(() => document.activeElement!.textContent)).toMatch(/Engine:/);
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    for (const view of ['Evaluate', 'Reproduce', 'Train']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.waitForLoadState('networkidle');
    }
    await page.evaluate(() => navigator.serviceWorker.ready);
    expect(complaints).toEqual([]);
    const addresses = requests.map((request) => request.url());
    expect(addresses.filter((address) => !/^(data|blob):/.test(address) && !address.startsWith(server.url))).toEqual([]);
    const askers = requests.map((one) => (one.serviceWorker() ? 'service worker' : /\.safetensors$/.test(one.url()) ? 'worker' : 'page'));
    expect([...new Set(askers)].sort()).toEqual(['page', 'service worker', 'worker']);
    await context.close();
  });
});

describe('the content security policy', () => {
  it('stops code that is inline or compiled from text, and forms, frames and bases', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const found: string[] = [];
    await reportViolations(page, (violation) => found.push(violation.split(':')[0]!));
    await page.goto(server.url);
    await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement('script'), { textContent: 'globalThis.ran = true' }));
      document.body.append(Object.assign(document.createElement('iframe'), { src: 'https://elsewhere.example/' }));
      document.head.append(Object.assign(document.createElement('base'), { href: 'https://elsewhere.example/' }));
      document.body.append(Object.assign(document.createElement('object'), { data: 'https://elsewhere.example/' }));
    });
    await page.addScriptTag({ content: 'new Function("globalThis.ran = true")()' }).catch(() => {});
    expect(await page.evaluate(() => 'ran' in globalThis)).toBe(false);
    await expect.poll(() => [...new Set(found)].sort()).toEqual(['base-uri', 'frame-src', 'object-src', 'script-src-elem']);
    await context.close();
  });

  it('lets the theme be chosen before the first paint', async () => {
    const html = readFileSync('dist/index.html', 'utf8');
    expect(html).not.toMatch(/<script(?![^>]* src=)/);
    const at = (text: string) => html.indexOf(text);
    expect(at('Content-Security-Policy')).toBeLessThan(at('<script'));
    expect(at('theme.js')).toBeLessThan(at('type="module"'));
    expect(html).toMatch(/<script src="\.\/theme\.js"><\/script>/);
    const { page, context } = await visitLab(browser, 'about:blank', { theme: 'dark' });
    // Without the program, and so before it.
    await page.route('**/assets/*.js', (route) => route.abort());
    await page.goto(server.url);
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
    await context.close();
  });
});

it('the first paint needs no more than 100 KB, compressed as hosts do', () => {
  const html = readFileSync('dist/index.html', 'utf8');
  const needed = [...html.matchAll(/<(?:script|link)[^>]* (?:src|href)="\.\/([^"]+\.(?:js|css))"/g)].map(([, file]) => file!);
  expect(needed.length).toBeGreaterThan(2);
  const bytes = ['index.html', ...needed].reduce((sum, file) => sum + gzipSync(readFileSync(`dist/${file}`)).length, 0);
  expect(bytes).toBeLessThanOrEqual(100_000);
});

it('a first visit fetches nothing twice and asks for nothing that is not there', async () => {
  const own = await serveFolder('dist', '/some/path/');
  const { page, context } = await visitLab(browser, own.url);
  await ready(page);
  for (const view of ['Evaluate', 'Reproduce', 'Train', 'Reproduce']) {
    await page.getByRole('link', { name: view, exact: true }).click();
    await page.waitForLoadState('networkidle');
  }
  expect(own.sent.filter((path, i) => own.sent.indexOf(path) !== i)).toEqual([]);
  expect(own.sent.filter((path) => path.endsWith('.safetensors'))).toHaveLength(1);
  expect(own.missing).toEqual([]);
  await context.close();
  await own.close();
});

describe('beside what is built', () => {
  it.each(['dist', 'dist-cli'])('in %s/ lie the licence and the notices of the packages in it', (folder) => {
    expect(readFileSync(`${folder}/LICENSE`, 'utf8')).toBe(readFileSync('LICENSE', 'utf8'));
    const notices = readFileSync(`${folder}/THIRD-PARTY-NOTICES.txt`, 'utf8');
    for (const name of ['@tensorflow/tfjs-core', '@huggingface/tokenizers', 'zod', 'seedrandom']) {
      const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string };
      expect(notices).toContain(`\n  ${name} ${version} (`);
    }
    expect(notices).toMatch(/Copyright 2019 David Bau/);
    // Bundled in the page alone: what is not in a bundle is not in its notices.
    expect(/\n {2}svelte /.test(notices)).toBe(folder === 'dist');
    expect(notices).not.toMatch(/\n {2}(vitest|typescript|playwright) /);
  });

  it('robots are told what they may read', () => {
    expect(readFileSync('dist/robots.txt', 'utf8')).toMatch(/^User-agent: \*$/m);
  });
});
