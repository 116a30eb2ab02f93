/**
 * A checkpoint as a file: the packed bytes that the page's storage keeps too, and behind them their fingerprint as text. A changed bit is
 * found wherever it is, in the header, in the numbers or in the seal itself. Equal runs have equal files: no time and no name is in them.
 */
import { LabError } from '../errors.ts';
import { maxFileBytes } from '../policy/source.ts';
import { fingerprint, matches } from '../storage/hash.ts';
import { packCheckpoint, unpackCheckpoint } from '../storage/pack.ts';
import type { CheckpointContent } from '../storage/records.ts';
import { readWhole, replaceFile } from './files.ts';

/** `sha256:`, 64 digits, and the end of the line. */
const sealLength = 72;

export async function writeCheckpointFile(file: string, content: CheckpointContent): Promise<void> {
  const bytes = packCheckpoint(content);
  await replaceFile(file, new Uint8Array(bytes), `${await fingerprint(bytes)}\n`);
}

/** @throws LabError 'format' where the bytes are not the ones that were written */
export async function readCheckpointFile(file: string): Promise<CheckpointContent> {
  const all = await readWhole(file, maxFileBytes);
  const end = all.length - sealLength;
  const seal = end > 0 ? all.subarray(end).toString('latin1') : '';
  const bytes = all.buffer.slice(all.byteOffset, all.byteOffset + Math.max(end, 0)) as ArrayBuffer;
  if (!seal.endsWith('\n') || !(await matches(bytes, seal.trimEnd()))) {
    throw new LabError('format', `The checkpoint ${file} is damaged: its bytes are not the ones that were saved.`, '');
  }
  return unpackCheckpoint(bytes);
}
