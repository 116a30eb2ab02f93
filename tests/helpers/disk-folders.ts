/** Folders of policies on a disk, where there is no browser to give its own; of a size that the test says, so that it can run full. */
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyFile } from '../../src/policy/file.ts';
import { diskFile } from '../../src/cli/disk-file.ts';
import type { FileWriter, FolderStore } from '../../src/storage/folders.ts';

export class DiskFolders implements FolderStore {
  /** Bytes that may still be written. */
  room = Infinity;

  constructor(private readonly root: string) {}

  async folders(): Promise<readonly string[]> {
    return (await readdir(this.root)).sort();
  }

  async append(folder: string, path: string): Promise<FileWriter> {
    await mkdir(join(this.root, folder), { recursive: true });
    const file = await open(join(this.root, folder, path), 'a');
    let { size } = await file.stat();
    const write = async (bytes: Uint8Array) => {
      const fits = bytes.subarray(0, Math.max(0, Math.min(bytes.length, this.room)));
      await file.write(fits);
      size += fits.length;
      this.room -= fits.length;
      if (fits.length < bytes.length) throw new DOMException('The disk is full.', 'QuotaExceededError');
    };
    return {
      get size() {
        return size;
      },
      write,
      async restart() {
        await file.truncate(0);
        size = 0;
      },
      close: () => file.close(),
    };
  }

  async open(folder: string, path: string, title: string): Promise<PolicyFile | null> {
    const file = join(this.root, folder, path);
    return (await stat(file).catch(() => null)) ? { ...(await diskFile(file)), name: title } : null;
  }

  async remove(folder: string): Promise<void> {
    await rm(join(this.root, folder), { recursive: true, force: true });
  }
}
