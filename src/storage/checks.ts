/**
 * What the engines' self-checks found, by program and adapter, in a small database of its own: it is no work of the reader's, it may
 * be lost, and it must be at hand before the runs are opened. Where nothing can be stored an engine is checked at every visit.
 */
import { openDB } from 'idb';
import { readCheck, type CheckMemory } from '../engine/checked.ts';

const open = () =>
  openDB('permix-lab-checks', 1, {
    upgrade: (database) => void database.createObjectStore('checks'),
  });

export const storedChecks: CheckMemory = {
  async read(key) {
    try {
      const database = await open();
      const stored: unknown = await database.get('checks', key);
      database.close();
      return readCheck(stored);
    } catch {
      return null;
    }
  },
  async write(key, check) {
    try {
      const database = await open();
      await database.put('checks', check, key);
      database.close();
    } catch {
      // It is found again at the next visit.
    }
  },
};
