/** A checkpoint between its live form and its stored one: packed, measured, hashed on the way in, verified on the way out. */
import { LabError } from '../errors.ts';
import type { PolicyFile } from '../policy/file.ts';
import { parseRunConfig } from '../rl/check.ts';
import { fingerprint, growingFingerprint, matches } from './hash.ts';
import { joined, packedCheckpoint, readCheckpoint, unpackCheckpoint, type Packed } from './pack.ts';
import type { Checkpoint, CheckpointContent, CheckpointDraft, CheckpointInfo, RecordKind } from './records.ts';

export interface SealedCheckpoint {
  readonly info: CheckpointInfo;
  readonly bytes: ArrayBuffer;
}

/** Done before a transaction opens: a transaction closes by itself as soon as it waits for anything but its own requests. */
export async function seal(draft: CheckpointDraft, packed = packedCheckpoint(draft)): Promise<SealedCheckpoint> {
  const bytes = joined(packed);
  return { info: infoOf(draft, newId('checkpoint'), bytes.byteLength, await fingerprint(bytes)), bytes };
}

/** The same where its bytes are given away piece by piece, and never held. @param packed of the draft */
export async function sealInto(
  draft: CheckpointDraft,
  id: string,
  packed: Packed,
  write: (piece: Uint8Array) => Promise<void>,
): Promise<CheckpointInfo> {
  const hash = await growingFingerprint();
  for (const piece of packed.pieces()) {
    hash.update(piece);
    await write(piece);
  }
  return infoOf(draft, id, packed.size, hash.digest());
}

function infoOf({ runId, name, reward, kept, trainer }: CheckpointDraft, id: string, bytes: number, hash: string): CheckpointInfo {
  return { id, runId, name, step: trainer.step, created: Date.now(), bytes, reward, hash, kept };
}

/** Null when the bytes are not the ones that were sealed, or are none, or hold what no run of this version can go on from. */
export async function unseal(info: CheckpointInfo, bytes: unknown): Promise<Checkpoint | null> {
  if (!(bytes instanceof ArrayBuffer) || !(await matches(bytes, info.hash))) return null;
  return whole(info, async () => unpackCheckpoint(bytes));
}

/** The same of a file, which is read once, range by range. Null also where it can no longer be read. */
export async function unsealFile(info: CheckpointInfo, file: PolicyFile): Promise<Checkpoint | null> {
  const hash = await growingFingerprint();
  const read = async (from: number, to: number) => {
    const bytes = await file.read(from, to);
    hash.update(bytes);
    return bytes;
  };
  return whole(info, async () => {
    const content = await readCheckpoint({ size: file.size, read });
    return hash.digest() === info.hash ? content : null;
  });
}

async function whole(info: CheckpointInfo, unpack: () => Promise<CheckpointContent | null>): Promise<Checkpoint | null> {
  try {
    const content = await unpack();
    return content && { ...info, ...content, config: parseRunConfig(content.config) };
  } catch (error) {
    if (error instanceof LabError && (error.code === 'config' || error.code === 'format')) return null;
    throw error;
  }
}

/** Unique without a secure context, where `crypto.randomUUID` is missing. */
export function newId(kind: RecordKind): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(8));
  return `${kind}-${Date.now().toString(36)}-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
