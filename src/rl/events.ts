/** What the trainer reports while it runs. Types only. */
import type { MetricName } from './metric-names.ts';
import type { StepPhase } from './phases.ts';

/** A metric that was not computed in a step is absent. */
export type StepRow = Readonly<Partial<Record<MetricName, number>>>;

/** One rollout as the page shows it and as storage keeps it. */
export interface RolloutRecord {
  readonly step: number;
  readonly row: number;
  /** `question|persona|occurrence` or `question|occurrence`, never the prompt text. */
  readonly group: string;
  readonly personaId: string | null;
  readonly questionId: string;
  readonly task: string;
  readonly question: string;
  readonly answer: string;
  readonly prompt: string;
  readonly completion: string;
  /** Completion tokens as text, for the token strip. */
  readonly pieces: readonly string[];
  readonly logprobs: readonly number[];
  readonly entropies: readonly number[];
  readonly reward: number;
  readonly advantage: number;
  readonly correct: boolean;
  readonly ended: boolean;
  readonly parsed: string | null;
  readonly reason: string;
}

/** Accuracy of the step's rollouts by persona id; the key `none` is "no persona". */
export type PersonaAccuracy = Readonly<Record<string, { readonly correct: number; readonly total: number }>>;

export interface StepReport {
  /** Steps done, from 1. */
  readonly step: number;
  readonly metrics: StepRow;
  readonly personas: PersonaAccuracy;
  readonly rollouts: readonly RolloutRecord[];
  /** Seconds by phase. */
  readonly seconds: Readonly<Record<StepPhase, number>>;
}

/** The trainer's own counters: with the engine's PolicyState, all that a resumed run needs. */
export interface TrainerState {
  readonly step: number;
  /** Questions drawn so far (data cursor). */
  readonly cursor: number;
  /** Prompt and completion tokens processed so far (`num_tokens`). */
  readonly tokens: number;
  /** Steps in a row whose update was skipped as non-finite. */
  readonly nonFiniteStreak: number;
}
