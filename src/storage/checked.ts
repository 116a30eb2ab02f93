/**
 * Stored records, read with suspicion: another version of the page, a browser's fault or a curious reader may have left something else in
 * the database. A record that is not what it should be is left where it is and out of every list (`unreadable`); nothing is mended by guess.
 */
import { LabError } from '../errors.ts';
import { personaGroups } from '../persona/groups.ts';
import { rubricNames } from '../evaluate/judge/scale.ts';
import { libraryNames } from '../persona/library-names.ts';
import { noSystemKinds, systemPlaces } from '../policy/template-settings.ts';
import type { AskingSettings } from '../rl/asking.ts';
import { parseRunConfig } from '../rl/check.ts';
import { currentConfig, type StoredConfig } from '../rl/config.ts';
import { z } from '../schema.ts';
import { answerForms } from '../verify/answer-forms.ts';
import type { LibraryDraft, LibraryRecord } from './libraries.ts';
import type { JudgementRecord } from './judgements.ts';
import type { PolicyRecord, UnfinishedPolicy } from './policies.ts';
import type { SetRecord } from './sets.ts';
import { setKinds } from '../tasks/sets/columns.ts';
import {
  runStatuses,
  type CellRecord,
  type CheckpointInfo,
  type EvaluationRecord,
  type HeldOutRecord,
  type MetricsRecord,
  type RecordKind,
  type RolloutsRecord,
  type RunRecord,
} from './records.ts';

/** A record that this version cannot read. Its key is what it is deleted by. */
export interface Unreadable {
  readonly kind: RecordKind;
  readonly key: string;
  /** Its name, where that can still be told. */
  readonly name: string;
  /** What is wrong with it, a sentence's end: "its step is not valid". */
  readonly why: string;
}

const time = z.number().check(z.minimum(0), z.maximum(8.64e15));
const step = z.int().check(z.minimum(0));
const count = z.number().check(z.minimum(0));
const engine = z.looseObject({
  engine: z.string(),
  backend: z.string(),
  adapter: z.nullable(z.string()),
  software: z.boolean(),
  features: z.array(z.string()),
  limits: z.record(z.string(), z.number()),
  precision: z.string(),
});
const policies = z.array(z.looseObject({ checkpoint: z.nullable(z.string()), name: z.string(), recipe: z.string() })).check(z.minLength(1));
const work = z.looseObject({ rows: count, seconds: count });

/** How policies are asked, as far as it is said (`rl/asking.ts`). */
const asking = {
  library: z.optional(
    z.union([
      z.enum(libraryNames),
      z.looseObject({
        name: z.string(),
        voices: z.array(z.looseObject({ id: z.string(), openers: z.array(z.string()), closers: z.array(z.string()) })),
        personas: z.array(z.looseObject({ id: z.string(), name: z.string(), text: z.string(), heldOut: z.boolean() })),
      }),
    ]),
  ),
  noPersona: z.optional(z.enum(noSystemKinds)),
  noSystemRole: z.optional(z.enum(systemPlaces)),
  instruction: z.optional(z.string()),
  answers: z.optional(z.array(z.enum(answerForms)).check(z.minLength(1))),
  templateArguments: z.optional(z.record(z.string(), z.json())),
} as const satisfies Record<keyof AskingSettings, unknown>;

/** What a piece of work began with. */
const origin = z.looseObject({ identity: z.record(z.string(), z.string()), takenOver: z.array(z.looseObject({})) });

const hubOrigin = z.looseObject({
  kind: z.literal('hub'),
  base: z.string(),
  name: z.string(),
  revision: z.string(),
  file: z.nullable(z.string()),
  commit: z.nullable(z.string()),
});
const policyOrigin = z.union([z.looseObject({ kind: z.literal('files'), name: z.string() }), hubOrigin]);

