/**
 * A run as one file: what leaves a page, or a run folder of the command line, and goes on in the other. All of its steps, its held-out
 * evaluations and the rollouts that are kept are in it, and of its checkpoints the newest. Other programs read `traces.ts`.
 *
 *   line 1     the fingerprint of all that follows (storage/hash.ts), as text
 *   4 bytes    length of the header in bytes, u32 little-endian
 *   header     JSON (UTF-8): format version, the run's record, its checkpoint's name and reward, its metrics and held-out evaluations, the
 *              length of the rollouts in bytes
 *   rollouts   JSON (UTF-8), a list of the kept steps'
 *   the rest   the packed checkpoint (storage/pack.ts)
 *
 * Version 1 had no rollouts, and no program that reads no version but 1 has to make sense of them.
 */
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { bytesFile } from '../policy/file.ts';
import { parseRunConfig } from '../rl/check.ts';
import { z } from '../schema.ts';
import { readableHeldOut, readableMetrics, readRecord } from '../storage/checked.ts';
import { fingerprint, matches } from '../storage/hash.ts';
import { packedCheckpoint, readCheckpoint } from '../storage/pack.ts';
import type { CheckpointDraft, HeldOutRecord, MetricsRecord, RolloutsRecord, RunRecord } from '../storage/records.ts';

/** What a run is without its weights. */
export interface RunStory {
  readonly run: RunRecord;
  /** Ascending steps, up to the checkpoint's. */
  readonly metrics: readonly MetricsRecord[];
  /** Likewise. */
  readonly heldOut: readonly HeldOutRecord[];
}

export interface SavedRun extends RunStory {
  /** Likewise, those that are kept. */
  readonly rollouts: readonly RolloutsRecord[];
  /** Its newest state. */
  readonly checkpoint: Omit<CheckpointDraft, 'runId' | 'kept'>;
}

/** Bytes with a name: a File of a page, or one that the command line has read. */
export type NamedBytes = Pick<File, 'name' | 'size' | 'arrayBuffer'>;

/** Raised when the file means something else than it did; older ones are read. */
const version = 2;
/** As long as the longest fingerprint, SHA-256, and the end of its line. */
const maxSeal = 72;

const headerShape = z.object({
  run: z.looseObject({}),
  name: z.string(),
  reward: z.nullable(z.number()),
  metrics: z.array(z.unknown()),
  // The first files had none.
  heldOut: z.optional(z.array(z.unknown())),
  rollouts: z.optional(z.int().check(z.minimum(0))),
});

const rolloutsShape = z.looseObject({
  step: z.int().check(z.minimum(0)),
  rollouts: z.array(
    z.looseObject({
      step: z.int(),
      row: z.int(),
      group: z.string(),
      personaId: z.nullable(z.string()),
      questionId: z.string(),
      task: z.string(),
      question: z.string(),
      answer: z.string(),
      prompt: z.string(),
      completion: z.string(),
      pieces: z.array(z.string()),
      logprobs: z.array(z.number()),
      entropies: z.array(z.number()),
      reward: z.number(),
      advantage: z.number(),
      correct: z.boolean(),
      ended: z.boolean(),
      parsed: z.nullable(z.string()),
      reason: z.string(),
      tokens: z.optional(z.array(z.int())),
      length: z.optional(z.int()),
      refLogprobs: z.optional(z.array(z.number())),
      lastPass: z.optional(z.looseObject({ logprobs: z.array(z.number()), entropies: z.array(z.number()), logRatio: z.number() })),
      batch: z.optional(z.looseObject({ rows: z.number(), tokens: z.number(), endedTokens: z.number(), rewardStd: z.number() })),
    }),
  ),
});

/** @throws LabError 'numeric' for weights that are no numbers */
export async function packRun({ run, checkpoint, metrics, heldOut, rollouts: kept }: SavedRun): Promise<ArrayBuffer> {
  const { name, reward } = checkpoint;
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const rollouts = text(kept);
  const header = text({ version, run, name, reward, metrics, heldOut, rollouts: rollouts.length });
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length, true);
  const packed = packedCheckpoint(checkpoint);
  const pieces = [length, header, rollouts, ...packed.pieces()];
  // In one piece from the beginning, with room for the seal before it: numbers are in memory twice, and not more.
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, maxSeal));
  let at = maxSeal;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const seal = new TextEncoder().encode(`${await fingerprint(bytes.subarray(maxSeal))}\n`);
  const start = maxSeal - seal.length;
  bytes.set(seal, start);
  return start === 0 ? bytes.buffer : bytes.buffer.slice(start);
}

