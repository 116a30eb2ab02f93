/** What the held-out questions of a run cost beside its training, and when that is too much. The words for it are those of whoever is told. */
import type { RunConfig } from '../rl/config.ts';

/** Of the time of a run: what the usual settings keep to (`npm run bench`). */
const fair = 0.1;

/** More than the held-out questions should take. */
export interface HeldOutExcess {
  /** Of the time of the whole run. */
  readonly heldOutShare: number;
}

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

  /** Once, when they take more than their share. */
  excess(): HeldOutExcess | null {
    const { share } = this;
    // The first step on a GPU compiles, and is no measure.
    if (this.#told || share === null || share <= fair || this.#training.times < 5) return null;
    this.#told = true;
    return { heldOutShare: share };
  }
}
