/** A tab's worker as far as it keeps checkpoints: the browser's own database, file system and locks. It trains nothing. */
import { expose } from 'comlink';
import { openDatabase } from '../../src/storage/database.ts';
import type { FolderStore } from '../../src/storage/folders.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { findOpfs, openOpfs } from '../../src/storage/opfs.ts';
import { PayloadFiles } from '../../src/storage/payload-files.ts';
import { runLocks } from '../../src/worker/locks.ts';
import { draft, runRecord } from './run-records.ts';

/** Numbers of a tensor whose state is above the 64 MB of a record: itself and two moments. */
const length = 5_400_000;

/** Numbers that can be told from those of another step. */
function largeDraft(runId: string, step: number) {
  const tensors = (offset: number) => ({ w: Float32Array.from({ length }, (_, i) => offset + ((i * 7 + step) % 1000)) });
  const state = { weights: tensors(0), adapters: null, moments: { first: tensors(1), second: tensors(2) }, optimSteps: 1, skippedSteps: 0 };
  return draft(runId, step, { state });
}

/** What is written stays half: the second piece never comes to its end. */
function stalling(folders: FolderStore): FolderStore {
  return {
    folders: () => folders.folders(),
    open: (...of) => folders.open(...of),
    remove: (folder) => folders.remove(folder),
    async append(folder, path) {
      const writer = await folders.append(folder, path);
      let pieces = 0;
      return {
        get size() {
          return writer.size;
        },
        write: (bytes) => (++pieces < 2 ? writer.write(bytes) : new Promise(() => {})),
        restart: () => writer.restart(),
        close: () => writer.close(),
      };
    },
  };
}

let storage: IndexedStorage;

const tab = {
  /** @param name of the database, and of the folder beside it */
  async open(name: string, stall: boolean): Promise<void> {
    const locks = runLocks();
    const files = new PayloadFiles({
      open: () => openOpfs(name).then((folders) => (stall ? stalling(folders) : folders)),
      find: () => findOpfs(name),
      hold: (folder) => locks.hold(`folder/${folder}`),
    });
    storage = new IndexedStorage(await openDatabase(name), () => openDatabase(name), files);
    await storage.sweep();
  },
  begin: (run: string) => storage.createRun(runRecord(run), draft(run, 0)),
  save: (run: string, step: number) => storage.saveCheckpoint(largeDraft(run, step), 'running'),
  checkpoints: (run: string) => storage.checkpoints(run),
  /** Whether it is that of the step, number by number. */
  async isWhole(id: string, run: string, step: number): Promise<boolean> {
    const { state } = await storage.checkpoint(id);
    const wanted = largeDraft(run, step).state;
    const pairs = [
      [state.weights, wanted.weights],
      [state.moments!.first, wanted.moments!.first],
      [state.moments!.second, wanted.moments!.second],
    ];
    return pairs.every(([got, all]) => got!['w']!.length === length && got!['w']!.every((value, i) => value === all!['w']![i]));
  },
  deleteCheckpoint: (id: string) => storage.deleteCheckpoint(id),
  deleteRun: (run: string) => storage.deleteRun(run),
  clear: () => storage.clear(),
};
export type Tab = typeof tab;

expose(tab);
