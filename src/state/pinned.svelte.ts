/**
 * Runs that are laid over the one on view: up to four, each with all other runs of its settings, which differ in their seed only. They are
 * read from storage; what still trains is read again now and then.
 */
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { runTitle } from '../rl/differences.ts';
import type { RunConfig } from '../rl/config.ts';
import type { StepRow } from '../rl/events.ts';
import type { RunRecord } from '../storage/records.ts';
import type { TrainerApi } from '../worker/api.ts';

export interface PinnedRun {
  readonly id: string;
  readonly seed: number;
  readonly steps: readonly { readonly step: number; readonly metrics: StepRow }[];
  readonly heldOut: readonly HeldOutEvaluation[];
}

export interface PinnedGroup {
  readonly key: string;
  readonly title: string;
  readonly config: RunConfig;
  /** A CSS custom property, and how its line is dashed: no two alike in both. */
  readonly colour: string;
  readonly dash: readonly number[];
  readonly runs: readonly PinnedRun[];
}

export const mostPinned = 4;
const colours = ['--run-1', '--run-2', '--run-3', '--run-4'];
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** Equal for runs that differ in nothing but their seed and what does not train. */
export function settingsKey(config: RunConfig): string {
  return JSON.stringify({ ...config, seed: 0, steps: 0, checkpointEvery: 0, heldOut: null });
}

export class Pinned {
  groups = $state.raw<readonly PinnedGroup[]>([]);

  constructor(private readonly api: () => Pick<TrainerApi, 'history'>) {}

  has(config: RunConfig): boolean {
    return this.groups.some(({ key }) => key === settingsKey(config));
  }

  get full(): boolean {
    return this.groups.length >= mostPinned;
  }

  /** @param runs all there are  @throws as `TrainerApi.history` */
  async toggle(run: RunRecord, runs: readonly RunRecord[]): Promise<void> {
    const key = settingsKey(run.config);
    if (this.has(run.config)) {
      this.groups = this.groups.filter((group) => group.key !== key);
      return;
    }
    if (this.full) return;
    const free = colours.findIndex((colour) => !this.groups.some((group) => group.colour === colour));
    const group = { key, title: runTitle(run.config), config: run.config, colour: colours[free]!, dash: dashes[free]! };
    const read = await this.#read(key, runs);
    // Meanwhile it may have been pinned once more.
    if (!this.has(run.config) && !this.full) this.groups = [...this.groups, { ...group, runs: read }];
  }

  /** What trains, and what was deleted. */
  async refresh(runs: readonly RunRecord[]): Promise<void> {
    const groups: PinnedGroup[] = [];
    for (const group of this.groups) {
      const read = await this.#read(group.key, runs);
      if (read.length > 0) groups.push({ ...group, runs: read });
    }
    this.groups = groups.filter(({ key }) => this.groups.some((group) => group.key === key));
  }

  async #read(key: string, runs: readonly RunRecord[]): Promise<PinnedRun[]> {
    const read: PinnedRun[] = [];
    for (const { id, config } of runs.filter((run) => settingsKey(run.config) === key)) {
      const { steps, heldOut } = await this.api().history(id);
      read.push({ id, seed: config.seed, steps, heldOut });
    }
    return read;
  }
}
