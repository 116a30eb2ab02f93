/** Things that were deleted and can still be had back: they are out of sight at once, and gone a little later, or when the page goes. */

/** Long enough to read the line and reach the button, by whatever means. */
const grace = 30_000;

interface Leaving {
  readonly id: string;
  /** "the run PerMix, seed 1" */
  readonly what: string;
  readonly commit: () => Promise<unknown>;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class Undo {
  leaving = $state.raw<readonly Leaving[]>([]);

  constructor(private readonly failed: (error: unknown) => void) {
    globalThis.addEventListener?.('pagehide', () => this.commitAll());
  }

  hides(id: string): boolean {
    return this.leaving.some((one) => one.id === id);
  }

  /** The newest one is offered back. */
  get newest(): Leaving | null {
    return this.leaving.at(-1) ?? null;
  }

  /** @param commit deletes it for good */
  leave(id: string, what: string, commit: () => Promise<unknown>): void {
    if (this.hides(id)) return;
    const timer = setTimeout(() => this.#commit(id), grace);
    this.leaving = [...this.leaving, { id, what, commit, timer }];
  }

  restore(id: string): void {
    clearTimeout(this.leaving.find((one) => one.id === id)?.timer);
    this.leaving = this.leaving.filter((one) => one.id !== id);
  }

  commitAll(): void {
    for (const { id } of this.leaving) this.#commit(id);
  }

  #commit(id: string): void {
    const one = this.leaving.find((other) => other.id === id);
    if (!one) return;
    clearTimeout(one.timer);
    // It stays out of sight until it is gone, and comes back where it could not be deleted.
    void one
      .commit()
      .catch(this.failed)
      .finally(() => (this.leaving = this.leaving.filter((other) => other !== one)));
  }
}
