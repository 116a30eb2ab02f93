/** One recorded run as the charts read a live one. What is recorded is `exchange/recording.ts`; how it is played is `replay.svelte.ts`. */
import { recordedMetrics, recordedRollouts, type RecordedRun } from '../exchange/recording.ts';
import { personas, voices } from '../persona/world.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import { HeldOut } from './held-out.svelte.ts';
import { Metrics } from './metrics.svelte.ts';
import { RolloutsState } from './rollouts.svelte.ts';
import type { Stage } from './stage.ts';

export class ReplayedRun implements Stage {
  readonly metrics = new Metrics();
  readonly rollouts = new RolloutsState(null, () => personas);
  readonly heldOut = new HeldOut();
  readonly voices = voices;
  readonly personas = personas;
  readonly recipe: RecipeName;
  readonly config: RunConfig;
  /** Axes stand still while the film runs. */
  readonly end: number;

  /** @throws LabError 'config' for settings that no run has */
  constructor(readonly recorded: RecordedRun) {
    this.config = parseRunConfig(recorded.config);
    this.recipe = recorded.config.recipe;
    this.end = recorded.config.steps;
    this.metrics.clear((id) => personas.find((persona) => persona.id === id)?.voice ?? id);
  }

  /** As it stood after a step; 0 is before the first. */
  show(step: number): void {
    if (step < this.metrics.length) this.metrics.clear();
    const from = this.metrics.length;
    this.metrics.appendRows(
      Array.from({ length: step - from }, (_, i) => ({
        step: from + i + 1,
        metrics: recordedMetrics(this.recorded, from + i + 1),
        personas: this.recorded.personas[from + i]!,
      })),
    );
    this.heldOut.show(this.recorded.heldOut.filter((evaluation) => evaluation.step <= step));
    const kept = recordedRollouts(this.recorded, step);
    if (!kept) void this.rollouts.open(null);
    else if (kept.step !== this.rollouts.step) this.rollouts.receive(kept.step, kept.rollouts);
  }
}
