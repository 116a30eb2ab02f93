/** The training loop. (Signature first; the body follows.) */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona } from '../persona/persona.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { RunConfig } from './config.ts';
import type { Phase, StepReport, TrainerState } from './events.ts';

export interface TrainerSetup {
  /** Holding the weights of `state`, and with its reference set to the run's base policy (`setReference`). */
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  /** The whole library; the mix chooses. */
  readonly personas: readonly Persona[];
  readonly config: RunConfig;
  readonly state: TrainerState;
  /** Checked between phases; a run that is aborted within a step has changed nothing in that step. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: Phase, fraction: number) => void;
}

/** Where a run begins. */
export const initialTrainerState: TrainerState = { step: 0, cursor: 0, tokens: 0, nonFiniteStreak: 0 };

export async function* train(setup: TrainerSetup): AsyncGenerator<{ report: StepReport; state: TrainerState }> {
  if (setup.state.step < 0) throw new Error('not yet');
}
