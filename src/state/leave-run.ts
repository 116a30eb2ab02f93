/**
 * A run is deleted, and can be had back for a while (`undo.svelte.ts`): what it put on view goes with it, and comes back with it where nothing
 * else has taken its place. What is stored of it is `Library.deleteRun`'s business.
 */
import type { RunRecord } from '../storage/records.ts';
import type { Library } from './library.svelte.ts';
import type { Notices } from './notices.svelte.ts';
import type { Probe } from './probe.svelte.ts';
import type { Race } from './race.svelte.ts';
import type { RolloutsState } from './rollouts.svelte.ts';
import { idle, type SessionState } from './session.ts';
import type { Undo } from './undo.svelte.ts';

/** What of the page a run can be on. */
interface OnView {
  session: SessionState;
  readonly viewed: string | null;
  readonly library: Library;
  readonly notices: Notices;
  readonly probe: Probe;
  readonly race: Race;
  readonly rollouts: Pick<RolloutsState, 'step' | 'follow' | 'show'>;
  readonly undo: Undo;
  view(runId: string): Promise<void>;
}

/** @param clear takes charts and rollouts off view */
export function leaveRun(page: OnView, { id, name }: RunRecord, clear: () => void): void {
  const { session, library } = page;
  const { step, follow } = page.rollouts;
  const back: (() => void)[] = [];
  if (session.runId === id) {
    page.session = idle;
    back.push(() => {
      if (page.session === idle) page.session = session;
    });
  }
  if (page.viewed === id) {
    back.push(page.probe.forget(['current', ...(library.checkpoints[id] ?? []).map((checkpoint) => checkpoint.id)]));
    clear();
    back.push(() => {
      if (page.viewed === null) void page.view(id).then(() => follow || void page.rollouts.show(step));
    });
  }
  if (page.race.armOf(id) !== null) back.push(page.race.part());
  page.notices.forget(id);
  page.undo.leave(
    id,
    `the run ${name}`,
    () => library.deleteRun(id),
    () => back.forEach((again) => again()),
  );
}
