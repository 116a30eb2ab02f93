/**
 * What is laid over the run on view, up to four: runs, each with all other runs of its settings, which differ in their seed only, read from
 * storage and again now and then where they still train; and logs of another trainer (`exchange/trainer-log.ts`), which are one run each.
 */
import { LabError } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { TrainerLog } from '../exchange/trainer-log.ts';
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
  /** Null: a log, which has no settings. */
  readonly config: RunConfig | null;
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
      this.remove(key);
      return;
    }
    if (this.full) return;
    const group = { key, title: runTitle(run.config), config: run.config, ...this.#free() };
    const read = await this.#read(key, runs);
    // Meanwhile it may have been pinned once more.
    if (!this.has(run.config) && !this.full) this.groups = [...this.groups, { ...group, runs: read }];
  }

  /** Lays a log over the charts; false where the same one is there already. @param key what is in it  @throws LabError 'usage' where four are there */
  addLog(key: string, { name, steps }: Pick<TrainerLog, 'name' | 'steps'>): boolean {
    if (this.groups.some((group) => group.key === key)) return false;
    if (this.full) {
      throw new LabError(
        'usage',
        `${name} is not laid over the charts: ${mostPinned} curves are there already.`,
        'Remove one of them first.',
      );
    }
    const titles = this.groups.map(({ title }) => title);
    let [title, n] = [name, 2];
    while (titles.includes(title)) title = `${name} (${n++})`;
    this.groups = [...this.groups, { key, title, config: null, ...this.#free(), runs: [{ id: key, seed: 0, steps, heldOut: [] }] }];
    return true;
  }

  remove(key: string): void {
    this.groups = this.groups.filter((group) => group.key !== key);
  }

  #free(): Pick<PinnedGroup, 'colour' | 'dash'> {
    const free = colours.findIndex((colour) => !this.groups.some((group) => group.colour === colour));
    return { colour: colours[free]!, dash: dashes[free]! };
  }

  /** What trains, and what was deleted. */
  async refresh(runs: readonly RunRecord[]): Promise<void> {
    const groups: PinnedGroup[] = [];
    for (const group of this.groups) {
      const read = group.config === null ? group.runs : await this.#read(group.key, runs);
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
