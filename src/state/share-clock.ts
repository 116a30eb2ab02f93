/** How long something still takes of which a share is told now and then: at the rate since it was first told. It counts no steps (`remaining.ts`). */

/** Less than this says nothing of a rate. */
const leastSeconds = 3;
const leastShare = 0.02;

export class ShareClock {
  #of = '';
  #began = 0;
  #from = 0;

  /**
   * @param of what the share is of: another one begins anew  @param share 0..1
   * @returns seconds; null while too little is known, and where it would be over in a moment
   */
  left(of: string, share: number, now = performance.now()): number | null {
    if (of !== this.#of || share < this.#from) [this.#of, this.#began, this.#from] = [of, now, share];
    const [seconds, done] = [(now - this.#began) / 1000, share - this.#from];
    if (seconds < leastSeconds || done < leastShare) return null;
    const left = (seconds * (1 - share)) / done;
    return left < 1 ? null : left;
  }
}
