/** Which step's rollouts are on view, gathered into groups, and which group is open. */
import type { RolloutRecord } from '../rl/events.ts';
import type { TrainerApi } from '../worker/api.ts';
import { errorSentence } from './sentence.ts';

export interface RolloutGroup {
  readonly key: string;
  readonly question: string;
  readonly answer: string;
  /** Null: no persona, or one per rollout (`mixed`). */
  readonly personaId: string | null;
  readonly mixed: boolean;
  /** Highest reward first; the order of rows decides ties. */
  readonly rollouts: readonly RolloutRecord[];
  readonly correct: number;
  readonly reward: number;
}

export function groupRollouts(rollouts: readonly RolloutRecord[]): RolloutGroup[] {
  const groups = new Map<string, RolloutRecord[]>();
  for (const rollout of rollouts) groups.set(rollout.group, [...(groups.get(rollout.group) ?? []), rollout]);
  return [...groups].map(([key, rows]) => {
    const first = rows[0]!;
    return {
      key,
      question: first.question,
      answer: first.answer,
      personaId: first.personaId,
      mixed: rows.some((row) => row.personaId !== first.personaId),
      rollouts: [...rows].sort((a, b) => b.reward - a.reward || b.advantage - a.advantage || a.row - b.row),
      correct: rows.filter((row) => row.correct).length,
      reward: rows.reduce((sum, row) => sum + row.reward, 0) / rows.length,
    };
  });
}

/** The group whose rollouts differ most: the one that teaches most. */
function mostMixed(groups: readonly RolloutGroup[]): number {
  const evenness = groups.map(({ correct, rollouts }) => Math.min(correct, rollouts.length - correct));
  return Math.max(0, evenness.indexOf(Math.max(...evenness)));
}

export class RolloutsState {
  /** Step on view; 0: none yet. */
  step = $state(0);
  /** Newest step that has rollouts. */
  newest = $state(0);
  /** Stays on the newest step. */
  follow = $state(true);
  groups = $state.raw<readonly RolloutGroup[]>([]);
  selected = $state(0);
  /** The reader chose a group; until then the most telling one is open. */
  #chosen = false;
  loading = $state(false);
  problem = $state<string | null>(null);

  #runId: string | null = null;
  #request = 0;
  readonly #api: () => Pick<TrainerApi, 'rollouts'>;

  constructor(api: () => Pick<TrainerApi, 'rollouts'>) {
    this.#api = api;
  }

  get group(): RolloutGroup | null {
    return this.groups[Math.min(this.selected, this.groups.length - 1)] ?? null;
  }

  select(index: number): void {
    this.selected = index;
    this.#chosen = true;
  }

  /** Another run comes on view. */
  open(runId: string | null, newest: number): void {
    this.#chosen = false;
    this.#runId = runId;
    this.#request++;
    this.step = 0;
    this.newest = newest;
    this.follow = true;
    this.groups = [];
    this.problem = null;
    if (runId && newest > 0) void this.show(newest);
  }

  /** The running run made a step. */
  receive(step: number, rollouts: readonly RolloutRecord[]): void {
    this.newest = step;
    if (!this.follow) return;
    this.#request++;
    this.loading = false;
    this.problem = null;
    this.#set(step, rollouts);
  }

  async show(step: number): Promise<void> {
    if (!this.#runId || step < 1) return;
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
    if (!this.#chosen || this.selected >= this.groups.length) this.selected = mostMixed(this.groups);
  }
}
