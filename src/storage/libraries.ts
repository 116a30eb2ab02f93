/**
 * What is kept of persona libraries of the reader's own: each as a file in this project's own JSON, under a name and with the hash of that file,
 * and what is being edited. A run carries its library whole and needs none of this.
 */
import type { PersonaLibrary } from '../persona/file.ts';

/** What a chooser shows. */
export interface LibraryFacts {
  /** No two are called alike. */
  readonly name: string;
  /** Of the file. */
  readonly sha256: string;
  readonly personas: number;
  readonly added: number;
}

export interface LibraryRecord extends LibraryFacts {
  readonly file: Blob;
}

/** A library as it stands in the editor, mistakes included. */
export interface LibraryDraft {
  readonly id: string;
  /** Name of the kept library that it will take the place of; null: of none. */
  readonly of: string | null;
  readonly name: string;
  readonly library: PersonaLibrary;
  /** Place of the persona that is looked at. */
  readonly at: number;
  readonly changed: number;
}

/** What goes when a library is saved from the editor. */
export interface LibraryEnd {
  /** Name of the one whose place it takes. */
  readonly of: string | null;
  readonly draft: string;
}

/** Every method is atomic, as `LabStorage`'s are. */
export interface LibraryStore {
  /** Newest first. */
  all(): Promise<readonly LibraryRecord[]>;
  /** New, or in the place of its earlier self; what was edited to make it goes in the same transaction. */
  save(library: LibraryRecord, edited?: LibraryEnd): Promise<void>;
  /** Unknown names are no error. */
  delete(name: string): Promise<void>;
  /** Those that are being edited, newest first. */
  drafts(): Promise<readonly LibraryDraft[]>;
  /** New, or in the place of its earlier self. */
  saveDraft(draft: LibraryDraft): Promise<void>;
  /** Unknown ids are no error. */
  deleteDraft(id: string): Promise<void>;
}

/** Where the browser gives the page no IndexedDB. */
export class MemoryLibraries implements LibraryStore {
  readonly #libraries = new Map<string, LibraryRecord>();
  readonly #drafts = new Map<string, LibraryDraft>();

  async all(): Promise<readonly LibraryRecord[]> {
    return [...this.#libraries.values()].sort((a, b) => b.added - a.added);
  }

  async save(library: LibraryRecord, edited?: LibraryEnd): Promise<void> {
    if (edited?.of) this.#libraries.delete(edited.of);
    if (edited) this.#drafts.delete(edited.draft);
    this.#libraries.set(library.name, library);
  }

  async delete(name: string): Promise<void> {
    this.#libraries.delete(name);
  }

  async drafts(): Promise<readonly LibraryDraft[]> {
    return [...this.#drafts.values()].sort((a, b) => b.changed - a.changed);
  }

  async saveDraft(draft: LibraryDraft): Promise<void> {
    this.#drafts.set(draft.id, draft);
  }

  async deleteDraft(id: string): Promise<void> {
    this.#drafts.delete(id);
  }

  clear(): void {
    this.#libraries.clear();
    this.#drafts.clear();
  }
}
