/**
 * One examination of policies as the page knows it: whom it is about, the one that is under way, and those that are kept. What is asked, and
 * what is shown of it, is its subclasses' (`evaluation.svelte.ts`, `judge.svelte.ts`).
 */
import { labErrorCode, errorSentence } from '../errors.ts';
import type { Changes } from '../run/identity.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { ExaminationKind, Examinations } from '../worker/examinations.ts';

/** Which policy is the base, as settings say it: the bundled one is not named. */
export interface BaseChoice {
  readonly policy?: string;
}

export abstract class Examination<K extends ExaminationKind> {
  /** Beside the base; `current` is the open run as it is. */
  checkpoints = $state.raw<readonly string[]>([]);
  /** Newest first. */
  kept = $state.raw<readonly Examinations[K]['info'][]>([]);
  /** The one on view. */
  open = $state.raw<Examinations[K]['result'] | null>(null);
  update = $state.raw<Examinations[K]['update'] | null>(null);
  running = $state(false);
  cancelling = $state(false);
  problem = $state<string | null>(null);
  /** The unfinished one that would go on with something else than it began with. */
  changed = $state.raw<(Changes & { readonly id: string }) | null>(null);

  protected readonly api: () => TrainerApi;
  readonly #kind: K;
  #began = false;
  #opening = 0;

  constructor(kind: K, api: () => TrainerApi) {
    this.#kind = kind;
    this.api = api;
  }

  /** What keeps it from being run, as a sentence; null when nothing does. */
  abstract get obstacle(): string | null;
  /** Of the one on view. */
  abstract get openId(): string | null;
  protected abstract continuing(id: string, accept: readonly string[]): Examinations[K]['request'];

  /** The first look at the view. Resolves with the newest that is kept; with null where there is none, or it is not the first look. */
  protected async first(newest: string | null): Promise<Examinations[K]['info'] | null> {
    if (this.#began) return null;
    this.#began = true;
    if (newest && this.checkpoints.length === 0) this.checkpoints = [newest];
    await this.refresh();
    return this.kept[0] ?? null;
  }

  async refresh(): Promise<void> {
    await this.attempt(async () => (this.kept = await this.api().examinations(this.#kind)));
  }

  toggle(checkpoint: string): void {
    this.checkpoints = this.checkpoints.includes(checkpoint)
      ? this.checkpoints.filter((entry) => entry !== checkpoint)
      : [...this.checkpoints, checkpoint];
  }

  /** Where something differs from what it began with, asks first. */
  async resume(id: string, accept: readonly string[] = []): Promise<void> {
    if (this.running) return;
    this.changed = null;
    this.problem = null;
    await this.attempt(async () => {
      const changes = accept.length > 0 ? null : await this.api().changes(this.#kind, id);
      if (changes) this.changed = { ...changes, id };
      else await this.start(this.continuing(id, accept));
    });
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    await this.attempt(() => this.api().cancelExamination(this.#kind));
  }

  async view(id: string): Promise<void> {
    const opening = ++this.#opening;
    await this.attempt(async () => {
      const result = await this.api().examination(this.#kind, id);
      if (opening === this.#opening) this.show(result);
    });
  }

  async remove(id: string): Promise<void> {
    await this.attempt(async () => {
      await this.api().deleteExamination(this.#kind, id);
      if (this.openId === id) this.open = null;
    });
    await this.refresh();
  }

  /** Until it is done, cancelled or failed; then there is what was found. */
  protected async start(request: Examinations[K]['request']): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.problem = null;
    this.update = null;
    this.show(null);
    this.#opening++;
    try {
      this.ended(await this.api().examine(this.#kind, request, (update) => this.receive(update)));
    } catch (error) {
      if (labErrorCode(error) !== 'cancelled') this.problem = errorSentence(error);
    } finally {
      this.running = false;
      this.cancelling = false;
    }
    await this.refresh();
  }

  protected receive(update: Examinations[K]['update']): void {
    this.update = update;
  }

  protected ended(result: Examinations[K]['result']): void {
    this.show(result);
  }

  protected show(result: Examinations[K]['result'] | null): void {
    this.open = result;
  }

  protected async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }
}

export const wholeBetween = (value: number | null, low: number, high: number): value is number =>
  value !== null && Number.isInteger(value) && value >= low && value <= high;
