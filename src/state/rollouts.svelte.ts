/** Which step's rollouts are on view, which of them the filter lets through, which group is open, and which token is pinned. */
import { errorSentence } from '../errors.ts';
import type { Persona } from '../persona/persona.ts';
import type { RolloutRecord } from '../rl/events.ts';
import type { TrainerApi } from '../worker/api.ts';
import { PinnedToken } from './pinned-token.svelte.ts';
import { everything, filterGroups, groupRollouts, type RolloutFilter, type RolloutGroup, type ShownGroup } from './rollout-groups.ts';
import { personaById } from './voices.ts';

/** The group whose rollouts differ most: the one that teaches most. */
function mostMixed(groups: readonly RolloutGroup[]): number {
  const evenness = groups.map(({ correct, rollouts }) => Math.min(correct, rollouts.length - correct));
  return Math.max(0, evenness.indexOf(Math.max(...evenness)));
}

/** What a recording has none of. */
export type RolloutsApi = Pick<TrainerApi, 'rollouts' | 'rolloutSteps' | 'alternatives'>;

export class RolloutsState {
  /** Step on view; 0: none yet. */
  step = $state(0);
  /** Those that have rollouts, ascending. */
  steps = $state.raw<readonly number[]>([]);
  /** Stays on the newest step. */
  follow = $state(true);
  groups = $state.raw<readonly RolloutGroup[]>([]);
  filter = $state.raw<RolloutFilter>(everything);
  readonly shown: readonly ShownGroup[] = $derived.by(() =>
    filterGroups(this.groups, this.filter, (id) => personaById(this.#personas(), id)?.voice ?? null),
  );
  selected = $state(0);
  readonly pinned: PinnedToken;
  loading = $state(false);
  problem = $state<string | null>(null);

  /** The reader chose a group; until then the most telling one is open. */
  #chosen = false;
  #runId: string | null = null;
  #request = 0;
  readonly #api: (() => RolloutsApi) | null;
  readonly #personas: () => readonly Persona[];

  /** @param api null: the rollouts come by `receive` alone */
  constructor(api: (() => RolloutsApi) | null, personas: () => readonly Persona[]) {
    this.#api = api;
    this.#personas = personas;
    this.pinned = new PinnedToken(api && ((request) => api().alternatives({ ...request, runId: this.#runId! })));
  }

  get newest(): number {
    return this.steps.at(-1) ?? 0;
  }

  get group(): ShownGroup | null {
    return this.shown[Math.min(this.selected, this.shown.length - 1)] ?? null;
  }

  select(index: number): void {
    this.selected = index;
    this.#chosen = true;
    this.pinned.clear();
  }

  /** What is asked for is what comes first: the most telling of the groups that pass. */
  narrow(change: Partial<RolloutFilter>): void {
    this.filter = { ...this.filter, ...change };
    this.#chosen = false;
    this.selected = mostMixed(this.shown);
    this.pinned.clear();
  }

  /** A token that is looked at stays on view while the run goes on. */
  pin(rollout: RolloutRecord, at: number): void {
    this.follow = false;
    this.pinned.pin(rollout, at);
  }

  /** Another run comes on view. */
  async open(runId: string | null): Promise<void> {
    this.#chosen = false;
    this.#runId = runId;
    const request = ++this.#request;
    this.step = 0;
    this.steps = [];
    this.follow = true;
    this.groups = [];
    this.problem = null;
    this.pinned.clear();
    if (!runId || !this.#api) return;
    try {
      await this.#list();
      if (request === this.#request && this.newest > 0) await this.show(this.newest);
    } catch (error) {
      if (request === this.#request) this.problem = errorSentence(error);
    }
  }

  /** The steps that are kept. */
  async #list(): Promise<void> {
    const runId = this.#runId;
    if (!runId || !this.#api) return;
    const steps = await this.#api().rolloutSteps(runId);
    // A step may have come meanwhile.
    if (runId === this.#runId) this.steps = [...steps, ...this.steps.filter((step) => step > (steps.at(-1) ?? 0))];
  }

  /** The running run made a step; after a recovery, one that it had made before. */
  receive(step: number, rollouts: readonly RolloutRecord[]): void {
    const earlier = this.steps.filter((other) => other < step);
    this.steps = [...earlier, step];
    // Of steps that come fast only the newest is sent; the others are kept all the same. What fails here
    // fails again, with a sentence, where a step is asked for.
    if ((earlier.at(-1) ?? 0) < step - 1) void this.#list().catch(() => {});
    if (!this.follow) return;
    this.#request++;
    this.loading = false;
    this.problem = null;
    this.#set(step, rollouts);
  }

  /** The run is trained elsewhere: what has been stored of it since. */
  async catchUp(): Promise<void> {
    const { newest } = this;
    await this.#list();
    if (this.follow && this.newest > newest) await this.show(this.newest);
  }

  async show(step: number): Promise<void> {
    if (!this.#runId || !this.#api || step < 1) return;
    const request = ++this.#request;
    this.step = step;
    this.follow = step === this.newest;
    this.loading = true;
    try {
      const rollouts = await this.#api().rollouts(this.#runId, step);
      if (request !== this.#request) return;
      this.problem = rollouts.length ? null : `The rollouts of step ${step} are not stored any more.`;
      this.#set(step, rollouts);
    } catch (error) {
      if (request === this.#request) this.problem = errorSentence(error);
    } finally {
      if (request === this.#request) this.loading = false;
    }
  }

  #set(step: number, rollouts: readonly RolloutRecord[]): void {
    this.step = step;
    this.groups = groupRollouts(rollouts);
    this.pinned.clear();
    if (!this.#chosen || this.selected >= this.shown.length) this.selected = mostMixed(this.shown);
  }
}
