/**
 * A run as one file: what leaves a page that can store nothing (any more), and comes back into one that can. Rollouts are not in it, and of
 * the checkpoints only the newest state. It is no format for exchange with other programs.
 *
 *   line 1     the fingerprint of all that follows (hash.ts), as text
 *   4 bytes    length of the header in bytes, u32 little-endian
 *   header     JSON (UTF-8): format version, the run's record, its checkpoint's name and reward, its metrics and held-out evaluations
 *   the rest   the packed checkpoint (pack.ts)
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { parseRunConfig } from '../rl/check.ts';
import { z } from '../schema.ts';
import { readableHeldOut, readableMetrics, readRecord } from './checked.ts';
import { fingerprint, matches } from './hash.ts';
import { packCheckpoint, unpackCheckpoint } from './pack.ts';
import type { CheckpointDraft, HeldOutRecord, MetricsRecord, RunRecord } from './records.ts';

export interface StoredRun {
  readonly run: RunRecord;
  /** Its newest state. */
  readonly checkpoint: Omit<CheckpointDraft, 'runId' | 'kept'>;
  /** Ascending steps, up to the checkpoint's. */
  readonly metrics: readonly MetricsRecord[];
  /** Likewise. */
  readonly heldOut: readonly HeldOutRecord[];
}

/** Raised when the file means something else than it did. */
const version = 1;
/** Longer than any fingerprint. */
const maxSeal = 100;

const headerShape = z.object({
  version: z.literal(version),
  run: z.looseObject({}),
  name: z.string(),
  reward: z.nullable(z.number()),
  metrics: z.array(z.unknown()),
  // Files of before had none.
  heldOut: z.optional(z.array(z.unknown())),
});

/** @throws LabError 'numeric' for weights that are no numbers */
export async function packRun({ run, checkpoint, metrics, heldOut }: StoredRun): Promise<ArrayBuffer> {
  const { name, reward } = checkpoint;
  const header = new TextEncoder().encode(JSON.stringify({ version, run, name, reward, metrics, heldOut }));
  const state = new Uint8Array(packCheckpoint(checkpoint));
  const body = new Uint8Array(4 + header.length + state.length);
  new DataView(body.buffer).setUint32(0, header.length, true);
  body.set(header, 4);
  body.set(state, 4 + header.length);
  const seal = new TextEncoder().encode(`${await fingerprint(body.buffer)}\n`);
  const file = new Uint8Array(seal.length + body.length);
  file.set(seal);
  file.set(body, seal.length);
  return file.buffer;
}

/** @throws LabError 'format' for bytes that are not a whole file of a known version */
export async function readRunFile(file: File): Promise<StoredRun> {
  const { name } = file;
  if (file.size >= 2 ** 31) throw broken(name, 'is larger than 2 GiB, which no run that this page has saved is');
  const bytes = await file.arrayBuffer();
  const all = new Uint8Array(bytes);
  const end = all.subarray(0, maxSeal).indexOf(0x0a);
  const seal = end > 0 ? new TextDecoder('latin1').decode(all.subarray(0, end)) : '';
  if (!/^(sha256|fnv1a64):[0-9a-f]+$/.test(seal)) throw broken(name, 'is no run that this page has saved');
  const body = bytes.slice(end + 1);
  if (!(await matches(body, seal))) throw broken(name, 'is damaged: its bytes are not the ones that were saved');
  const length = body.byteLength >= 4 ? new DataView(body).getUint32(0, true) : Infinity;
  if (4 + length > body.byteLength) throw broken(name, 'is cut short');
  const header = headerShape.safeParse(parseJsonBytes(new Uint8Array(body, 4, length), { file: name, next: saveAgain }));
  if (!header.success) throw broken(name, `has a header that this version cannot read (${header.error.issues[0]!.path.join('.')})`);
  const read = readRecord('run', header.data.run);
  if ('why' in read) throw broken(name, `cannot be read: ${read.why}`);
  const run = read.record;
  const content = unpackCheckpoint(body.slice(4 + length));
  const metrics = readableMetrics(header.data.metrics).filter(({ step }) => step <= content.trainer.step);
  const heldOut = readableHeldOut(header.data.heldOut ?? []).filter(({ step }) => step <= content.trainer.step);
  const ascending = [metrics, heldOut].every((records) => records.every(({ step }, i) => i === 0 || step > records[i - 1]!.step));
  if (!ascending) throw broken(name, 'has steps out of order');
  const { reward } = header.data;
  return { run, checkpoint: { ...content, config: parseRunConfig(content.config), name: header.data.name, reward }, metrics, heldOut };
}

const saveAgain = 'Save the run again, or choose another file.';

function broken(name: string, what: string): LabError {
  return new LabError('format', `${name} ${what}.`, saveAgain);
}
