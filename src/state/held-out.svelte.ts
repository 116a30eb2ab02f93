/** What a run's policies answered to the held-out questions, step by step, as far as it is known here. Which run is others' business. */
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';

export class HeldOut {
  /** Ascending steps. */
  evaluations = $state.raw<readonly HeldOutEvaluation[]>([]);

  get first(): HeldOutEvaluation | null {
    return this.evaluations[0] ?? null;
  }

  get latest(): HeldOutEvaluation | null {
    return this.evaluations.at(-1) ?? null;
  }

  show(evaluations: readonly HeldOutEvaluation[]): void {
    this.evaluations = evaluations;
  }

  /** After a recovery a step comes again, and what was after it with it. */
  receive(evaluation: HeldOutEvaluation): void {
    this.evaluations = [...this.evaluations.filter(({ step }) => step < evaluation.step), evaluation];
  }
}
