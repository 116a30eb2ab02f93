/** A file on disk, read by range: of any size, and opened anew for every range, so that nobody has to close it. */
import { open } from 'node:fs/promises';
import { LabError } from '../errors.ts';
import type { PolicyFile } from '../policy/file.ts';
import { regularFile } from './files.ts';

/** @throws LabError 'format' for a pipe, a folder, a device; the system's own error where there is no file */
export async function diskFile(path: string): Promise<PolicyFile> {
  const { size, mtimeMs } = await regularFile(path);
  return {
    name: path,
    size,
    async read(from, to) {
      const bytes = new Uint8Array(to - from);
      const handle = await open(path).catch((cause: unknown) => {
        throw unreadable(path, cause);
      });
      try {
        const now = await handle.stat();
        for (let at = 0; at < bytes.length;) {
          const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at);
          if (bytesRead === 0 || now.size !== size || now.mtimeMs !== mtimeMs) throw new Error('it was changed meanwhile');
          at += bytesRead;
        }
      } catch (cause) {
        throw unreadable(path, cause);
      } finally {
        await handle.close();
      }
      return bytes;
    },
  };
}

export function unreadable(path: string, cause: unknown): LabError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LabError('format', `${path} cannot be read: ${why}.`, 'Check the file and its permissions.', { cause });
}
