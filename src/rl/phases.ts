/** The phases of one step: their seconds, their progress, and the only places where a step can be aborted. */
import { LabError } from '../errors.ts';
/** What a step consists of, in its order. */
export const stepPhases = ['generate', 'verify', 'score', 'update'] as const;
export type StepPhase = (typeof stepPhases)[number];

/** Of one step; made anew for each. */
export class PhaseClock {
  /** Seconds spent so far, by phase. */
  readonly seconds: Record<StepPhase, number> = { generate: 0, verify: 0, score: 0, update: 0 };
  readonly #started = performance.now();
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: ((phase: StepPhase, fraction: number) => void) | undefined;

  constructor(signal?: AbortSignal, onProgress?: (phase: StepPhase, fraction: number) => void) {
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /** Seconds since the step began. */
  get elapsed(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** @throws LabError 'cancelled' when the signal is already aborted; the work itself is never cut here */
  async run<T>(phase: StepPhase, work: (progress: (fraction: number) => void) => T | Promise<T>): Promise<T> {
    if (this.#signal?.aborted) throw new LabError('cancelled', 'The run was stopped within a step.', 'Resume it from its last checkpoint.');
    const started = performance.now();
    this.#onProgress?.(phase, 0);
    const result = await work((fraction) => this.#onProgress?.(phase, fraction));
    this.#onProgress?.(phase, 1);
    this.seconds[phase] += (performance.now() - started) / 1000;
    return result;
  }
}
