/** Persona libraries and their drafts in the browser's IndexedDB; the rest of it is `indexed.ts`. */
import { isLibrary, isLibraryDraft } from './checked.ts';
import { commit } from './commit.ts';
import type { Connection } from './connection.ts';
import type { LibraryDraft, LibraryEnd, LibraryRecord, LibraryStore } from './libraries.ts';

export class IndexedLibraries implements LibraryStore {
  constructor(private readonly connection: Connection) {}

  all(): Promise<readonly LibraryRecord[]> {
    return this.connection.use(async (database) =>
      (await database.getAll('libraries')).filter(isLibrary).sort((a, b) => b.added - a.added),
    );
  }

  save(library: LibraryRecord, edited?: LibraryEnd): Promise<void> {
    return this.connection.use(async (database) => {
      const transaction = database.transaction(['libraries', 'libraryDrafts'], 'readwrite');
      const { of = null, draft = null } = edited ?? {};
      await commit(transaction, [
        ...(of === null ? [] : [() => transaction.objectStore('libraries').delete(of)]),
        ...(draft === null ? [] : [() => transaction.objectStore('libraryDrafts').delete(draft)]),
        () => transaction.objectStore('libraries').put(library),
      ]);
    });
  }

  delete(name: string): Promise<void> {
    return this.connection.use((database) => database.delete('libraries', name));
  }

  drafts(): Promise<readonly LibraryDraft[]> {
    return this.connection.use(async (database) =>
      (await database.getAll('libraryDrafts')).filter(isLibraryDraft).sort((a, b) => b.changed - a.changed),
    );
  }

  saveDraft(draft: LibraryDraft): Promise<void> {
    return this.connection.use(async (database) => void (await database.put('libraryDrafts', draft)));
  }

  deleteDraft(id: string): Promise<void> {
    return this.connection.use((database) => database.delete('libraryDrafts', id));
  }
}
