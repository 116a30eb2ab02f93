/**
 * The bytes of checkpoints that are too large for a database: a file each, in a folder of its own in the browser's file system (`opfs.ts`). The
 * folder is called as the checkpoint; it counts once a record of the database names it, which is written last, and is swept where none does.
 */
import type { PolicyFile } from '../policy/file.ts';
import type { FolderStore } from './folders.ts';
import type { Packed } from './pack.ts';
import type { CheckpointDraft, CheckpointInfo } from './records.ts';
import { newId, sealInto } from './seal.ts';

/** Checkpoints of more bytes are files. */
const largestRecord = 64e6;
const fileName = 'checkpoint';

export interface PayloadFilesSetup {
  /** Made where there is none. Rejects where the browser gives no files. */
  open(): Promise<FolderStore>;
  /** Null where there is none yet, or none to be had. */
  find(): Promise<FolderStore | null>;
  /** What says to other tabs that a folder is being written. Null: one of them writes it. */
  hold(folder: string): Promise<(() => void) | null>;
  /** Bytes that a record of the database may have. */
  readonly largestRecord?: number;
}

/** A checkpoint whose file is whole, and does not count yet. */
export interface WrittenPayload {
  readonly info: CheckpointInfo;
  /** It is recorded. */
  keep(): void;
  /** It is not, and nothing of it stays. */
  drop(): Promise<void>;
}

export class PayloadFiles {
  #opened: Promise<FolderStore> | null = null;

  constructor(private readonly setup: PayloadFilesSetup) {}

  isLarge(bytes: number): boolean {
    return bytes > (this.setup.largestRecord ?? largestRecord);
  }

  /** @throws whatever the browser throws where it has no room or gives no files; nothing is left then */
  async write(draft: CheckpointDraft, packed: Packed): Promise<WrittenPayload> {
    const folders = await this.#open();
    const id = newId('checkpoint');
    const release = (await this.setup.hold(id)) ?? (() => {});
    const drop = async () => {
      await folders.remove(id).catch(() => {}); // it is swept then
      release();
    };
    try {
      const writer = await folders.append(id, fileName);
      try {
        const info = await sealInto(draft, id, packed, (piece) => writer.write(piece));
        await writer.close();
        return { info, keep: release, drop };
      } catch (error) {
        await writer.close().catch(() => {}); // what went wrong first is said
        throw error;
      }
    } catch (error) {
      await drop();
      throw error;
    }
  }

  /** Null where the browser has cleared it away. */
  async read(id: string): Promise<PolicyFile | null> {
    const folders = await this.setup.find();
    return (await folders?.open(id, fileName, `checkpoint ${id}`)) ?? null;
  }

  /** Those of checkpoints that are gone; what cannot be removed is swept later. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const folders = await this.setup.find();
    if (!folders) return;
    const there = await folders.folders();
    for (const id of ids) if (there.includes(id)) await folders.remove(id);
  }

  /** Whatever no record names and no tab writes: left by one that died. @param recorded whether a checkpoint is, asked anew for each */
  async sweep(recorded: (id: string) => Promise<boolean>): Promise<void> {
    const folders = await this.setup.find();
    for (const id of (await folders?.folders()) ?? []) {
      if (await recorded(id)) continue;
      const release = await this.setup.hold(id);
      if (!release) continue;
      // It may have been recorded since.
      await recorded(id)
        .then((since) => (since ? undefined : folders!.remove(id)))
        .finally(release);
    }
  }

  async clear(): Promise<void> {
    const folders = await this.setup.find();
    for (const id of (await folders?.folders()) ?? []) await folders!.remove(id);
  }

  /** A refusal is asked for again: it may have been a full disk. */
  #open(): Promise<FolderStore> {
    this.#opened ??= this.setup.open().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }
}
