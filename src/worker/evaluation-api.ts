/** What the page can ask of the worker about evaluations. Types only; a part of `api.ts`. */
import type { EvaluatedPolicy, EvaluationRecord, EvaluationSettings } from '../storage/records.ts';

/** How an evaluation goes on. */
export interface EvaluationUpdate {
  readonly id: string;
  readonly settings: EvaluationSettings;
  readonly policies: readonly EvaluatedPolicy[];
  /** In [0, 1]. */
  readonly fraction: number;
  readonly phase: string;
  /** At the rate of this session; null before the first cell is done. */
  readonly secondsLeft: number | null;
  /** Since the last update; the first ones are those of earlier sessions. */
  readonly scores: readonly CellScore[];
}

/** How often one policy was right under one persona. */
export interface CellScore {
  /** Place in the evaluation's policies. */
  readonly policy: number;
  readonly personaId: string | null;
  readonly correct: number;
  readonly total: number;
}

/** Goes on with an unfinished one. */
export interface Continued {
  readonly id: string;
  /** What of `changes` is taken over. */
  readonly accept?: readonly string[];
}

/** Finished evaluations come without their reports, which are read one at a time. */
export type EvaluationInfo = Omit<EvaluationRecord, 'reports'> & { readonly finished: boolean };

export interface AskedQuestion {
  readonly question: string;
  /** Null: an open question. */
  readonly answer: string | null;
  /** In the order of the evaluation's policies, each with its samples; null: not asked yet. */
  readonly policies: readonly (readonly { readonly text: string; readonly ended: boolean; readonly correct: boolean | null }[] | null)[];
}
