/**
 * A recorded run shown again, step by step, through the charts of a live one. Nothing is computed and no worker is needed; what is recorded
 * is `exchange/recording.ts`.
 */
import { readRecording, recordedMetrics, recordedRollouts, type RecordedRun, type Recording } from '../exchange/recording.ts';
import { personas, voices } from '../persona/world.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import { HeldOut } from './held-out.svelte.ts';
import { Metrics } from './metrics.svelte.ts';
import { RolloutsState } from './rollouts.svelte.ts';
import { fetchOnce, recordingAddress, type Fetched } from './fetched.ts';
import { errorSentence } from './sentence.ts';
import type { Stage } from './stage.ts';

/** Steps a second. */
export const speeds = [2, 5, 10, 25] as const;

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

export class Replay {
  recording = $state.raw<Recording | null>(null);
  runs = $state.raw<readonly ReplayedRun[]>([]);
  /** Why there is nothing to replay. */
  problem = $state<string | null>(null);
  step = $state(0);
  playing = $state(false);
  speed = $state<(typeof speeds)[number]>(10);
  #timer: ReturnType<typeof setTimeout> | undefined;

  get steps(): number {
    return this.recording?.runs[0]?.config.steps ?? 0;
  }

  async load(): Promise<void> {
    this.problem = null;
    try {
      // Some hosts answer a missing file with their front page.
      const there = ({ ok, contentType, text }: Fetched) => (ok && /json/.test(contentType) ? readRecording(text) : null);
      const recording = await fetchOnce(recordingAddress, there);
      if (!recording) {
        this.problem = 'There is no recorded run beside this page. In a checkout, npm run record makes one.';
        return;
      }
      this.recording = recording;
      this.runs = recording.runs.map((run) => new ReplayedRun(run));
      // The end of the story first; Play tells it from the beginning.
      this.seek(this.steps);
    } catch (error) {
      this.problem =
        error instanceof TypeError ? 'The recorded run could not be fetched. Check the connection and try again.' : errorSentence(error);
    }
  }

  seek(step: number): void {
    this.step = Math.max(0, Math.min(this.steps, Math.round(step)));
    for (const run of this.runs) run.show(this.step);
  }

  /** By hand, so the playing stops. */
  go(step: number): void {
    this.pause();
    this.seek(step);
  }

  play(): void {
    if (this.step >= this.steps) this.seek(0);
    this.playing = true;
    this.#next();
  }

  pause(): void {
    this.playing = false;
    clearTimeout(this.#timer);
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  #next(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.playing) return;
      this.seek(this.step + 1);
      if (this.step >= this.steps) this.pause();
      else this.#next();
    }, 1000 / this.speed);
  }
}
