/**
 * A zip as the files in it. What is stored without compression is read in place, by range, after one pass over its checksum; the rest is
 * unpacked when it is opened, as far as the limits below. zip.js does the reading, and refuses names that lead out of the archive, entries
 * that overlap, and checksums and sizes that are not those of the data.
 */
import {
  BlobReader,
  configure,
  ERR_BAD_FORMAT,
  ERR_ENTRY_DATA_OUT_OF_BOUNDS,
  ERR_EOCDR_NOT_FOUND,
  ERR_INVALID_CRC32,
  ERR_INVALID_UNCOMPRESSED_SIZE,
  ERR_OVERLAPPING_ENTRY,
  ERR_SPLIT_ZIP_FILE,
  ERR_UNSAFE_FILENAME,
  ZipReader,
  type Entry,
  type FileEntry,
} from '@zip.js/zip.js/lib/zip-core-native.js';
import { LabError } from '../errors.ts';
import { blobFile, type PolicyFile } from './file.ts';
import { maxTextBytes } from './source.ts';

interface ZipFile {
  readonly path: string;
  /** @param name for the reader */
  open(name: string): Promise<PolicyFile>;
}

const maxEntries = 10_000;
/** Of one file that is unpacked; what is stored may be as large as it is. */
export const maxUnpackedBytes = 2 ** 32;
/** Weights hardly shrink; what becomes so many times as large is none of a policy's files, and is not unpacked to find out. */
const maxRatio = 20;
/** Below this nothing does harm. */
const harmless = 2 ** 24;

// Its workers come from addresses of its own making, which the page's policy forbids; this runs in a worker already.
configure({ useWebWorkers: false });

/** @param archive its name, for sentences  @throws LabError `format` for what is no zip that could be read, before anything of it is unpacked */
export async function zipEntries(archive: string, blob: Blob): Promise<readonly ZipFile[]> {
  const reader = new ZipReader(new BlobReader(blob), { filenameValidation: 'strict', checkSignature: true, checkOverlappingEntry: true });
  const files: ZipFile[] = [];
  const seen = new Set<string>();
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      if (seen.size === maxEntries) throw broken(archive, `it has more than ${maxEntries} entries`);
      if (seen.has(entry.filename)) throw broken(archive, `it has ${shown(entry)} twice`);
      seen.add(entry.filename);
      if (entry.directory) continue;
      files.push({ path: entry.filename, open: (name) => opened(archive, blob, entry, name) });
    }
  } catch (cause) {
    throw refusal(archive, null, cause);
  }
  return files;
}

async function opened(archive: string, blob: Blob, entry: FileEntry, name: string): Promise<PolicyFile> {
  const { uncompressedSize: size, compressedSize, encrypted, compressionMethod } = entry;
  const stored = compressionMethod === 0;
  if (encrypted) throw broken(archive, `${shown(entry)} is encrypted`, 'Pack it again without a password.');
  if (!stored) checkUnpacked(archive, entry, size, compressedSize);
  const parts: BlobPart[] = [];
  let unpacked = new Blob();
  let waiting = 0;
  const gather = (): void => {
    // A browser may put what is in a Blob on its disk.
    unpacked = new Blob([unpacked, ...parts.splice(0)]);
    waiting = 0;
  };
  const sink = new WritableStream<Uint8Array<ArrayBuffer>>({
    write(bytes) {
      if (stored) return;
      parts.push(bytes);
      waiting += bytes.length;
      if (waiting >= harmless) gather();
    },
  });
  try {
    await entry.getData(sink);
  } catch (cause) {
    throw refusal(archive, entry, cause);
  }
  gather();
  return blobFile(name, stored ? await inPlace(blob, entry) : unpacked);
}

/** Its bytes where they lie: behind a header of its own, whose length the directory does not say. */
async function inPlace(blob: Blob, { offset, uncompressedSize }: FileEntry): Promise<Blob> {
  const header = new DataView(await blob.slice(offset, offset + 30).arrayBuffer());
  const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  return blob.slice(start, start + uncompressedSize);
}

function checkUnpacked(archive: string, entry: Entry, size: number, packed: number): void {
  const weights = /\.(safetensors|gguf)$/i.test(entry.filename);
  const limit = weights ? maxUnpackedBytes : maxTextBytes;
  const said = `${shown(entry)} unpacks to ${(size / 1e6).toFixed(0)} MB`;
  if (size > limit)
    throw broken(
      archive,
      `${said}, more than the ${(limit / 1e6).toFixed(0)} MB that are unpacked`,
      'Pack it without compression (zip -0).',
    );
  if (size > harmless && size > maxRatio * packed)
    throw broken(archive, `${said} from ${(packed / 1e6).toFixed(1)} MB, which no file of a policy does`, 'Check where it came from.');
}

const shown = ({ filename }: Pick<Entry, 'filename'>): string => `“${filename.replace(/\p{C}+/gu, ' ').slice(0, 120)}”`;

const again = 'Fetch or pack it again; it is broken or was cut off on the way.';

function broken(archive: string, what: string, next = again, cause?: unknown): LabError {
  return new LabError('format', `${archive} cannot be read: ${what}.`, next, { cause });
}

/** zip.js's words are short and its own; what they mean here. */
const meanings: Readonly<Record<string, string>> = {
  [ERR_BAD_FORMAT]: 'it is no zip',
  [ERR_EOCDR_NOT_FOUND]: 'it is no zip, or its end is missing',
  [ERR_SPLIT_ZIP_FILE]: 'it is one of several parts',
  [ERR_UNSAFE_FILENAME]: 'a name in it leads out of the archive',
  [ERR_OVERLAPPING_ENTRY]: 'it overlaps another file',
  [ERR_ENTRY_DATA_OUT_OF_BOUNDS]: 'it ends beyond the archive',
  [ERR_INVALID_CRC32]: 'its checksum is not that of its data',
  [ERR_INVALID_UNCOMPRESSED_SIZE]: 'it is longer or shorter than the archive says',
};

function refusal(archive: string, entry: Entry | null, cause: unknown): LabError {
  if (cause instanceof LabError) return cause;
  const word = cause instanceof Error ? cause.message : String(cause);
  const at = entry ?? ((cause as { filename?: string } | null)?.filename ? { filename: (cause as { filename: string }).filename } : null);
  return broken(archive, `${at ? `${shown(at)}: ` : ''}${meanings[word] ?? word}`, again, cause);
}
