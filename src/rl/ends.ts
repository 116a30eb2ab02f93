/** Whether a policy ever ends a reply by itself. One that never does is graded on what it says beyond its end, at the price of its whole limit. */

import { neverEnded } from '../policy/end-tokens.ts';

/** Rollouts after which an end should have come. */
const enough = 64;

/** Watches the steps of one run. */
export class EndWatch {
  #rollouts = 0;
  #told = false;

  /** @param ends texts of the tokens that would end a reply */
  constructor(
    private readonly ends: readonly string[],
    private readonly maxNewTokens: number,
  ) {}

  /** @param clipped share of the step's rollouts that were cut at the limit  @returns a sentence, once, where none of the first rollouts ended */
  step(rollouts: number, clipped: number): string | null {
    if (this.#told) return null;
    if (clipped < 1) this.#told = true;
    this.#rollouts += rollouts;
    if (this.#told || this.#rollouts < enough) return null;
    this.#told = true;
    return neverEnded(this.#rollouts, this.ends, this.maxNewTokens);
  }
}
