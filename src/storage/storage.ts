/**
 * The contract of the storage: runs with their metrics, rollouts and checkpoints. `indexed.ts` keeps them in the browser's IndexedDB,
 * `memory.ts` only until the page is closed, where IndexedDB is not to be had; `open.ts` chooses. Types, and the sentences of its failures.
 *
 * Every method is atomic: it has happened wholly or not at all. Failures are LabErrors of code `storage` or `format`.
 */
import { LabError } from '../errors.ts';
import type { Unreadable } from './checked.ts';
import type { LibraryStore } from './libraries.ts';
import type { JudgedRecord, JudgementRecord } from './judgements.ts';
import type { PolicyRecord, UnfinishedPolicy } from './policies.ts';
import type {
  CellRecord,
  Checkpoint,
  CheckpointDraft,
  CheckpointInfo,
  EvaluationRecord,
  HeldOutRecord,
  MetricsRecord,
  RecordKind,
  RolloutsRecord,
  RunRecord,
  RunStatus,
} from './records.ts';
import type { SetRecord } from './sets.ts';

export interface LabStorage {
  /** False: everything is gone when the page is closed. */
  readonly durable: boolean;
  /** Persona libraries of the reader's own. */
  readonly libraries: LibraryStore;

  /** Newest first. */
  runs(): Promise<readonly RunRecord[]>;
  /** @throws LabError 'storage' for an unknown id */
  run(id: string): Promise<RunRecord>;
  /** The run, its first checkpoint and, for a run that continues another, what is recorded of the steps up to there: in one transaction. */
  createRun(run: RunRecord, first: CheckpointDraft, history?: RunPast): Promise<CheckpointInfo>;
  /** Changes a run's name, status or failure. */
  updateRun(id: string, change: RunChange): Promise<RunRecord>;
  /** With its metrics, rollouts and checkpoints. Unknown ids are no error. */
  deleteRun(id: string): Promise<void>;

  /** What one step leaves behind; also retires rollouts (retention.ts). */
  saveStep(metrics: MetricsRecord, rollouts: RolloutsRecord): Promise<void>;
  /** Ascending steps. @param after those of this step and before it are left out */
  metrics(runId: string, after?: number): Promise<readonly MetricsRecord[]>;
  /** Null where none were kept of that step. */
  rollouts(runId: string, step: number): Promise<RolloutsRecord | null>;
  /** The steps whose rollouts are kept, ascending. */
  rolloutSteps(runId: string): Promise<readonly number[]>;
  saveHeldOut(record: HeldOutRecord): Promise<void>;
  /** Ascending steps. */
  heldOut(runId: string): Promise<readonly HeldOutRecord[]>;
  /** Forgets metrics, rollouts and evaluations after `step`, which a run that continues from there makes again. */
  rewind(runId: string, step: number): Promise<void>;

  /** The checkpoint, the run's step and status, and retention: in one transaction. @throws NotKept for a large one for which there is no room */
  saveCheckpoint(draft: CheckpointDraft, status: RunStatus): Promise<CheckpointInfo>;
  /** Newest step first. */
  checkpoints(runId: string): Promise<readonly CheckpointInfo[]>;
  /** @throws LabError 'format' when the bytes are not those that were saved; names the newest good one of the run */
  checkpoint(id: string): Promise<Checkpoint>;
  /** A named checkpoint is the reader's own from then on: retention leaves it alone. */
  renameCheckpoint(id: string, name: string): Promise<CheckpointInfo>;
  /** The run it belonged to; null for an unknown id, which is no error. */
  deleteCheckpoint(id: string): Promise<string | null>;

  /** Newest first. */
  evaluations(): Promise<readonly EvaluationRecord[]>;
  /** @throws LabError 'storage' for an unknown id */
  evaluation(id: string): Promise<EvaluationRecord>;
  /** New, or in the place of its earlier self. */
  saveEvaluation(evaluation: EvaluationRecord): Promise<void>;
  /** A finished cell and how far the evaluation is with it. @throws LabError 'storage' where the evaluation was deleted */
  saveCell(cell: CellRecord, progress: Pick<EvaluationRecord, 'fraction' | 'work'>): Promise<void>;
  /** All finished cells of an evaluation. */
  cells(evaluationId: string): Promise<readonly CellRecord[]>;
  /** With its cells. Unknown ids are no error. */
  deleteEvaluation(id: string): Promise<void>;

