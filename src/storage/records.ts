/** What IndexedDB holds, record by record. */
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { Cell } from '../evaluate/request.ts';
import type { EngineInfo, PolicyState } from '../engine/engine.ts';
import type { EvaluationReport } from '../evaluate/report.ts';
import type { PersonaChoice } from '../persona/groups.ts';
import type { AskingSettings } from '../rl/asking.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import type { PersonaAccuracy, RolloutRecord, StepRow, TrainerState } from '../rl/events.ts';
import type { LabErrorCode } from '../errors.ts';
import type { Origin } from '../run/identity.ts';

/** What the storage keeps under ids of its own. */
export const recordKinds = ['run', 'checkpoint', 'evaluation', 'judgement', 'policy'] as const;
export type RecordKind = (typeof recordKinds)[number];
/** Of those, what is begun and gone on with. */
export type ResumableKind = Exclude<RecordKind, 'checkpoint' | 'policy'>;

export const runStatuses = ['running', 'paused', 'stopped', 'finished', 'failed'] as const;
export type RunStatus = (typeof runStatuses)[number];

export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly config: RunConfig;
  readonly engine: EngineInfo;
  readonly status: RunStatus;
  /** Steps done and saved: where the run continues from. While it trains, the live step is ahead of it. */
  readonly step: number;
  readonly created: number;
  readonly updated: number;
  /** The sentence of the failure, when status is `failed`. */
  readonly failure?: string;
  /** What kind of failure it was. Absent for what nobody foresaw, and in records of earlier versions. */
  readonly failureCode?: LabErrorCode;
  /** Sequence distillation: whose right replies are learnt. Absent for every other run. */
  readonly teacher?: Teacher;
  /** What it began with. Absent in records of earlier versions. */
  readonly origin?: Origin;
  /** The run that it races: both are trained in turn, and go on together. */
  readonly race?: string;
  /** The file it came in, and its id where it was saved. Absent: it was begun here. */
  readonly from?: { readonly file: string; readonly run: string };
}

/** A checkpoint that teaches a run. The weights are the checkpoint's own, which is why it is no longer the autosave's to retire. */
export interface Teacher {
  readonly checkpoint: string;
  /** Run and step, for the sentence that is left should the reader delete it. */
  readonly name: string;
}

export interface MetricsRecord {
  readonly runId: string;
  readonly step: number;
  readonly metrics: StepRow;
  readonly personas: PersonaAccuracy;
}

export interface RolloutsRecord {
  readonly runId: string;
  readonly step: number;
  readonly rollouts: readonly RolloutRecord[];
}

/** What the run's policy of one step answered to questions outside its training. */
export interface HeldOutRecord extends HeldOutEvaluation {
  readonly runId: string;
}

export interface CheckpointInfo {
  readonly id: string;
  readonly runId: string;
  readonly name: string;
  readonly step: number;
  readonly created: number;
  readonly bytes: number;
  /** Mean reward of the step it was taken at, null at step 0. */
  readonly reward: number | null;
  /** SHA-256 (or, without a secure context, FNV-1a) of the packed state; verified on load. */
  readonly hash: string;
  /** Made or named by the reader (true) or by the autosave (false): retention only touches the latter. */
  readonly kept: boolean;
}

/** What a checkpoint holds: everything a run needs to continue bit for bit. */
export interface CheckpointContent {
  readonly config: RunConfig;
  readonly trainer: TrainerState;
  readonly state: PolicyState;
}

export interface Checkpoint extends CheckpointInfo, CheckpointContent {}

/** A checkpoint about to be written: the storage adds its id, size, time and hash. */
export interface CheckpointDraft extends CheckpointContent {
  readonly runId: string;
  readonly name: string;
  readonly reward: number | null;
  readonly kept: boolean;
}

/** Whose personas are asked, and how, is as usual where it is not said. */
export interface EvaluationSettings extends AskingSettings, PersonaChoice {
  /** Id of the base; absent: the bundled policy. */
  readonly policy?: string;
  /** Checkpoints that are compared with the base; empty: the base alone. */
  readonly checkpoints: readonly string[];
  readonly task: string;
  /** Per persona. */
  readonly problems: number;
  readonly samples: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly maxNewTokens: number;
  /** Replies per persona that fidelity is measured on, of each kind; 0: not measured. */
  readonly fidelityReplies: number;
}

export interface EvaluatedPolicy {
  /** Null: the base. */
  readonly checkpoint: string | null;
  readonly name: string;
  readonly recipe: RecipeName;
}

export interface WorkDone {
  readonly rows: number;
  readonly seconds: number;
}

export interface EvaluationRecord {
  readonly id: string;
  readonly created: number;
  readonly updated: number;
  readonly settings: EvaluationSettings;
  /** The base first. */
  readonly policies: readonly EvaluatedPolicy[];
  readonly engine: EngineInfo;
  /** What it began with: finished cells are of no use with anything else. Absent in records of earlier versions. */
  readonly origin?: Origin;
  /** Of those: a fingerprint of the base's weights, personas and questions. */
  readonly material?: string;
  /** In [0, 1]. */
  readonly fraction: number;
  /** What was computed so far and how long it took: replies that were generated, and replies that were scored under a persona. */
  readonly work: { readonly asked: WorkDone; readonly scored: WorkDone };
  /** One per checkpoint, against the base, or the base's own; empty until all is done. */
  readonly reports: readonly EvaluationReport[];
}

/** A finished piece of an evaluation: `<place in policies>/<kind>/<persona>`. */
export interface CellRecord {
  readonly evaluationId: string;
  readonly key: string;
  readonly cell: Cell;
}
