/**
 * `npm test`: installs what is missing, finds a Chromium, and runs every ring: lint, types, build, unit, gpu, trajectory, e2e.
 * A failing ring does not stop the others, and none is ever left out. Only tests of the whole page may try twice, and are named then.
 * The last line is `N passed, N failed` over all of them.
 * One ring at a time while working: `npx vitest run --project unit`.
 */
import { install, root, run } from './install.mjs';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

const node = process.execPath;
const results = resolve(root, '.permix/test');
/** A ring that hangs is stopped and counts as failed. */
const ringMinutes = 25;

/** @typedef {{ name: string, passed: number, failed: number, skipped: number, seconds: number }} Ring */
/** @type {Ring[]} */
const rings = [];

/** Tests that failed and then passed. @type {{ test: string, failure: string }[]} */
const again = [];

/** @param {string} text */
const say = (text) => console.log(text);
/** @param {number} since */
const secondsSince = (since) => (performance.now() - since) / 1000;

/**
 * Runs a program and keeps what it prints.
 * @param {readonly string[]} args arguments of node
 * @returns {Promise<{ code: number, output: string }>}
 */
function quietly(args) {
  return new Promise((done) => {
    const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FORCE_COLOR: '0' } });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => done({ code: 1, output: error.message }));
    child.on('close', (code) => done({ code: code ?? 1, output }));
  });
}

/**
 * Checks that pass or fail as a whole: one test each. They run at once; each prints only when it fails.
 * @param {string} name @param {Readonly<Record<string, readonly string[]>>} checks
 */
async function checkRing(name, checks) {
  const start = performance.now();
  const codes = await Promise.all(
    Object.entries(checks).map(async ([check, args]) => {
      const began = performance.now();
      const { code, output } = await quietly(args);
      say(`${code === 0 ? '✓' : '✗'} ${name}: ${check} (${secondsSince(began).toFixed(0)} s)`);
      if (code !== 0) say(output.trimEnd());
      return code;
    }),
  );
  const failed = codes.filter((code) => code !== 0).length;
  rings.push({ name, passed: codes.length - failed, failed, skipped: 0, seconds: secondsSince(start) });
}

/**
 * @param {string} name a project of vite.config.ts
 * @param {number} retries how often a test that failed may try again. A whole browser on a busy machine has moods; a test that needed
 *   another attempt is named with what it failed by, so that it is looked at and not forgotten.
 */
async function vitestRing(name, retries = 0) {
  say(`\n${name}:`);
  const start = performance.now();
  const report = resolve(results, `${name}.json`);
  const args = ['run', '--project', name, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, `--retry=${retries}`];
  const timeout = ringMinutes * 60_000;
  const code = await run(node, ['node_modules/vitest/vitest.mjs', ...args], { stdio: ['ignore', 1, 2], timeout, killSignal: 'SIGKILL' });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    /** @type {{ testResults: { status: string, assertionResults: { status: string, fullName: string, failureMessages: string[] }[] }[] }} */
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    for (const file of testResults) {
      for (const { status, fullName, failureMessages } of file.assertionResults) {
        counts[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1;
        if (status === 'passed' && failureMessages.length > 0)
          again.push({ test: `${name}: ${fullName}`, failure: failureMessages[0] ?? '' });
      }
      // A file that could not be loaded has no tests to count.
      if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) counts.failed += 1;
    }
  } catch {
    say(`${name}: the ring left no report (exit code ${code}, limit ${ringMinutes} minutes).`);
    counts.failed += 1;
  }
  if (counts.passed + counts.failed === 0) say(`${name}: no test ran.`);
  if (counts.failed === 0 && (code !== 0 || counts.passed === 0)) counts.failed = 1;
  rings.push({ name, ...counts, seconds: secondsSince(start) });
}

/** The browser rings need a Chromium, and WebGPU in Node the Vulkan loader: the system's, or what is installed now. */
async function provideSystem() {
  const { runnerImport } = await import('vite');
  /** @type {{ module: typeof import('./browser.ts') }} */
  const { module: browser } = await runnerImport(resolve(root, 'scripts/browser.ts'), { configFile: false });
  /** @type {{ module: typeof import('../src/cli/vulkan.ts') }} */
  const { module: vulkan } = await runnerImport(resolve(root, 'src/cli/vulkan.ts'), { configFile: false });
  const lacking = [
    ...(browser.findChromium() ? [] : ['chromium']),
    ...(process.platform !== 'linux' || vulkan.vulkanLoader() ? [] : ['libvulkan1']),
  ];
  if (lacking.length > 0 && process.getuid?.() === 0 && debian()) {
    say(`Not here yet; installing Debian’s: apt-get install ${lacking.join(' ')} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { env, stdio: /** @type {const} */ (['ignore', 2, 2]).slice() };
    // A failed update is not the end: the lists that are there may do.
    await run('apt-get', ['update', '-qq'], quiet);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...lacking], quiet);
  }
  const missing = vulkan.missingVulkan();
  if (missing && !vulkan.vulkanLoader()) say(`The tests of WebGPU in Node are skipped: ${missing}`);
  const now = browser.findChromium();
  if (now) return say(`Chromium: ${now}`);

  say('No Chrome or Chromium here; using Playwright’s: npx playwright install chromium …');
  const code = await run(node, ['node_modules/playwright/cli.js', 'install', 'chromium']);
  if (code !== 0) say('No Chromium could be installed: the browser rings will fail. Install one, or set CHROMIUM_PATH to where it is.');
}

function debian() {
  try {
    return /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

try {
  await install();
  await provideSystem();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  rings.push({ name: 'install', passed: 0, failed: 1, skipped: 0, seconds: 0 });
}

if (rings.length === 0) {
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  await checkRing('lint', {
    eslint: ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'],
    'import ranking': ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', 'src', 'scripts', '--output-type', 'err'],
    prettier: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  });
  await checkRing('types', {
    tsc: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'],
    'svelte-check': [
      'node_modules/svelte-check/bin/svelte-check',
      '--tsconfig',
      './tsconfig.json',
      '--output',
      'human',
      '--fail-on-warnings',
    ],
  });
  await checkRing('build', {
    page: ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'],
    'command line': ['node_modules/vite/bin/vite.js', 'build', '--config', 'vite.cli.config.ts', '--logLevel', 'warn'],
  });
  for (const ring of ['unit', 'gpu', 'trajectory']) await vitestRing(ring);
  await vitestRing('e2e', 1);
}

for (const { test, failure } of again) say(`\nPassed only at the second attempt: ${test}\n${failure}`);
say('');
for (const { name, passed, failed, skipped, seconds } of rings) {
  const skips = skipped > 0 ? `, ${skipped} skipped by name` : '';
  say(`${failed > 0 ? '✗' : '✓'} ${name.padEnd(10)} ${passed} passed, ${failed} failed${skips} · ${seconds.toFixed(0)} s`);
}
const failed = rings.reduce((sum, ring) => sum + ring.failed, 0);
say(`${rings.reduce((sum, ring) => sum + ring.passed, 0)} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
