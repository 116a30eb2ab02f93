/** What a run of training is given. Types only. */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona } from '../persona/persona.ts';
import type { Question } from '../tasks/question.ts';
import type { ImportedSets } from '../tasks/source.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { RunConfig } from './config.ts';
import type { TrainerState } from './events.ts';
import type { StepPhase } from './phases.ts';

export interface TrainerSetup {
  /** Holding the weights of `state`, and with its reference set to the run's base policy (`setReference`). */
  readonly engine: PolicyEngine;
  /** Sequence distillation only: a frozen policy with the same tokenizer, whose right replies are the lessons. */
  readonly teacher?: PolicyEngine;
  readonly tokenizer: Tokenizer;
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  /** The whole library; the mix chooses. */
  readonly personas: readonly Persona[];
  readonly config: RunConfig;
  /** Those that the configuration names, read; absent: it names none. */
  readonly sets?: ImportedSets;
  readonly state: TrainerState;
  /** Checked between phases; a step that is aborted has changed nothing. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: StepPhase, fraction: number) => void;
  /** Told before the first step what the reader has to know of this run. */
  readonly onNotice?: (sentence: string) => void;
  /** Set by `measured`: whether the policy has room for a question under every persona of the mix. */
  readonly fits?: (question: Question) => boolean;
}
