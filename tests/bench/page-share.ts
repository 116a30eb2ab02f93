/**
 * What the page itself takes while it trains: the main thread of the built page in Chromium, as the browser counts it. The trainer, in its worker, does
 * not count.
 */
import type { CDPSession } from 'playwright';
import setup from '../helpers/build-page.ts';
import { launchChromium } from '../helpers/launch.ts';
import { serveFolder } from '../helpers/static-server.ts';

/** Milliseconds that are measured as one. */
const stretch = 8000;
/** Of the run: everything is fetched and drawn once by then. */
const warmSteps = 5;

/** @returns percent of the time that passed in which the main thread ran scripts, computed styles or laid out */
export async function mainThreadShares(stretches: number): Promise<number[]> {
  setup();
  const [server, browser] = await Promise.all([serveFolder('dist'), launchChromium(false)]);
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.goto(`${server.url}?engine=portable&backend=wasm`);
    await page.getByRole('button', { name: 'Train', exact: true }).click({ timeout: 90_000 });
    const run = page.getByRole('region', { name: 'Run', exact: true });
    const state = async () => (await run.innerText()).replace(/\s+/g, ' ');
    const step = async () => Number(/step (\d+) of/.exec(await state())?.[1] ?? 0);
    while ((await step()) < warmSteps) await page.waitForTimeout(200);
    const session = await page.context().newCDPSession(page);
    // Time in which the thread ran: what other programs take of the machine does not count.
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const shares = [];
    for (let i = 0; i < stretches; i++) {
      const [before, first] = [await busy(session), await step()];
      await page.waitForTimeout(stretch);
      const after = await busy(session);
      if ((await step()) <= first) throw new Error(`no step ended within ${stretch / 1000} s (${await state()})`);
      shares.push((100 * (after.seconds - before.seconds)) / (after.at - before.at));
    }
    return shares;
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Seconds of work so far, and the time. */
async function busy(session: CDPSession): Promise<{ seconds: number; at: number }> {
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? NaN;
  return { seconds: of('ScriptDuration') + of('RecalcStyleDuration') + of('LayoutDuration'), at: performance.now() / 1000 };
}
