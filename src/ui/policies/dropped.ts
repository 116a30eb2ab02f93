/** What was dropped on the page, with all that is in dropped folders; and whether it could be a policy or questions, which run files never are. */
import type { GivenFile } from '../../policy/given.ts';

/** Of a folder that is no policy no more is looked at. */
const enough = 10_001;

export interface Dropped {
  readonly files: readonly File[];
  /** Of what lies in a file system; a folder is no File. */
  readonly entries: readonly FileSystemEntry[];
}

/** To be called while the drop is handled: what it holds is gone a moment later. */
export function droppedOf(transfer: DataTransfer): Dropped {
  const entries = [...transfer.items].flatMap((item) => (item.kind === 'file' ? (item.webkitGetAsEntry?.() ?? []) : []));
  return { files: [...transfer.files], entries };
}

export const mayBePolicy = ({ files, entries }: Dropped): boolean =>
  entries.some(({ isDirectory }) => isDirectory) ||
  files.some(({ name }) => /\.(gguf|zip|safetensors)$|^(adapter_)?config\.json$/i.test(name));

/** One file of them. */
export const mayBeQuestions = ({ files }: Dropped): boolean => files.length === 1 && /\.(jsonl|ndjson|json|csv|tsv)$/i.test(files[0]!.name);

/** Every file with its path. */
export async function filesOf({ files, entries }: Dropped): Promise<readonly GivenFile[]> {
  if (!entries.some(({ isDirectory }) => isDirectory)) return files.map((file) => ({ path: file.name, file }));
  const found: GivenFile[] = [];
  const waiting = [...entries];
  for (let entry = waiting.pop(); entry && found.length < enough; entry = waiting.pop()) {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isFile)
      found.push({ path, file: await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)) });
    else waiting.push(...(await entriesIn(entry as FileSystemDirectoryEntry)));
  }
  return found;
}

/** A browser gives them a hundred at a time. */
async function entriesIn(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** What was picked; of a folder with its paths. */
export const filesPicked = (files: FileList | null): readonly GivenFile[] =>
  [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
