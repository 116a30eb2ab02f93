/**
 * Runs that another tab of this browser trains, followed by what that tab stores: which they are, the steps of the one on view as they come,
 * and when no tab trains them any more. It reads and never writes. Whether a run is alive is told by its lock (`worker/locks.ts`), which
 * the browser releases with its tab.
 */
import type { RunRecord } from '../storage/records.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { HeldOut } from './held-out.svelte.ts';
import type { Library } from './library.svelte.ts';
import type { Metrics } from './metrics.svelte.ts';
import type { Race } from './race.svelte.ts';
import type { RolloutsState } from './rollouts.svelte.ts';

interface Followed {
  readonly api: Pick<TrainerApi, 'history'>;
  readonly library: Library;
  readonly race: Race;
  readonly metrics: Metrics;
  readonly heldOut: HeldOut;
  readonly rollouts: RolloutsState;
  /** The run on view. */
  readonly viewed: string | null;
  /** Whether this tab trains it. */
  trains(runId: string): boolean;
}

export class Following {
  /** Newest first. */
  readonly runs: readonly RunRecord[] = $derived.by(() =>
    this.page.library.runs.filter(({ id, status }) => status === 'running' && !this.page.trains(id)),
  );
  /** One that was followed until no tab trained it any more; null: none. */
  left = $state<string | null>(null);
  #looking = false;

  constructor(private readonly page: Followed) {}

  follows(runId: string | null): boolean {
    return this.runs.some(({ id }) => id === runId);
  }

  /** Looks once; one look at a time. What fails here fails again, with a sentence, where the reader asks for something. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const before = this.runs;
      await this.page.library.look();
      const gone = before.filter(({ id }) => !this.follows(id) && !this.page.trains(id));
      const followed = [...this.runs, ...gone].map(({ id }) => id);
      if (this.page.viewed && followed.includes(this.page.viewed)) await this.#read(this.page.viewed);
      this.page.race.follow(this.runs);
      const { pair } = this.page.race;
      if (pair && followed.includes(pair.permix)) await this.page.race.read();
      const left = gone.find(({ id }) => id === this.page.viewed) ?? gone[0];
      if (left) this.left = left.id;
    } catch {
      // See above.
    } finally {
      this.#looking = false;
    }
  }

  async #read(runId: string): Promise<void> {
    const { api, library, metrics, heldOut, rollouts } = this.page;
    const history = await api.history(runId, metrics.lastStep);
    if (this.page.viewed !== runId) return;
    metrics.appendRows(history.steps);
    heldOut.show(history.heldOut);
    library.receive(runId, history.checkpoints);
    await rollouts.catchUp();
  }
}
