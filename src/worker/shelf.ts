/** A place where own policies are kept: folders and their records. The browser's, or this visit's. Adding to it is `add-policy.ts`. */
import { LabError } from '../errors.ts';
import type { PolicyFile } from '../policy/file.ts';
import { filesSource, type FolderFiles } from '../policy/folder.ts';
import type { PolicySource } from '../policy/source.ts';
import type { FolderStore } from '../storage/folders.ts';
import type { PolicyRecord } from '../storage/policies.ts';
import { estimate } from '../storage/quota.ts';
import type { LabStorage } from '../storage/storage.ts';

export type PolicyRecords = Pick<
  LabStorage,
  'policies' | 'savePolicy' | 'deletePolicy' | 'unfinishedPolicies' | 'saveUnfinishedPolicy' | 'deleteUnfinishedPolicy'
>;

export interface Shelf<Folders extends FolderStore = FolderStore> {
  readonly keeping: 'browser' | 'visit';
  readonly folders: Folders;
  readonly records: PolicyRecords;
}

/** @param name for the reader */
export function folderFiles({ folders }: Shelf, folder: string, name: string, paths: readonly string[]): FolderFiles {
  return new Map(paths.map((path) => [path, () => opened(folders, folder, path, name)]));
}

async function opened(folders: FolderStore, folder: string, path: string, name: string): Promise<PolicyFile> {
  const file = await folders.open(folder, path, `${path} of ${name}`);
  if (file) return file;
  throw new LabError('storage', `${path} of ${name} is no longer in this browser’s storage.`, 'Remove the policy and add it again.');
}

/** @throws LabError `storage` for files that are gone or of another length than when they were kept */
export async function recordedSource(shelf: Shelf, { id, name, folder, files }: PolicyRecord): Promise<PolicySource> {
  const all = folderFiles(
    shelf,
    folder,
    name,
    files.map(({ path }) => path),
  );
  for (const { path, size } of files) {
    const found = (await all.get(path)!()).size;
    if (found === size) continue;
    throw new LabError('storage', `${path} of ${name} had ${size} bytes and has ${found} now.`, 'Remove the policy and add it again.');
  }
  return filesSource(id, all);
}

/** How much of its storage the browser gives, in its own figures; empty where it does not say. */
export async function storageFigures(): Promise<string> {
  const { used, quota } = await estimate();
  return quota > 0 ? `: ${size(used)} of ${size(quota)} are used` : '';
}

export const size = (bytes: number): string =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
