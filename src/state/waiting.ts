/** Which stored run waits to be continued, so that the page offers it. */
import type { RunRecord } from '../storage/records.ts';

/**
 * The one that was open and failed, else the newest that was left in the middle. One that failed before the last visit is offered as long
 * as no newer one was begun: its checkpoints are whole, and whoever failed for a device may go on with another.
 * @param runs newest first  @param open the run that was open last in this page; null: none
 */
export function waitingRun(runs: readonly RunRecord[], open: string | null): RunRecord | null {
  const unfinished = runs.filter((run) => run.step < run.config.steps);
  const failed = unfinished.find((run) => run.status === 'failed' && run.id === open);
  if (failed) return failed;
  return unfinished.find((run) => run.status === 'paused' || (run.status === 'failed' && run === runs[0])) ?? null;
}
