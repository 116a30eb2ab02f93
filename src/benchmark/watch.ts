/** Whether and when measuring goes on, between two samples: not where the reader cancelled, and not while nobody sees the tab, which browsers slow down. */
import { LabError } from '../errors.ts';

export interface Watch {
  /** Milliseconds, those in which nothing was measured left out. */
  now(): number;
  /** Before a sample: waits until one can be taken. @throws LabError 'cancelled' */
  next(): Promise<void>;
  /** Whether what was measured since `next` was measured undisturbed. */
  undisturbed(): boolean;
}

/** Nobody cancels, and there is no tab. */
export const alwaysSeen: Watch = { now: () => performance.now(), next: async () => {}, undisturbed: () => true };

export class TabWatch implements Watch {
  #cancelled = false;
  #seen = true;
  #disturbed = false;
  #waited = 0;
  #hiddenAt = 0;
  #go: () => void = () => {};
  /** Told when it begins to wait. */
  onWait: () => void = () => {};

  /** @param breathe lets messages in: that the reader cancels is one  @param clock milliseconds */
  constructor(
    private readonly breathe: () => Promise<void> = async () => {},
    private readonly clock: () => number = () => performance.now(),
  ) {}

  cancel(): void {
    this.#cancelled = true;
    this.#go();
  }

  /** Whether the tab is in sight. */
  see(seen: boolean): void {
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#disturbed = true;
    if (seen) this.#waited += this.clock() - this.#hiddenAt;
    else this.#hiddenAt = this.clock();
    if (seen) this.#go();
  }

  get waiting(): boolean {
    return !this.#seen;
  }

  now(): number {
    return (this.#seen ? this.clock() : this.#hiddenAt) - this.#waited;
  }

  async next(): Promise<void> {
    await this.breathe();
    if (this.waiting) this.onWait();
    while (this.waiting && !this.#cancelled) await new Promise<void>((go) => (this.#go = go));
    if (this.#cancelled) throw new LabError('cancelled', 'The benchmark was cancelled.', 'What was measured until then counts.');
    this.#disturbed = false;
  }

  undisturbed(): boolean {
    return !this.#disturbed;
  }
}
