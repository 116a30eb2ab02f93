/**
 * What the first paint does not need, fetched when the page has nothing else to do: what is opened later opens at once, with or without a
 * network. Scripts are fetched and not run. Which files these are the build says (scripts/ahead-plugin.ts); the worker loads its own.
 */
import { fetchAhead, lotteryAddress, recordingAddress, studyAddress } from '../state/fetched.ts';
import { idle } from './parts/idle.ts';

export async function loadAhead(): Promise<void> {
  if (!import.meta.env.PROD) return;
  // What does not come now is asked for again where it is needed, and missed there.
  const files = await fetch('./ahead.json', { priority: 'low' })
    .then((answer) => answer.json() as Promise<readonly string[]>)
    .catch(() => []);
  const coming: Promise<void>[] = [];
  for (const file of files) {
    await idle();
    coming.push(linked(new URL(file, document.baseURI).href));
  }
  await Promise.all(coming);
  for (const address of [recordingAddress, studyAddress, lotteryAddress]) {
    await idle();
    await fetchAhead(address).catch(() => {});
  }
}

/** As the page would ask for it itself, so that it is not asked for twice. */
function linked(href: string): Promise<void> {
  if ([...document.getElementsByTagName('link')].some((link) => link.href === href)) return Promise.resolve();
  const link = document.createElement('link');
  link.rel = href.endsWith('.css') ? 'stylesheet' : 'modulepreload';
  link.crossOrigin = '';
  link.href = href;
  return new Promise((done) => {
    link.onload = link.onerror = () => done();
    document.head.append(link);
  });
}
