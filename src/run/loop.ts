/**
 * A run from where it stands to its end, for page and command line alike: the trainer's steps, and between them the held-out questions that
 * are due. It stores nothing; whoever pulls stores what comes, and the run stands where the last `state` says, whatever stops it.
 */
import { evaluationDue, type HeldOutEvaluation } from '../evaluate/held-out.ts';
import { heldOutEvaluation } from '../evaluate/held-out-questions.ts';
import type { Voice } from '../persona/persona.ts';
import { askingOf } from '../rl/asking.ts';
import type { StepReport, TrainerState } from '../rl/events.ts';
import type { TrainerSetup } from '../rl/setup.ts';
import { measured, train } from '../rl/trainer.ts';

export interface RunSetup extends TrainerSetup {
  /** That replies are recognised by. */
  readonly voices: readonly Voice[];
  /** Steps whose evaluation is stored already: it is not done again. */
  readonly evaluated: readonly number[];
  readonly onEvaluation?: (step: number, fraction: number) => void;
}

export type RunEvent =
  | { readonly kind: 'step'; readonly report: StepReport; readonly state: TrainerState }
  /** Of the policy as it is; nothing else has moved. */
  | { readonly kind: 'evaluation'; readonly evaluation: HeldOutEvaluation };

/** @throws LabError as `train` does; 'cancelled' when the signal is aborted, in an evaluation too */
export async function* runSteps(given: RunSetup): AsyncGenerator<RunEvent> {
  const setup = { ...given, ...measured(given) };
  const evaluate = async (step: number) =>
    heldOutEvaluation({ ...setup, asking: askingOf(setup.config), step, onProgress: (fraction) => setup.onEvaluation?.(step, fraction) });
  const due = (step: number) => evaluationDue(setup.config, step) && !setup.evaluated.includes(step);
  if (due(setup.state.step)) yield { kind: 'evaluation', evaluation: await evaluate(setup.state.step) };
  for await (const { report, state } of train(setup)) {
    yield { kind: 'step', report, state };
    if (due(state.step)) yield { kind: 'evaluation', evaluation: await evaluate(state.step) };
  }
}
