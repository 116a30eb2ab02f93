/**
 * Where files are kept that are too large for a database, and read by range: a folder for each policy (`policies.ts`), and for each large
 * checkpoint (`payload-files.ts`). In the browser's own file system (`opfs.ts`) where it can be had; policies else in memory until the page is
 * closed. What the folders are is recorded elsewhere.
 */
import { blobFile, type PolicyFile } from '../policy/file.ts';

export interface FolderStore {
  /** Names of all there are. */
  folders(): Promise<readonly string[]>;
  /** The file to go on with, made where there is none. @param path of one within its folder, no slash in it */
  append(folder: string, path: string): Promise<FileWriter>;
  /** @param title what it is called for the reader */
  open(folder: string, path: string, title: string): Promise<PolicyFile | null>;
  /** With all its files; an unknown one is no error. */
  remove(folder: string): Promise<void>;
}

export interface FileWriter {
  /** What is there so far. */
  readonly size: number;
  /** @throws QuotaExceededError where there is no room for it */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing is there any more. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** No room is left, as a browser says it. */
export const isFull = (error: unknown): boolean => (error as DOMException | undefined)?.name === 'QuotaExceededError';

/** Bytes that are put into one Blob, which a browser may keep on its disk. */
const gathered = 2 ** 24;

export class MemoryFolders implements FolderStore {
  readonly #folders = new Map<string, Map<string, Blob>>();
  readonly #lent = new Map<string, ReadonlyMap<string, () => Promise<PolicyFile>>>();

  /** A folder of files that lie somewhere else and stay there: those that the reader picked or dropped. */
  lend(folder: string, files: ReadonlyMap<string, () => Promise<PolicyFile>>): void {
    this.#lent.set(folder, files);
  }

  async folders(): Promise<readonly string[]> {
    return [...this.#folders.keys(), ...this.#lent.keys()];
  }

  async append(folder: string, path: string): Promise<FileWriter> {
    const files = this.#folders.get(folder) ?? new Map<string, Blob>();
    this.#folders.set(folder, files);
    let blob = files.get(path) ?? new Blob();
    let parts: BlobPart[] = [];
    let waiting = 0;
    const gather = (): void => {
      blob = new Blob([blob, ...parts]);
      files.set(path, blob);
      [parts, waiting] = [[], 0];
    };
    gather();
    return {
      get size() {
        return blob.size + waiting;
      },
      async write(bytes) {
        parts.push(new Uint8Array(bytes));
        waiting += bytes.length;
        if (waiting >= gathered) gather();
      },
      async restart() {
        blob = new Blob();
        [parts, waiting] = [[], 0];
        gather();
      },
      close: async () => gather(),
    };
  }

  async open(folder: string, path: string, title: string): Promise<PolicyFile | null> {
    const blob = this.#folders.get(folder)?.get(path);
    return blob ? blobFile(title, blob) : ((await this.#lent.get(folder)?.get(path)?.()) ?? null);
  }

  async remove(folder: string): Promise<void> {
    this.#folders.delete(folder);
    this.#lent.delete(folder);
  }
}
