/** Checkpoints of more than 64 MB in the browser's own file system: real handles, real locks, a tab that dies. Needs no GPU. */
import { wrap, type Remote } from 'comlink';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Tab } from '../helpers/large-records.worker.ts';

let name: string;
let tabs: Worker[];
beforeEach(() => {
  name = `large-${crypto.randomUUID()}`;
  tabs = [];
});
afterEach(async () => {
  tabs.forEach((tab) => tab.terminate());
  await (await navigator.storage.getDirectory()).removeEntry(name, { recursive: true }).catch(() => {});
  indexedDB.deleteDatabase(name);
});

async function openTab(stall = false): Promise<{ readonly tab: Remote<Tab>; close(): void }> {
  const worker = new Worker(new URL('../helpers/large-records.worker.ts', import.meta.url), { type: 'module' });
  tabs.push(worker);
  const tab = wrap<Tab>(worker);
  await tab.open(name, stall);
  return { tab, close: () => worker.terminate() };
}

/** Sizes of the files, by the checkpoint that they are of; null of one that is not written yet, or not any more. */
async function files(): Promise<Record<string, number | null>> {
  const found: Record<string, number | null> = {};
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(name).catch(() => null);
  for await (const folder of root?.keys() ?? []) {
    const own = await root!.getDirectoryHandle(folder).catch(() => null);
    const file = await own
      ?.getFileHandle('checkpoint')
      .then((handle) => handle.getFile())
      .catch(() => null);
    // Another tab may have removed it since it was named.
    if (own) found[folder] = file?.size ?? null;
  }
  return found;
}

it('are files that another tab reads, counted by the browser, and gone with their checkpoint and run', async () => {
  const { tab } = await openTab();
  const small = await tab.begin('a');
  expect(await files()).toEqual({});
  const { usage: before = 0 } = await navigator.storage.estimate();
  const [first, second] = [await tab.save('a', 10), await tab.save('a', 20)];
  expect(first.bytes).toBeGreaterThan(64e6);
  expect(await files()).toEqual({ [first.id]: first.bytes, [second.id]: second.bytes });
  expect((await navigator.storage.estimate()).usage! - before).toBeGreaterThan(2 * 64e6);

  const other = await openTab();
  expect(await other.tab.isWhole(first.id, 'a', 10)).toBe(true);
  expect(await other.tab.isWhole(first.id, 'a', 20)).toBe(false);
  expect((await other.tab.checkpoints('a')).map(({ id }) => id)).toEqual([second.id, first.id, small.id]);
  await other.tab.deleteCheckpoint(second.id);
  expect(Object.keys(await files())).toEqual([first.id]);
  await tab.deleteRun('a');
  expect(await files()).toEqual({});

  await tab.begin('b');
  await tab.save('b', 10);
  await tab.clear();
  expect(await files()).toEqual({});
});

it('of a tab that died while it wrote one, nothing is left; while it lives, nobody sweeps it', async () => {
  const { tab } = await openTab();
  await tab.begin('a');
  const whole = await tab.save('a', 10);
  const dying = await openTab(true);
  void dying.tab.save('a', 20);
  while (Object.values(await files()).filter((size) => size !== null).length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  const [half] = Object.keys(await files()).filter((id) => id !== whole.id);
  await openTab();
  expect(Object.keys(await files())).toContain(half);
  dying.close();
  // The browser gives a dead tab's lock and file back in its own time.
  while (Object.keys(await files()).length > 1) {
    await openTab();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await files()).toEqual({ [whole.id]: whole.bytes });
  expect(await tab.isWhole(whole.id, 'a', 10)).toBe(true);
  expect((await tab.checkpoints('a')).map(({ step }) => step)).toEqual([10, 0]);
});
