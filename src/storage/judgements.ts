/** What storage holds of judgings: the record of one, and its answers and verdicts one by one. Types only. There is no key in them. */
import type { EngineInfo } from '../engine/engine.ts';
import type { JudgePlan } from '../evaluate/judge/plan.ts';
import type { JudgedBy } from '../evaluate/judge/report.ts';
import type { RubricName } from '../evaluate/judge/scale.ts';
import type { JudgeCell } from '../evaluate/judge/run.ts';
import type { Origin } from '../run/identity.ts';
import type { EvaluatedPolicy } from './records.ts';

export interface JudgementSettings {
  /** Id of the base; absent: the bundled policy. */
  readonly policy?: string;
  /** Checkpoints that are compared with the base; empty: the base alone. */
  readonly checkpoints: readonly string[];
  readonly personas: number;
  /** Of each task and persona, at most. */
  readonly questions: number;
  /** Of the policies' answers; 0: greedy. */
  readonly temperature: number;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Absent: PersonaGym's. */
  readonly rubric?: RubricName;
}

export interface JudgementRecord {
  readonly id: string;
  readonly created: number;
  readonly settings: JudgementSettings;
  /** The base first. */
  readonly policies: readonly EvaluatedPolicy[];
  readonly engine: EngineInfo;
  readonly judge: JudgedBy;
  /** The questions themselves, so that the benchmark's file is not needed again. */
  readonly plan: JudgePlan;
  /** What it began with. Absent in records of earlier versions. */
  readonly origin?: Origin;
}

/** A persona's answers, or one verdict, by the key that `run.ts` gives it. */
export interface JudgedRecord {
  readonly judgementId: string;
  readonly key: string;
  readonly cell: JudgeCell;
}
