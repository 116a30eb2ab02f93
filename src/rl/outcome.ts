/** What a step of training leaves behind, before anything is said about it. Types only. */
import type { Scores, StepMetrics } from '../engine/engine.ts';
import type { TrainerState } from './events.ts';
import type { PhaseClock } from './phases.ts';
import type { Sample } from './sample.ts';

/** Everything a step produced. */
export interface StepOutcome {
  readonly sample: Sample;
  /** [R, C] */
  readonly mask: Uint8Array;
  /** [R, C] log-probs under the reference, where they were needed. */
  readonly reference: Float32Array | null;
  /** [R] */
  readonly advantages: Float32Array;
  /** One per inner epoch; empty where nothing is learned. */
  readonly updates: readonly StepMetrics[];
  /** [R, C] as the last of several passes met the rollouts; null where there was one. */
  readonly lastPass: Scores | null;
  readonly clock: PhaseClock;
  /** After the step. */
  readonly state: TrainerState;
}
