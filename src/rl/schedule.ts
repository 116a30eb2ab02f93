/** The learning rate over a run: linear warm-up, then constant, linear or cosine decay. */
import type { OptimSpec } from '../engine/engine.ts';
import { noSuch } from '../errors.ts';
import type { RunConfig, Schedule } from './config.ts';

/** The factor on the learning rate at step `step` of `steps`, from 0: above 0 at every step, 1 at the end of the warm-up. */
export function learningRateFactor(schedule: Schedule, warmupSteps: number, steps: number, step: number): number {
  // Unlike transformers' schedules the first warm-up step is not 0: a step that moves nothing is a wasted batch.
  if (step < warmupSteps) return (step + 1) / (warmupSteps + 1);
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  switch (schedule) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 - done;
    case 'cosine':
      return 0.5 * (1 + Math.cos(Math.PI * done));
    default:
      return noSuch('schedule', schedule);
  }
}

/** The optimiser's settings at a step. */
export function optimAt(config: RunConfig, step: number): OptimSpec {
  const { schedule, warmupSteps, learningRate, ...optim } = config.optim;
  return { ...optim, learningRate: learningRate * learningRateFactor(schedule, warmupSteps, config.steps, step) };
}
