/** What keeps somebody from using a page: what axe-core calls serious, sideways scrolling, and words that are too small to read. */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright';

export async function obstacles(page: Page): Promise<string[]> {
  await page.evaluate(await readFile('node_modules/axe-core/axe.min.js', 'utf8'));
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    const found = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [...found, `scrolls sideways by ${scrollWidth - clientWidth} px`] : found;
  });
  return [...found, ...(await tiny(page))];
}

/** Words smaller than 14 px. The marks of axes are none, and a formula has its own sizes. */
function tiny(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const words = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement!;
      const text = node.textContent!.trim();
      if (text === '' || parent.closest('svg, .katex, .hidden, .uplot, script, style, option') || !parent.checkVisibility()) continue;
      const size = parseFloat(getComputedStyle(parent).fontSize);
      if (size < 13.99) words.add(`${size} px: ${text.slice(0, 40)}`);
    }
    return [...words];
  });
}
