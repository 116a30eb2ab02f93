/** What an evaluation is asked for, and what it needs to answer. */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import type { Reader } from './plan.ts';
import type { QuestionSet } from './questions.ts';
import type { Reply } from './replies.ts';

export interface Candidate extends Reader {
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  /** An engine with this policy's weights; asked for at most twice, and only when there is something to compute. */
  open(): Promise<AskedEngine>;
  /** The engine is no longer needed. */
  close(engine: AskedEngine): Promise<void> | void;
}

/** What an evaluation needs of an engine: it may be one that is lent call by call. */
export type AskedEngine = Pick<PolicyEngine, 'generate' | 'score'>;

/** What a persona is asked: problems with an answer, and open questions that show its voice. */
export const replyKinds = ['task', 'roleplay'] as const;
export type ReplyKind = (typeof replyKinds)[number];

/** What one persona said, or how likely each persona is to say it: [replies][P] nats. */
export type Cell = { readonly replies: readonly Reply[] } | { readonly logprobs: readonly (readonly number[])[] };

/** Finished cells of this very request; the caller sees to it that it is the same one. */
export interface CellStore {
  read(key: string): Cell | undefined;
  write(key: string, cell: Cell): Promise<void> | void;
}

export interface EvaluationRequest {
  readonly policy: Candidate;
  /** The frozen base; null: the policy is its own. It must share the policy's tokenizer where fidelity is measured. */
  readonly base: Candidate | null;
  /** At least two; "no persona" is always asked beside them. */
  readonly personas: readonly Persona[];
  readonly voices: readonly Voice[];
  readonly questions: QuestionSet;
  /** Problems per persona; fewer where the set has fewer. */
  readonly problems: number;
  readonly samples: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly seed: number;
  readonly maxNewTokens: number;
  /** Replies per persona that fidelity is measured on, of each kind; 0: fidelity is not measured. */
  readonly fidelityReplies: number;
  /** Rows of one generation or scoring. */
  readonly batchRows?: number;
  readonly cells?: CellStore;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  readonly signal?: AbortSignal;
}

export interface EvaluationProgress {
  /** In [0, 1], finished cells included. */
  readonly fraction: number;
  readonly phase: string;
  /** Cells done, and in all. */
  readonly cells: number;
  readonly total: number;
}
