/** What IndexedDB holds, record by record. Types only. */
import type { EngineInfo, PolicyState } from '../engine/engine.ts';
import type { RunConfig } from '../rl/config.ts';
import type { PersonaAccuracy, RolloutRecord, StepRow, TrainerState } from '../rl/events.ts';

export type RunStatus = 'running' | 'paused' | 'stopped' | 'finished' | 'failed';

export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly config: RunConfig;
  readonly engine: EngineInfo;
  readonly status: RunStatus;
  /** Steps done. */
  readonly step: number;
  readonly created: number;
  readonly updated: number;
  /** The sentence of the failure, when status is `failed`. */
  readonly failure?: string;
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
  /** Made by the reader (true) or by the autosave (false): retention only touches the latter. */
  readonly kept: boolean;
}

export interface Checkpoint extends CheckpointInfo {
  readonly config: RunConfig;
  readonly trainer: TrainerState;
  readonly state: PolicyState;
}
