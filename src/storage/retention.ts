/** What storage keeps of a run by itself, and what makes room. The reader's own checkpoints are never touched. Pure functions. */
import type { CheckpointInfo } from './records.ts';

/** Newest autosaves of a run that stay. */
export const keptAutosaves = 3;
/** Rollouts of the newest steps stay, and beyond them those of every nth step. */
export const keptRolloutSteps = 50;
export const keptRolloutInterval = 10;

/** The autosaves that may go: all but the newest three and the one with the highest reward. */
export function retiredCheckpoints<T extends Dated & Pick<CheckpointInfo, 'kept' | 'reward'>>(checkpoints: readonly T[]): readonly T[] {
  const autosaves = checkpoints.filter((checkpoint) => !checkpoint.kept).sort(newestFirst);
  let best: T | null = null;
  for (const checkpoint of autosaves) {
    if (checkpoint.reward !== null && checkpoint.reward > (best?.reward ?? -Infinity)) best = checkpoint;
  }
  return autosaves.slice(keptAutosaves).filter((checkpoint) => checkpoint !== best);
}

/** The step whose rollouts may go once those of `step` are stored; null: none. */
export function retiredRolloutStep(step: number): number | null {
  const old = step - keptRolloutSteps;
  return old > 0 && old % keptRolloutInterval !== 0 ? old : null;
}

type Dated = Pick<CheckpointInfo, 'step' | 'created'>;

/** For sorting: by step, then by time. */
export function newestFirst(a: Dated, b: Dated): number {
  return b.step - a.step || b.created - a.created;
}
