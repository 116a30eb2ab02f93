/**
 * The file system that a browser gives every origin, in memory, for Node: as much of its handles as `src/storage/opfs.ts` uses. Its room is what
 * the test says; where it is full it does what Chromium does, which is to write less and say nothing.
 */
import { vi } from 'vitest';

export class FakeOpfs {
  readonly root = new FakeDirectory(this);
  /** Bytes that may still be written. */
  room = Infinity;
  /** What asking for it throws. */
  refusal: Error | null = null;

  /** Until `vi.unstubAllGlobals`. @param estimate what the browser says of its room */
  install(estimate = { usage: 0, quota: 0 }): void {
    const getDirectory = async () => {
      if (this.refusal) throw this.refusal;
      return this.root;
    };
    vi.stubGlobal('navigator', { storage: { getDirectory, estimate: async () => estimate, persisted: async () => false } });
  }

  /** Names of the folders in one of the root's. */
  folders(name: string): string[] {
    const directory = this.root.entries.get(name);
    return directory instanceof FakeDirectory ? [...directory.entries.keys()] : [];
  }

  file(...path: string[]): FakeFile {
    let at: FakeDirectory | FakeFile = this.root;
    for (const name of path) at = (at as FakeDirectory).entries.get(name)!;
    return at as FakeFile;
  }
}

const notFound = () => new DOMException('There is no such entry.', 'NotFoundError');

class FakeDirectory {
  readonly entries = new Map<string, FakeDirectory | FakeFile>();

  constructor(private readonly disk: FakeOpfs) {}

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeDirectory> {
    if (create && !this.entries.has(name)) this.entries.set(name, new FakeDirectory(this.disk));
    const found = this.entries.get(name);
    if (!(found instanceof FakeDirectory)) throw notFound();
    return found;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    if (create && !this.entries.has(name)) this.entries.set(name, new FakeFile(this.disk));
    const found = this.entries.get(name);
    if (!(found instanceof FakeFile)) throw notFound();
    return found;
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.entries.delete(name)) throw notFound();
  }

  async *keys(): AsyncGenerator<string> {
    yield* [...this.entries.keys()];
  }
}

class FakeFile {
  bytes = new Uint8Array();

  constructor(private readonly disk: FakeOpfs) {}

  async getFile(): Promise<Blob> {
    return new Blob([this.bytes.slice()]);
  }

  async createSyncAccessHandle() {
    return {
      getSize: () => this.bytes.length,
      write: (bytes: Uint8Array, { at }: { at: number }) => {
        const fits = bytes.subarray(0, Math.min(bytes.length, this.disk.room));
        this.disk.room -= fits.length;
        const grown = new Uint8Array(Math.max(this.bytes.length, at + fits.length));
        grown.set(this.bytes);
        grown.set(fits, at);
        this.bytes = grown;
        return fits.length;
      },
      truncate: (size: number) => void (this.bytes = this.bytes.slice(0, size)),
      flush: () => {},
      close: () => {},
    };
  }
}
