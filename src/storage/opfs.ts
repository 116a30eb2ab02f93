/**
 * Folders in the file system that a browser gives every origin (OPFS). Written through synchronous handles, which only workers have and
 * which are the fast way; read as Files, by range, which several tabs can at a time.
 */
import { blobFile, type PolicyFile } from '../policy/file.ts';
import type { FileWriter, FolderStore } from './folders.ts';

/** @throws whatever the browser throws where site data is blocked, or where it has no such file system */
export async function openOpfs(name = 'policies'): Promise<FolderStore> {
  const root = await navigator.storage.getDirectory();
  const folders = new OpfsFolders(await root.getDirectoryHandle(name, { create: true }));
  // Some browsers give the folder and refuse the files: a private window of Firefox, Safari before 15.2.
  // Under a name of its own: another tab may try, and clean up, at the same time.
  const trial = `${trials}${crypto.randomUUID()}`;
  try {
    const writer = await folders.append(trial, 'trial');
    // A handle that stays open would make every later trial fail.
    await writer.write(new Uint8Array(1)).finally(() => writer.close());
  } finally {
    await folders.remove(trial).catch(() => {}); // a byte, which nobody lists
  }
  return folders;
}

/** The same without making or trying any. Null where there are none yet, or none to be had. */
export async function findOpfs(name: string): Promise<FolderStore | null> {
  try {
    const root = await navigator.storage.getDirectory();
    return new OpfsFolders(await root.getDirectoryHandle(name));
  } catch {
    return null;
  }
}

/** What names of trials begin with. */
const trials = '.trial-';

class OpfsFolders implements FolderStore {
  constructor(private readonly root: FileSystemDirectoryHandle) {}

  async folders(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const name of this.root.keys()) if (!name.startsWith(trials)) names.push(name);
    return names;
  }

  async append(folder: string, path: string): Promise<FileWriter> {
    const file = await (await this.root.getDirectoryHandle(folder, { create: true })).getFileHandle(path, { create: true });
    const handle = await file.createSyncAccessHandle();
    let size = handle.getSize();
    return {
      get size() {
        return size;
      },
      async write(bytes) {
        const whole = size + bytes.length;
        const written = handle.write(bytes as Uint8Array<ArrayBuffer>, { at: size });
        size = handle.getSize();
        // Chromium 156 throws nothing where there is no room: it says that 2³² − 8 bytes were written, its own word for a full disk.
        if (written !== bytes.length || size < whole) throw new DOMException('Only a part could be written.', 'QuotaExceededError');
      },
      async restart() {
        handle.truncate(0);
        size = 0;
      },
      async close() {
        try {
          handle.flush();
        } finally {
          handle.close();
        }
      },
    };
  }

  async open(folder: string, path: string, title: string): Promise<PolicyFile | null> {
    try {
      const file = await (await this.root.getDirectoryHandle(folder)).getFileHandle(path);
      return blobFile(title, await file.getFile());
    } catch (error) {
      if ((error as DOMException | undefined)?.name === 'NotFoundError') return null;
      throw error;
    }
  }

  async remove(folder: string): Promise<void> {
    await this.root.removeEntry(folder, { recursive: true }).catch((error: unknown) => {
      if ((error as DOMException | undefined)?.name !== 'NotFoundError') throw error;
    });
  }
}
