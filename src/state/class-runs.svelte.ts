/**
 * Stored runs that are looked at as one experiment (`run/class.ts`). Only which ones is kept, in this browser; what they say is read from
 * storage when it is shown, so that it survives a reload as the runs do.
 */
import { errorSentence } from '../errors.ts';
import type { ClassExperiment, ClassResult } from '../run/class.ts';
import type { RunRecord } from '../storage/records.ts';
import type { TrainerApi } from '../worker/api.ts';
import { remember, remembered } from './remembered.ts';
import { goTo } from './views.svelte.ts';

export class ClassRuns {
  ids = $state.raw<readonly string[]>(remembered('class')?.split(' ') ?? []);
  result = $state.raw<ClassResult | null>(null);
  problem = $state<string | null>(null);
  /** Which of its experiments is shown. */
  place = $state(0);

  #reading = 0;

  constructor(private readonly api: () => Pick<TrainerApi, 'history'>) {}

  get shown(): ClassExperiment | null {
    return this.result?.experiments[this.place] ?? null;
  }

  /** Goes to the view that shows them. */
  show(ids: readonly string[]): void {
    this.ids = ids;
    this.result = null;
    this.place = 0;
    remember('class', ids.join(' ') || null);
    goTo('class');
  }

  /** @param runs all there are; of a class whose runs were deleted, the others are shown */
  async read(runs: readonly RunRecord[]): Promise<void> {
    const reading = ++this.#reading;
    this.problem = null;
    try {
      const read = [];
      for (const id of this.ids) {
        const run = runs.find((one) => one.id === id);
        if (run) read.push({ name: run.from?.file ?? run.name, run, heldOut: (await this.api().history(id)).heldOut });
        if (reading !== this.#reading) return;
      }
      const { classOf } = await import('../run/class.ts');
      this.result = classOf(read);
      this.place = Math.min(this.place, Math.max(0, this.result.experiments.length - 1));
    } catch (error) {
      if (reading === this.#reading) this.problem = errorSentence(error);
    }
  }
}
