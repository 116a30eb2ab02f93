/** The built page in a browser, and the hands of a visitor: small runs, the state of the run, what the console complained about. */
import { readFile } from 'node:fs/promises';
import type { Browser, BrowserContext, Locator, Page } from 'playwright';
import { afterEach, expect } from 'vitest';

export interface LabPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page and of its console. */
  readonly complaints: string[];
}

export const bootMilliseconds = 90_000;
const stepMilliseconds = 60_000;

interface Visitor {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: 'light' | 'dark';
  /** With the service worker, which `page.route` does not see behind. */
  readonly kept?: boolean;
  /** Does not move, so that what is far below is not made yet. */
  readonly still?: boolean;
}

/** A visitor with storage of its own. */
export async function visitLab(
  browser: Browser,
  url: string,
  { width = 1280, height = 900, theme = 'light', kept = false, still = false }: Visitor = {},
): Promise<LabPage> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: 'reduce',
    serviceWorkers: kept ? 'allow' : 'block',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await reportViolations(page);
  await page.goto(url);
  if (!still) await somebodyThere(page);
  return { page, context, complaints };
}

const violations: string[] = [];
afterEach(() => expect(violations.splice(0), 'violations of the page’s own security policy').toEqual([]));

/** Whatever the page does against its content security policy fails the test that made it do so. Before the page is opened. */
export async function reportViolations(page: Page, found: (violation: string) => void = (one) => violations.push(one)): Promise<void> {
  await page.exposeFunction('reportViolation', found);
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, lineNumber, sample }) => {
      const { reportViolation } = globalThis as unknown as { reportViolation(violation: string): void };
      reportViolation(`${violatedDirective}: ${blockedURI} in ${sourceFile}:${lineNumber} ${sample}`);
    });
  });
}

/** What is far below is made at once, and not only after ten seconds in which nobody moves. */
async function somebodyThere(page: Page): Promise<void> {
  await page.keyboard.press('Shift');
}

/** Waits until a run could be started. */
export async function ready(page: Page): Promise<void> {
  await somebodyThere(page);
  await page.getByRole('button', { name: 'Train', exact: true }).click({ trial: true, timeout: bootMilliseconds });
}

/** A run that software can make in a moment: few and short rollouts. */
export async function makeSmall(page: Page, steps: number): Promise<void> {
  await page.getByText('Advanced', { exact: true }).click();
  const fields = { Steps: steps, 'Prompts a step': 2, 'Group size': 2, 'Longest reply': 6, 'Checkpoint every': 1 };
  const setup = page.locator('#setup');
  for (const [label, value] of Object.entries(fields)) await setup.getByLabel(new RegExp(`^${label}(, |$)`)).fill(String(value));
}

/** The text of the bar with the buttons: state, recipe, step. */
export function runState(page: Page) {
  return page.getByRole('region', { name: 'Run', exact: true });
}

/** Waits for at least this step. */
export async function untilStep(page: Page, step: number): Promise<void> {
  await expect.poll(() => stepOf(page), { timeout: stepMilliseconds, interval: 50 }).toBeGreaterThanOrEqual(step);
}

export async function untilState(page: Page, state: string): Promise<void> {
  await runState(page).getByText(state, { exact: true }).waitFor({ timeout: stepMilliseconds });
}

export async function stepOf(page: Page): Promise<number> {
  return Number(/step (\d+) of/.exec(await runState(page).innerText())?.[1] ?? -1);
}

/** Saves by a menu. @param of who is asked: "the run PerMix"  @returns its name and its bytes */
export async function saveAs(scope: Page | Locator, of: string | RegExp, item: string | RegExp): Promise<{ name: string; bytes: Buffer }> {
  const page = 'page' in scope ? scope.page() : scope;
  await scope.getByRole('button', { name: of }).first().click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: item }).click()]);
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}
