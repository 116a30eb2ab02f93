/** Runs whose checkpoints are too large for the database, in a session with a real engine: kept, gone on with, saved, opened, and not kept. */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { findOpfs, openOpfs } from '../../src/storage/opfs.ts';
import { PayloadFiles } from '../../src/storage/payload-files.ts';
import { FakeOpfs } from '../helpers/fake-opfs.ts';
import { SessionProbe, smallRun } from '../helpers/lab-session.ts';

const folder = 'checkpoints';
let databases = 0;
let disk: FakeOpfs;
beforeEach(() => {
  disk = new FakeOpfs();
  disk.install();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** The untrained policy of step 0 is a record, whatever has been trained a file. */
async function open(name = `worker-large-${databases++}`) {
  const files = new PayloadFiles({
    open: () => openOpfs(folder),
    find: () => findOpfs(folder),
    hold: async () => () => {},
    largestRecord: 10_000,
  });
  const storage = new IndexedStorage(await openDatabase(name), () => openDatabase(name), files);
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  return { name, storage, probe, session: probe.session };
}

it('a run is continued, saved as a file and opened again from checkpoints that are files', async () => {
  const { name, storage, probe, session } = await open();
  const id = await probe.train(smallRun);
  const named = async (run: string) => (await storage.checkpoints(run)).filter(({ step }) => step > 0).map((one) => one.id);
  expect(disk.folders(folder).sort()).toEqual((await named(id)).sort());
  expect(await named(id)).toHaveLength(3);
  const [newest] = await storage.checkpoints(id);

  // In another tab, from what is stored.
  const again = await open(name);
  const file = await again.session.saveRun(id);
  const rest = again.probe.phase('finished');
  await again.session.resume(id, newest!.id, { ...smallRun, steps: 8 });
  await rest;

  for (const run of await session.runs()) await session.deleteRun(run.id);
  expect(disk.folders(folder)).toEqual([]);
  const opened = await again.session.openRun(new File([file], 'large.permix-run'));
  expect(opened.known).toBe(false);
  expect(disk.folders(folder)).toEqual(await named(opened.id));
  const [came] = await storage.checkpoints(opened.id);
  expect([came!.hash, came!.bytes]).toEqual([newest!.hash, newest!.bytes]);
  expect((await storage.checkpoint(came!.id)).trainer.step).toBe(6);
  expect((await again.session.openRun(new File([file], 'large.permix-run'))).known).toBe(true);

  await again.session.clear();
  expect(disk.folders(folder)).toEqual([]);
});

it('what cannot be kept is said once, and the run goes on; once there is room it is kept', async () => {
  const { storage, probe, session } = await open();
  const started = probe.phase('running');
  const paused = probe.phase('paused');
  const id = await session.start(smallRun);
  await started;
  disk.room = 1000;
  // Of all that a step stores, checkpoints alone are added; they come every second step.
  const add = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  await paused;
  const kept = (await storage.run(id)).step;
  expect((await storage.metrics(id)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  const told = probe.notices.filter((text) => /cannot be kept/.test(text));
  expect(told[0]).toMatch(
    new RegExp(`^The checkpoint of step \\d \\(0 MB\\) cannot be kept: .* is full.* Training goes on; .* goes on from step ${kept}\\.`),
  );
  // Once on the way, and where it came to rest.
  expect(told).toHaveLength(2);
  expect(told[1]).toMatch(/^The checkpoint of step 6 /);
  expect(disk.folders(folder).length).toBe((await storage.checkpoints(id)).filter(({ step }) => step > 0).length);

  add.mockRestore();
  disk.room = Infinity;
  const finished = probe.phase('finished');
  await session.resume(id);
  await finished;
  expect(await storage.run(id)).toMatchObject({ step: 6, status: 'finished' });
  const [newest] = await storage.checkpoints(id);
  expect(disk.folders(folder)).toContain(newest!.id);
  expect((await storage.checkpoint(newest!.id)).trainer.step).toBe(6);
});
