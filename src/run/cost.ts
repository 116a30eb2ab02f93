/** What the held-out questions of a run cost beside its training, and when to say that it is too much. */
import type { RunConfig } from '../rl/config.ts';

/** Of the time of a run: what the usual settings keep to (`npm run bench`). */
const fair = 0.1;

export class HeldOutCost {
  #asking = { seconds: 0, times: 0 };
  #training = { seconds: 0, times: 0 };
  #told = false;

  constructor(private readonly config: Pick<RunConfig, 'steps' | 'heldOut'>) {}

  /** @param seconds of one evaluation */
  asked(seconds: number): void {
    this.#asking = { seconds: this.#asking.seconds + seconds, times: this.#asking.times + 1 };
  }

  /** @param seconds of one step of training */
  trained(seconds: number): void {
    this.#training = { seconds: this.#training.seconds + seconds, times: this.#training.times + 1 };
  }

  /** Of the time of the whole run, as its evaluations and steps have been so far; null before the first of either. */
  get share(): number | null {
    const { steps, heldOut } = this.config;
    if (this.#asking.times === 0 || this.#training.times === 0) return null;
    const asking = (this.#asking.seconds / this.#asking.times) * (1 + Math.ceil(steps / heldOut.every));
    const training = (this.#training.seconds / this.#training.times) * steps;
    return asking / (asking + training);
  }

  /** A sentence, once, when they take more than their share. @param names of the two settings, as whoever reads it knows them: those of the page's form (`ui/setup/fields.ts`) */
  notice(names = { questions: '“Held-out questions”', every: '“Asked every”, in Advanced' }): string | null {
    const { share } = this;
    // The first step on a GPU compiles, and is no measure.
    if (this.#told || share === null || share <= fair || this.#training.times < 5) return null;
    this.#told = true;
    return `The held-out questions take ${Math.round(100 * share)} % of this run’s time. Fewer of them (${names.questions}) or longer between them (${names.every}) costs less; the training itself stays the same.`;
  }
}