const shapes = {
  run: z.looseObject({
    id: z.string(),
    name: z.string(),
    config: z.looseObject({}),
    engine,
    status: z.enum(runStatuses),
    step,
    created: time,
    updated: time,
    failure: z.optional(z.string()),
    failureCode: z.optional(z.string()),
    origin: z.optional(origin),
    race: z.optional(z.string()),
    teacher: z.optional(z.looseObject({ checkpoint: z.string(), name: z.string() })),
    from: z.optional(z.looseObject({ file: z.string(), run: z.string() })),
  }),
  checkpoint: z.looseObject({
    id: z.string(),
    runId: z.string(),
    name: z.string(),
    step,
    created: time,
    bytes: count,
    reward: z.nullable(z.number()),
    hash: z.string(),
    kept: z.boolean(),
  }),
  evaluation: z.looseObject({
    id: z.string(),
    created: time,
    updated: time,
    settings: z.looseObject({
      checkpoints: z.array(z.string()),
      task: z.string(),
      personas: z.enum(personaGroups),
      personaCount: z.optional(count),
      ...asking,
      problems: count,
      samples: count,
      temperature: count,
      maxNewTokens: count,
      seed: count,
      fidelityReplies: count,
    }),
    policies,
    engine,
    material: z.optional(z.string()),
    origin: z.optional(origin),
    fraction: z.number().check(z.minimum(0), z.maximum(1)),
    work: z.looseObject({ asked: work, scored: work }),
    reports: z.array(z.looseObject({ policy: z.looseObject({}), personas: z.array(z.looseObject({ id: z.string() })) })),
  }),
  judgement: z.looseObject({
    id: z.string(),
    created: time,
    settings: z.looseObject({
      checkpoints: z.array(z.string()),
      personas: count,
      questions: count,
      temperature: count,
      maxNewTokens: count,
      seed: count,
    }),
    policies,
    engine,
    judge: z.looseObject({ address: z.string(), model: z.string() }),
    plan: z.looseObject({
      benchmark: z.string(),
      personas: z.array(z.looseObject({ place: count, description: z.string(), questions: z.array(z.looseObject({ text: z.string() })) })),
      leftOut: z.record(z.string(), count),
      ownPrompts: z.optional(z.array(z.string())),
      rubric: z.optional(z.enum(rubricNames)),
    }),
    material: z.optional(z.string()),
    origin: z.optional(origin),
  }),
  policy: z.looseObject({
    id: z.string(),
    name: z.string(),
    folder: z.string(),
    added: time,
    from: policyOrigin,
    files: z.array(z.looseObject({ path: z.string(), size: count, sha256: z.string() })).check(z.minLength(1)),
    facts: z.looseObject({
      family: z.string(),
      parameters: count,
      layers: count,
      hiddenSize: count,
      vocabSize: count,
      maxPositions: count,
      format: z.string(),
      bytes: count,
      licence: z.nullable(z.string()),
      notices: z.array(z.string()),
    }),
    adapters: z.optional(
      z.looseObject({ base: z.string(), baseName: z.string(), lora: z.looseObject({ rank: count, alpha: z.number() }) }),
    ),
  }),
} as const satisfies Record<RecordKind, unknown>;

const unfinished = z.looseObject({
  folder: z.string(),
  begun: time,
  from: hubOrigin,
  bytes: count,
  files: z.array(z.looseObject({ path: z.string(), size: count, tag: z.nullable(z.string()) })),
});

const metrics = z.looseObject({ step, metrics: z.record(z.string(), z.number()), personas: z.record(z.string(), z.looseObject({})) });
const rollouts = z.looseObject({ step, rollouts: z.array(z.looseObject({})) });
const reply = z.looseObject({ question: z.string(), answer: z.string(), text: z.string(), correct: z.boolean(), reason: z.string() });
const heldOut = z.looseObject({
  step,
  // Every row was asked the same questions.
  rows: z.array(z.looseObject({ row: z.string(), personaId: z.nullable(z.string()), replies: z.array(reply).check(z.minLength(1)) })).check(
    z.minLength(1),
    z.refine((rows) => rows.every(({ replies }) => replies.length === rows[0]!.replies.length)),
    z.refine((rows) => new Set(rows.map(({ row }) => row)).size === rows.length),
  ),
  seconds: count,
});
const cell = z.looseObject({ key: z.string(), cell: z.looseObject({}) });

interface Records extends Record<RecordKind, unknown> {
  readonly run: RunRecord;
  readonly checkpoint: CheckpointInfo;
  readonly evaluation: EvaluationRecord;
  readonly judgement: JudgementRecord;
  readonly policy: PolicyRecord;
}

