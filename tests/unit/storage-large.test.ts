/** Checkpoints that are too large for the database: their bytes are files, and in all else they are as others. */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { fingerprint } from '../../src/storage/hash.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { findOpfs, openOpfs } from '../../src/storage/opfs.ts';
import { packCheckpoint } from '../../src/storage/pack.ts';
import { PayloadFiles } from '../../src/storage/payload-files.ts';
import { NotKept } from '../../src/storage/storage.ts';
import { FakeOpfs } from '../helpers/fake-opfs.ts';
import { draft, runRecord } from '../helpers/run-records.ts';

const folder = 'checkpoints';
let databases = 0;
let disk: FakeOpfs;
/** Folders that another tab writes. */
let elsewhere: Set<string>;
beforeEach(() => {
  disk = new FakeOpfs();
  disk.install({ usage: 5e7, quota: 6e7 });
  elsewhere = new Set();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** @param largestRecord bytes; 0: every checkpoint is a file */
async function open(largestRecord = 0, name = `large-${databases++}`) {
  const files = new PayloadFiles({
    open: () => openOpfs(folder),
    find: () => findOpfs(folder),
    hold: async (one) => (elsewhere.has(one) ? null : () => {}),
    largestRecord,
  });
  const database = await openDatabase(name);
  return { database, name, storage: new IndexedStorage(database, () => openDatabase(name), files) };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
const contentOf = ({ config, trainer, state }: ReturnType<typeof draft>) => ({ config, trainer, state });
const full = (method: 'add' | 'put') =>
  vi.spyOn(IDBObjectStore.prototype, method).mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });

describe('a large checkpoint', () => {
  it('is a file, sealed and read back as any other; a small one is none', async () => {
    const { database, storage } = await open(packCheckpoint(draft('a', 0)).byteLength);
    const small = await storage.createRun(runRecord('a'), draft('a', 0));
    const large = await storage.saveCheckpoint(draft('a', 10), 'running');
    expect(disk.folders(folder)).toEqual([large.id]);
    expect((await database.get('payloads', small.id))!.bytes).toBeInstanceOf(ArrayBuffer);
    expect((await database.get('payloads', large.id))!.bytes).toBeNull();
    const packed = packCheckpoint(draft('a', 10));
    expect([large.bytes, large.hash]).toEqual([packed.byteLength, await fingerprint(packed)]);
    expect(await storage.checkpoint(large.id)).toEqual({ ...large, ...contentOf(draft('a', 10)) });
    expect(await storage.checkpoint(small.id)).toMatchObject(contentOf(draft('a', 0)));
    expect((await storage.renameCheckpoint(large.id, 'mine')).kept).toBe(true);
    expect((await storage.checkpoint(large.id)).name).toBe('mine');
  });

  it('goes with the ring of autosaves, with its run, by itself, and with everything', async () => {
    const { storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.createRun(runRecord('b'), draft('b', 0));
    for (const step of [10, 20, 30, 40]) await storage.saveCheckpoint(draft('a', step), 'running');
    const ids = async (run: string) => (await storage.checkpoints(run)).map(({ id }) => id);
    expect((await storage.checkpoints('a')).map(({ step }) => step)).toEqual([40, 30, 20]);
    const named = async () => [...(await ids('a')), ...(await ids('b'))].sort();
    expect(disk.folders(folder).sort()).toEqual(await named());
    await storage.deleteCheckpoint((await ids('a'))[1]!);
    expect(disk.folders(folder).sort()).toEqual(await named());
    await storage.deleteRun('a');
    expect(disk.folders(folder)).toEqual(await ids('b'));
    await storage.clear();
    expect(disk.folders(folder)).toEqual([]);
  });

  it('is damaged where its file is changed, shorter or gone, and the newest whole one is named', async () => {
    const { storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const [first, second, third] = [
      await storage.saveCheckpoint(draft('a', 10), 'running'),
      await storage.saveCheckpoint(draft('a', 20), 'running'),
      await storage.saveCheckpoint(draft('a', 30), 'running'),
    ];
    const file = disk.file(folder, third.id, 'checkpoint');
    file.bytes[file.bytes.length - 3]! ^= 4;
    const error = await failure(storage.checkpoint(third.id));
    expect(labErrorCode(error)).toBe('format');
    expect(error.message).toMatch(/step 30 is damaged.*“step 20” of step 20/);
    disk.file(folder, second.id, 'checkpoint').bytes = file.bytes.slice(0, 40);
    expect((await failure(storage.checkpoint(second.id))).message).toMatch(/step 20 is damaged.*“step 10” of step 10/);
    await disk.root.removeEntry(folder);
    expect((await failure(storage.checkpoint(first.id))).message).toMatch(/step 10 is damaged.*has no other checkpoint/);
  });
});

describe('where there is no room for a file', () => {
  it.each([
    ['in the middle', () => void (disk.room = 200)],
    ['at all', () => void (disk.room = 0)],
  ])('%s, the database has it, and nothing half is left', async (_, refuse) => {
    const { database, storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    refuse();
    const info = await storage.saveCheckpoint(draft('a', 10), 'running');
    expect((await database.get('payloads', info.id))!.bytes).toBeInstanceOf(ArrayBuffer);
    expect(await storage.checkpoint(info.id)).toMatchObject(contentOf(draft('a', 10)));
    expect(disk.folders(folder)).toHaveLength(1);
    // And files again, once there is room.
    disk.room = Infinity;
    const next = await storage.saveCheckpoint(draft('a', 20), 'running');
    expect(disk.folders(folder)).toContain(next.id);
    await storage.deleteRun('a');
    expect(disk.folders(folder)).toEqual([]);
  });

  it.each([
    ['blocked', () => void (disk.refusal = new DOMException('blocked', 'SecurityError'))],
    ['full', () => void (disk.room = 0)],
  ])('because all of it is %s, the database has everything', async (_, refuse) => {
    const { database, storage } = await open();
    refuse();
    await storage.sweep();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const { id } = await storage.saveCheckpoint(draft('a', 10), 'running');
    expect((await database.getAll('payloads')).map(({ bytes }) => bytes instanceof ArrayBuffer)).toEqual([true, true]);
    expect(await storage.checkpoint(id)).toMatchObject(contentOf(draft('a', 10)));
    await storage.deleteRun('a');
    await storage.clear();
    expect(disk.folders(folder)).toEqual([]);
  });

  it('nor in the database, it says what it cannot keep, and everything is as it was', async () => {
    const { storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const before = [await storage.run('a'), await storage.checkpoints('a'), disk.folders(folder)];
    disk.room = 200;
    const add = full('add');
    const error = await failure(storage.saveCheckpoint(draft('a', 10), 'running'));
    expect(error).toBeInstanceOf(NotKept);
    expect(error.message).toMatch(/^The checkpoint of step 10 \(0 MB\) cannot be kept: .* is full \(50 MB of 60 MB used\)/);
    add.mockRestore();
    expect([await storage.run('a'), await storage.checkpoints('a'), disk.folders(folder)]).toEqual(before);
  });

  it('a small one says what it always said', async () => {
    const { storage } = await open(1e6);
    await storage.createRun(runRecord('a'), draft('a', 0));
    full('add');
    const error = await failure(storage.saveCheckpoint(draft('a', 10), 'running'));
    expect([labErrorCode(error), error instanceof NotKept]).toEqual(['storage', false]);
  });
});

describe('nothing half', () => {
  it('stays of a checkpoint whose record is refused', async () => {
    const { storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const before = disk.folders(folder);
    // The run was deleted in another tab.
    const gone = await failure(storage.saveCheckpoint(draft('gone', 10), 'running'));
    expect([labErrorCode(gone), gone instanceof NotKept]).toEqual(['storage', false]);
    const put = full('put');
    expect(await failure(storage.saveCheckpoint(draft('a', 10), 'running'))).toBeInstanceOf(NotKept);
    put.mockRestore();
    expect(disk.folders(folder)).toEqual(before);
    expect(await storage.checkpoints('a')).toHaveLength(1);
  });

  it('stays of a tab that died: what no record names and no tab writes is swept', async () => {
    const { storage } = await open();
    const { id } = await storage.createRun(runRecord('a'), draft('a', 0));
    const folders = await openOpfs(folder);
    for (const left of ['checkpoint-dead', 'checkpoint-written']) await (await folders.append(left, 'checkpoint')).close();
    elsewhere.add('checkpoint-written');
    await storage.sweep();
    expect(disk.folders(folder).sort()).toEqual(['checkpoint-written', id].sort());
    expect(await storage.checkpoint(id)).toMatchObject(contentOf(draft('a', 0)));
    elsewhere.clear();
    await storage.sweep();
    expect(disk.folders(folder)).toEqual([id]);
  });

  it('and nothing is made where nothing is large', async () => {
    const { storage } = await open(1e6);
    await storage.sweep();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.deleteRun('a');
    await storage.clear();
    expect([...disk.root.entries.keys()]).toEqual([]);
  });
});
