/** Storage when things go wrong: damaged bytes, a full disk, a database that cannot be opened, older and newer databases. */
import 'fake-indexeddb/auto';
import { forceCloseDatabase } from 'fake-indexeddb';
import { openDB, unwrap } from 'idb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { openDatabase, upgrades, type LabDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { openStorage } from '../../src/storage/open.ts';
import { draft, runRecord, stepRecords } from '../helpers/run-records.ts';

let databases = 0;
async function open(name = `failures-${databases++}`) {
  const database = await openDatabase(name);
  return { database, storage: new IndexedStorage(database), name };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );

afterEach(() => vi.restoreAllMocks());

describe('damaged bytes', () => {
  it('are found on load, and the newest whole checkpoint is named', async () => {
    const { database, storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const good = await storage.saveCheckpoint(draft('a', 10), 'running');
    const bad = await storage.saveCheckpoint(draft('a', 20), 'running');
    const payload = (await database.get('payloads', bad.id))!;
    new Uint8Array(payload.bytes!)[payload.bytes!.byteLength - 3]! ^= 4;
    await database.put('payloads', payload);
    const error = await failure(storage.checkpoint(bad.id));
    expect(labErrorCode(error)).toBe('format');
    expect(error.message).toMatch(/step 20 is damaged.*“step 10” of step 10/);
    expect((await storage.checkpoint(good.id)).step).toBe(10);

    await database.delete('payloads', good.id);
    expect((await failure(storage.checkpoint(good.id))).message).toMatch(/step 10 is damaged.*“step 0” of step 0/);
  });
});

describe('a full disk', () => {
  it('undoes the whole transaction and says what to do', async () => {
    const { storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    for (const step of [10, 20, 30]) await storage.saveCheckpoint(draft('a', step), 'running');
    const before = [await storage.run('a'), await storage.checkpoints('a')];

    const put = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(function (this: IDBObjectStore) {
      throw new DOMException('full', 'QuotaExceededError');
    });
    vi.stubGlobal('navigator', { storage: { estimate: async () => ({ usage: 5e7, quota: 6e7 }), persisted: async () => false } });
    const error = await failure(storage.saveCheckpoint(draft('a', 40), 'paused'));
    expect(labErrorCode(error)).toBe('storage');
    expect(error.message).toMatch(/full \(50 MB of 60 MB used\).*nothing that was stored is lost.*Delete old runs or checkpoints/);
    put.mockRestore();
    vi.unstubAllGlobals();

    // Retention ran in the same transaction: nothing it named may be gone.
    expect([await storage.run('a'), await storage.checkpoints('a')]).toEqual(before);
    for (const { id } of await storage.checkpoints('a')) await storage.checkpoint(id);
    await storage.saveCheckpoint(draft('a', 40), 'paused');
    expect((await storage.run('a')).step).toBe(40);
  });

  it('is also found when the request or the commit fails later', async () => {
    const { database, storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    // A second run of the same id: the request fails asynchronously and takes the transaction with it.
    const error = await failure(storage.createRun(runRecord('a'), draft('a', 5)));
    expect(labErrorCode(error)).toBe('storage');
    expect(await database.count('payloads')).toBe(1);
    expect(await storage.checkpoints('a')).toHaveLength(1);
  });
});

describe('no IndexedDB', () => {
  it('falls back to memory with a notice', async () => {
    vi.stubGlobal('indexedDB', undefined);
    const { storage, notice } = await openStorage('nowhere');
    vi.unstubAllGlobals();
    expect(storage.durable).toBe(false);
    expect(notice).toMatch(/private window.*only until this page is closed/);
    await storage.createRun(runRecord('a'), draft('a', 0));
    expect(await storage.runs()).toHaveLength(1);
  });

  it('is what a refused open looks like', async () => {
    vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError');
    });
    expect((await openStorage('denied')).storage.durable).toBe(false);
  });

  it('says a closed connection in plain words', async () => {
    const { storage } = await open();
    storage.close();
    const error = await failure(storage.runs());
    expect(labErrorCode(error)).toBe('storage');
    expect(error.message).toMatch(/was closed by the browser.*not saved yet is still in this page/);
  });

  it('is also a database that is opened and then answers nothing', async () => {
    vi.spyOn(IDBObjectStore.prototype, 'getAll').mockImplementation(() => {
      throw new DOMException('Internal error', 'UnknownError');
    });
    const { storage, notice } = await openStorage(`failures-${databases++}`);
    expect([storage.durable, notice]).toEqual([false, expect.stringMatching(/only until this page is closed/)]);
  });
});

describe('a connection that the browser closes', () => {
  /** As a browser does it by itself, the event with it. */
  const closedByBrowser = (database: LabDatabase) => forceCloseDatabase(unwrap(database) as never);

  it('is opened again, and what was on its way is stored', async () => {
    const { database, storage } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    closedByBrowser(database);
    // Together they wait for one new connection.
    await Promise.all([storage.saveCheckpoint(draft('a', 10), 'running'), storage.saveStep(...stepRecords('a', 10)), storage.runs()]);
    expect((await storage.run('a')).step).toBe(10);
    expect(await storage.checkpoints('a')).toHaveLength(2);
    expect(await storage.metrics('a')).toHaveLength(1);
    storage.close();
  });

  it('is opened again each time, once for an operation', async () => {
    const { database, name } = await open();
    let opened = 0;
    const storage = new IndexedStorage(database, async () => {
      opened++;
      const fresh = await openDatabase(name);
      if (opened !== 2) fresh.close();
      return fresh;
    });
    database.close();
    expect(labErrorCode(await failure(storage.runs()))).toBe('storage');
    expect(opened).toBe(1);
    expect(await storage.runs()).toEqual([]);
    expect(opened).toBe(2);
    storage.close();
  });

  it('and cannot be opened again says so, and that nothing in the page is lost', async () => {
    const { database } = await open();
    const storage = new IndexedStorage(database, () => Promise.reject(new DOMException('denied', 'SecurityError')));
    closedByBrowser(database);
    const error = await failure(storage.saveCheckpoint(draft('a', 10), 'running'));
    expect(labErrorCode(error)).toBe('storage');
    expect(error.message).toMatch(/denied.*not saved yet is in this page/);
  });
});

describe('versions', () => {
  it('an upgrade keeps what is stored', async () => {
    const { storage, name } = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.saveStep(...stepRecords('a', 1));
    storage.close();
    const next = await openDatabase(name, [
      ...upgrades,
      (database) => void database.createObjectStore('extra' as 'runs', { keyPath: 'id' }),
    ]);
    expect(next.version).toBe(upgrades.length + 1);
    const upgraded = new IndexedStorage(next);
    const [info] = await upgraded.checkpoints('a');
    expect((await upgraded.checkpoint(info!.id)).step).toBe(0);
    expect(await upgraded.metrics('a')).toHaveLength(1);

    upgraded.close();
    expect((await failure(openDatabase(name))).message).toMatch(/newer version of this page/);
  });

  it('a newer database, or one that an old tab holds, leaves the page in memory and says why', async () => {
    const { storage, name } = await open();
    storage.close();
    (await openDatabase(name, [...upgrades, () => {}])).close();
    const newer = await openStorage(name);
    expect(newer.storage.durable).toBe(false);
    expect(newer.notice).toMatch(/newer version of this page.*Reload/);

    // A connection that does not let go, as a page of before the upgrade might have.
    const held = `failures-${databases++}`;
    const old = await openDB(held, 1);
    expect((await failure(openDatabase(held, [...upgrades, () => {}]))).message).toMatch(/Close the other tabs/);
    old.close();
  });

  it('a tab with an older version lets go of the database', async () => {
    const { storage, name } = await open();
    const next = await openDatabase(name, [...upgrades, () => {}]);
    expect(next.version).toBe(upgrades.length + 1);
    expect((await failure(storage.runs())).message).toMatch(/another tab/);
    next.close();
  });
});