/** The record as this version knows it, or what is wrong with it. */
export function readRecord<Kind extends RecordKind>(
  kind: Kind,
  stored: unknown,
): { readonly record: Records[Kind] } | { readonly why: string } {
  const result = shapes[kind].safeParse(stored);
  if (!result.success) return { why: `its ${result.error.issues[0]!.path.join('.') || 'content'} is not valid` };
  if (kind !== 'run') return { record: stored as Records[Kind] };
  try {
    const run = stored as RunRecord;
    return { record: { ...run, config: parseRunConfig(currentConfig(run.config as StoredConfig)) } as Records[Kind] };
  } catch (error) {
    if (error instanceof LabError) return { why: `its configuration cannot be used (${error.message})` };
    throw error;
  }
}

/** Those that can be read, in their order. */
export function readable<Kind extends RecordKind>(kind: Kind, stored: readonly unknown[]): Records[Kind][] {
  return stored.flatMap((one) => {
    const read = readRecord(kind, one);
    return 'record' in read ? [read.record] : [];
  });
}

/** @throws LabError 'format' for a record that cannot be read */
export function checkedRecord<Kind extends RecordKind>(kind: Kind, stored: unknown): Records[Kind] {
  const read = readRecord(kind, stored);
  if ('record' in read) return read.record;
  throw new LabError(
    'format',
    `The stored ${kind} ${nameOf(stored)} cannot be read: ${read.why}.`,
    'It is left as it is; delete it in the list of what has been kept.',
  );
}

/** Those that cannot be read. @param entries by key */
export function unreadableOf(kind: RecordKind, entries: readonly (readonly [key: string, stored: unknown])[]): Unreadable[] {
  return entries.flatMap(([key, stored]) => {
    const read = readRecord(kind, stored);
    return 'record' in read ? [] : [{ kind, key, name: nameOf(stored) || key, why: read.why }];
  });
}

/** A step whose numbers are none is left out: the curve has a gap there. */
export const readableMetrics = (stored: readonly unknown[]): MetricsRecord[] =>
  stored.filter((one): one is MetricsRecord => metrics.safeParse(one).success);

/** Null for what is none: the step then counts as one whose rollouts were not kept. */
export const readableRollouts = (stored: unknown): RolloutsRecord | null =>
  rollouts.safeParse(stored).success ? (stored as RolloutsRecord) : null;

/** What is no evaluation is done again. */
export const readableHeldOut = (stored: readonly unknown[]): HeldOutRecord[] =>
  stored.filter((one): one is HeldOutRecord => heldOut.safeParse(one).success);

/** One that cannot be read is begun again; its folder is swept. */
export const isUnfinished = (stored: unknown): stored is UnfinishedPolicy => unfinished.safeParse(stored).success;

/** A cell that is none is asked again. */
export const readableCells = (stored: readonly unknown[]): CellRecord[] =>
  stored.filter((one): one is CellRecord => cell.safeParse(one).success);

function nameOf(stored: unknown): string {
  const { name, id } = (typeof stored === 'object' && stored !== null ? stored : {}) as { name?: unknown; id?: unknown };
  return typeof name === 'string' && name.trim() ? `“${name}”` : typeof id === 'string' ? id : '';
}

const set = z.looseObject({
  name: z.string(),
  sha256: z.string(),
  bytes: z.number(),
  added: z.number(),
  choice: z.looseObject({ sha256: z.string(), questions: z.number(), kind: z.enum(setKinds) }),
  split: z.looseObject({ train: z.number(), evaluation: z.number() }),
});

/** One that cannot be read is added again. */
export const isSet = (stored: unknown): stored is SetRecord =>
  set.safeParse(stored).success && (stored as Partial<SetRecord>).file instanceof Blob;

const library = z.looseObject({ name: z.string(), sha256: z.string(), personas: count, added: time });

/** One that cannot be read is added again. */
export const isLibrary = (stored: unknown): stored is LibraryRecord =>
  library.safeParse(stored).success && (stored as Partial<LibraryRecord>).file instanceof Blob;

const libraryDraft = z.looseObject({
  id: z.string(),
  of: z.nullable(z.string()),
  name: z.string(),
  at: count,
  changed: time,
  library: z.looseObject({
    voices: z.array(z.looseObject({ id: z.string(), name: z.string() })),
    personas: z.array(z.looseObject({ id: z.string(), name: z.string(), text: z.string() })),
  }),
});

export const isLibraryDraft = (stored: unknown): stored is LibraryDraft => libraryDraft.safeParse(stored).success;
