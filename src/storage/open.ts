/** Chooses where runs are kept: IndexedDB where it can be had, otherwise memory, with the sentence that says so. */
import { LabError } from '../errors.ts';
import { openDatabase } from './database.ts';
import { IndexedStorage } from './indexed.ts';
import { MemoryStorage } from './memory.ts';
import type { PayloadFiles } from './payload-files.ts';
import type { LabStorage } from './storage.ts';

/** @param files where the bytes of large checkpoints go; absent: into the database, as all others */
export async function openStorage(
  name = 'permix-lab',
  files: PayloadFiles | null = null,
): Promise<{ readonly storage: LabStorage; readonly notice: string | null }> {
  try {
    const storage = new IndexedStorage(await openDatabase(name), () => openDatabase(name), files);
    // Some browsers let it be opened and refuse what comes after.
    await storage.runs();
    void storage.sweep();
    return { storage, notice: null };
  } catch (error) {
    const why =
      error instanceof LabError
        ? error.message
        : 'This browser does not let the page store anything (a private window, or site data is blocked).';
    return {
      storage: new MemoryStorage(),
      notice: `${why} Runs are kept only until this page is closed; those you want to keep can be saved as files, under “What has been kept?”.`,
    };
  }
}
