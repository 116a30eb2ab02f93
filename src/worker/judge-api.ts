/** What the page can ask of the worker about judging. Types only; a part of `api.ts`. */
import type { Benchmark } from '../evaluate/judge/benchmark.ts';
import type { JudgeAccess } from '../evaluate/judge/client.ts';
import type { JudgedAnswer, JudgeReport } from '../evaluate/judge/report.ts';
import type { JudgementRecord, JudgementSettings } from '../storage/judgements.ts';
import type { EvaluatedPolicy } from '../storage/records.ts';
import type { Continued } from './evaluation-api.ts';

export interface NewJudging {
  readonly settings: JudgementSettings;
  readonly benchmark: Benchmark;
  /** The key is used and forgotten: it is in no record and in no message. */
  readonly access: JudgeAccess;
}

/** Goes on with an unfinished judgement; its judge is known, its key is not. */
export interface ContinuedJudging extends Continued {
  readonly key: string | null;
}

/** How a judging goes on. */
export interface JudgingUpdate {
  readonly id: string;
  readonly policies: readonly EvaluatedPolicy[];
  /** Verdicts that there are, and that there will be. */
  readonly done: number;
  readonly total: number;
  readonly phase: string;
  /** At the rate of this session; null before it is known. */
  readonly secondsLeft: number | null;
  /** What the verdicts say so far. */
  readonly report: JudgeReport;
}

/** Without the questions, for a list. */
export interface JudgementInfo extends Omit<JudgementRecord, 'plan'> {
  readonly benchmark: string;
  readonly done: number;
  readonly total: number;
}

export interface JudgementView {
  readonly info: JudgementInfo;
  readonly report: JudgeReport;
  readonly answers: readonly JudgedAnswer[];
}
