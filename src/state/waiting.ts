/** Which stored run waits to be continued, so that the page offers it; and which one took too much to go on. */
import type { LabErrorCode } from '../errors.ts';
import type { RunRecord } from '../storage/records.ts';

/**
 * The one that was open and failed, else the one that this tab saw last, else the newest that was left in the middle; never one that has
 * not made a step, which is begun again as easily. One that failed before the last visit is offered as long as no newer one was begun: its
 * checkpoints are whole, and whoever failed for a device may go on with another.
 * @param runs newest first  @param open the run that was open last in this page; null: none  @param seen the one that this tab saw last
 */
export function waitingRun(runs: readonly RunRecord[], open: string | null, seen: string | null = null): RunRecord | null {
  const unfinished = runs.filter((run) => run.step > 0 && run.step < run.config.steps);
  const failed = unfinished.find((run) => run.status === 'failed' && run.id === open);
  if (failed) return failed;
  const last = unfinished.find((run) => run.id === seen && run.status === 'paused');
  if (last) return last;
  return unfinished.find((run) => run.status === 'paused' || (run.status === 'failed' && run === runs[0])) ?? null;
}

/** Of a device or a module that fails again and again, too much work at once is the likeliest cause. */
const shortOfMemory: ReadonlySet<string> = new Set<LabErrorCode>(['memory', 'webgpu', 'wasm']);

/** Whether the run failed for want of memory. */
export const tooLarge = (run: RunRecord | undefined): run is RunRecord =>
  run?.status === 'failed' && shortOfMemory.has(run.failureCode ?? '');
