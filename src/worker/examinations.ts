/** The two examinations of policies, and what each is asked for with, tells while it goes on, and comes to. Types only; a part of `api.ts`. */
import type { JudgementRecord } from '../storage/judgements.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import type { Continued, EvaluationInfo, EvaluationUpdate } from './evaluation-api.ts';
import type { ContinuedJudging, JudgementInfo, JudgementView, JudgingUpdate, NewJudging } from './judge-api.ts';

export interface Examinations {
  /** The project's own measures: stability, fidelity, accuracy. */
  readonly evaluation: {
    readonly request: EvaluationSettings | Continued;
    readonly update: EvaluationUpdate;
    readonly info: EvaluationInfo;
    readonly record: EvaluationRecord;
    readonly result: EvaluationRecord;
  };
  /** PersonaGym's scores, by a judge of the reader's. */
  readonly judgement: {
    readonly request: NewJudging | ContinuedJudging;
    readonly update: JudgingUpdate;
    readonly info: JudgementInfo;
    readonly record: JudgementRecord;
    readonly result: JudgementView;
  };
}

export type ExaminationKind = keyof Examinations;
