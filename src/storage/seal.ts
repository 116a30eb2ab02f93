/** A checkpoint between its live form and its stored one: packed, measured, hashed on the way in, verified on the way out. */
import { LabError } from '../errors.ts';
import { parseRunConfig } from '../rl/check.ts';
import { fingerprint, matches } from './hash.ts';
import { packCheckpoint, unpackCheckpoint } from './pack.ts';
import type { Checkpoint, CheckpointDraft, CheckpointInfo, RecordKind } from './records.ts';

export interface SealedCheckpoint {
  readonly info: CheckpointInfo;
  readonly bytes: ArrayBuffer;
}

/** Done before a transaction opens: a transaction closes by itself as soon as it waits for anything but its own requests. */
export async function seal(draft: CheckpointDraft): Promise<SealedCheckpoint> {
  const bytes = packCheckpoint(draft);
  const { runId, name, reward, kept } = draft;
  const info: CheckpointInfo = {
    id: newId('checkpoint'),
    runId,
    name,
    step: draft.trainer.step,
    created: Date.now(),
    bytes: bytes.byteLength,
    reward,
    hash: await fingerprint(bytes),
    kept,
  };
  return { info, bytes };
}

/** Null when the bytes are not the ones that were sealed, or are none, or hold what no run of this version can go on from. */
export async function unseal(info: CheckpointInfo, bytes: unknown): Promise<Checkpoint | null> {
  if (!(bytes instanceof ArrayBuffer) || !(await matches(bytes, info.hash))) return null;
  try {
    const content = unpackCheckpoint(bytes);
    return { ...info, ...content, config: parseRunConfig(content.config) };
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
