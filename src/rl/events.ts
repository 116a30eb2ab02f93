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
  // What follows is absent in rollouts that an earlier version stored.
  /** Ids of `pieces`. */
  readonly tokens?: readonly number[];
  /** Tokens of the whole completion, its EOS included; the lists may stop earlier. */
  readonly length?: number;
  /** Of `pieces`, under the frozen reference; only of steps that have them. */
  readonly refLogprobs?: readonly number[];
  /** Only where a batch is passed over several times: in one pass the policy is the one that sampled, and the ratio is 1. */
  readonly lastPass?: LastPass;
  readonly batch?: BatchFacts;
}

/** The rollout under the policy that the last of several passes met. */
export interface LastPass {
  /** Of `pieces`. */
  readonly logprobs: readonly number[];
  readonly entropies: readonly number[];
  /** Sum over all tokens of the completion of these log-probs less the sampler's. */
  readonly logRatio: number;
}

/** What a row's weight and advantage take from the other rows of its step. */
export interface BatchFacts {
  readonly rows: number;
  /** Of all completions, their EOS included. */
  readonly tokens: number;
  /** Of those that ended. */
  readonly endedTokens: number;
  /** Sample deviation of all rewards. */
  readonly rewardStd: number;
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