/** @throws LabError 'format' for bytes that are not a whole file of a known version */
export async function readRunFile(file: NamedBytes): Promise<SavedRun> {
  const { name } = file;
  const { header, body, end } = await openRunFile(file);
  const story = storyOf(name, header);
  const from = end + (header.rollouts ?? 0);
  if (from > body.length) throw broken(name, 'is cut short');
  const content = await readCheckpoint(bytesFile(name, body.subarray(from)));
  const upTo = <Kept extends { readonly step: number }>(records: readonly Kept[]): Kept[] =>
    ascending(
      name,
      records.filter(({ step }) => step <= content.trainer.step),
    );
  return {
    run: story.run,
    checkpoint: { ...content, config: parseRunConfig(content.config), name: header.name, reward: header.reward },
    metrics: upTo(story.metrics),
    heldOut: upTo(story.heldOut),
    rollouts: header.rollouts ? upTo(rolloutsOf(name, body.subarray(end, from))) : [],
  };
}

interface OpenedFile {
  readonly header: z.infer<typeof headerShape>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Where the header ends. */
  readonly end: number;
}

async function openRunFile(file: NamedBytes): Promise<OpenedFile> {
  const { name } = file;
  if (file.size >= 2 ** 31) throw broken(name, 'is larger than 2 GiB, which no saved run is');
  const all = new Uint8Array(await file.arrayBuffer());
  const cut = all.subarray(0, maxSeal).indexOf(0x0a);
  const seal = cut > 0 ? new TextDecoder('latin1').decode(all.subarray(0, cut)) : '';
  if (!/^(sha256|fnv1a64):[0-9a-f]+$/.test(seal))
    throw new LabError('format', `${name} is no saved run of this program (a file that ends in .permix-run).`, 'Choose another file.');
  const body = all.subarray(cut + 1);
  if (!(await matches(body, seal))) throw broken(name, 'is damaged: its bytes are not the ones that were saved');
  const length = body.length >= 4 ? new DataView(body.buffer, body.byteOffset).getUint32(0, true) : Infinity;
  if (4 + length > body.length) throw broken(name, 'is cut short');
  const json = parseJsonBytes(body.subarray(4, 4 + length), { file: name, next: saveAgain });
  const found = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (typeof found === 'number' && found > version) {
    const what = `${name} was saved by a newer version of this program (format ${found}; this one reads up to ${version}).`;
    throw new LabError('format', what, 'Use the newest version; a page is renewed by reloading it. Or choose another file.');
  }
  const header = headerShape.safeParse(json);
  if (found !== 1 && found !== version) throw broken(name, 'has a header that this version cannot read (version)');
  if (!header.success) throw broken(name, `has a header that this version cannot read (${header.error.issues[0]!.path.join('.')})`);
  return { header: header.data, body, end: 4 + length };
}

function storyOf(name: string, header: OpenedFile['header']): RunStory {
  const read = readRecord('run', header.run);
  if ('why' in read) throw broken(name, `cannot be read: ${read.why}`);
  return { run: read.record, metrics: readableMetrics(header.metrics), heldOut: readableHeldOut(header.heldOut ?? []) };
}

/** A step whose rollouts are none is left out, as one whose rollouts were not kept. */
function rolloutsOf(name: string, bytes: Uint8Array): RolloutsRecord[] {
  const json = parseJsonBytes(bytes, { file: name, next: saveAgain });
  if (!Array.isArray(json)) throw broken(name, 'has rollouts that this version cannot read');
  return json.filter((one): one is RolloutsRecord => rolloutsShape.safeParse(one).success);
}

function ascending<Kept extends { readonly step: number }>(name: string, records: readonly Kept[]): Kept[] {
  if (records.some(({ step }, i) => i > 0 && step <= records[i - 1]!.step)) throw broken(name, 'has steps out of order');
  return [...records];
}

const saveAgain = 'Save the run again, or choose another file.';

function broken(name: string, what: string): LabError {
  return new LabError('format', `${name} ${what}.`, saveAgain);
}