  /** Newest first. */
  judgements(): Promise<readonly JudgementRecord[]>;
  /** @throws LabError 'storage' for an unknown id */
  judgement(id: string): Promise<JudgementRecord>;
  /** New, or in the place of its earlier self. */
  saveJudgement(judgement: JudgementRecord): Promise<void>;
  /** @throws LabError 'storage' where the judgement was deleted */
  saveJudged(judged: JudgedRecord): Promise<void>;
  /** All answers and verdicts of a judgement. */
  judged(judgementId: string): Promise<readonly JudgedRecord[]>;
  /** Their keys, for a list that only counts them. */
  judgedKeys(judgementId: string): Promise<readonly string[]>;
  /** With its answers and verdicts. Unknown ids are no error. */
  deleteJudgement(id: string): Promise<void>;

  /** The reader's own policies, newest first; their files are elsewhere (`folders.ts`). */
  policies(): Promise<readonly PolicyRecord[]>;
  /** It is whole; what is recorded of its fetching goes, in the same transaction. */
  savePolicy(policy: PolicyRecord): Promise<void>;
  /** Unknown ids are no error. */
  deletePolicy(id: string): Promise<void>;
  /** Those that were begun, newest first. */
  unfinishedPolicies(): Promise<readonly UnfinishedPolicy[]>;
  /** New, or in the place of its earlier self. */
  saveUnfinishedPolicy(policy: UnfinishedPolicy): Promise<void>;
  /** Unknown folders are no error. */
  deleteUnfinishedPolicy(folder: string): Promise<void>;

  /** The reader's own questions, newest first. */
  sets(): Promise<readonly SetRecord[]>;
  /** New, or in the place of its earlier self. */
  saveSet(set: SetRecord): Promise<void>;
  /** Unknown hashes are no error. */
  deleteSet(sha256: string): Promise<void>;

  /** Deletes all of it. */
  clear(): Promise<void>;

  /** What is stored and cannot be read; it is in no list, and stays until it is deleted. */
  unreadable(): Promise<readonly Unreadable[]>;

  close(): void;
}

/** What is recorded of the steps before a run's own. */
export interface RunPast {
  readonly metrics: readonly MetricsRecord[];
  readonly heldOut: readonly HeldOutRecord[];
  /** Absent: none are taken along. */
  readonly rollouts?: readonly RolloutsRecord[];
}

export type RunChange = Partial<Pick<RunRecord, 'name' | 'status' | 'failure' | 'failureCode' | 'engine' | 'origin' | 'race'>>;

/** What a failed load says when another checkpoint of the run is whole. */
export function damaged(info: CheckpointInfo, good: CheckpointInfo | null): LabError {
  return new LabError(
    'format',
    `The checkpoint “${info.name}” of step ${info.step} is damaged: its bytes are not the ones that were saved.`,
    good ? `Continue from “${good.name}” of step ${good.step}, which is whole.` : 'The run has no other checkpoint; start it again.',
  );
}

/** A checkpoint that is too large for what the browser gives. What was computed is still in the engine. */
export class NotKept extends LabError {
  /** @param why what a smaller one would have been refused with, too */
  constructor(step: number, bytes: number, why: LabError) {
    super('storage', `The checkpoint of step ${step} (${Math.round(bytes / 1e6)} MB) cannot be kept: ${why.what}`, why.next, {
      cause: why,
    });
  }
}

/** The record, or the sentence for an id that storage does not know. */
export function known<T>(record: T | undefined, kind: RecordKind, id: string): T {
  if (record !== undefined) return record;
  throw new LabError('storage', `There is no stored ${kind} ${id}.`, 'It may have been deleted in another tab; reload the page.');
}
