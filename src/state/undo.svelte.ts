/** Things that were deleted and can still be had back: they are out of sight at once, and gone a little later, or when the page goes. */

/** Long enough to read the line and reach the button, by whatever means. */
const grace = 30_000;

interface Leaving {
  readonly id: string;
  /** "the run PerMix, seed 1" */
  readonly what: string;
  readonly commit: () => Promise<unknown>;
  readonly back: () => void;
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

  /** @param commit deletes it for good  @param back what went out of sight with it comes back */
  leave(id: string, what: string, commit: () => Promise<unknown>, back = () => {}): void {
    if (this.hides(id)) return;
    const timer = setTimeout(() => this.#commit(id), grace);
    this.leaving = [...this.leaving, { id, what, commit, back, timer }];
  }

  restore(id: string): void {
    const one = this.leaving.find((other) => other.id === id);
    if (!one) return;
    clearTimeout(one.timer);
    this.#forget(one);
    one.back();
  }

  commitAll(): void {
    for (const { id } of this.leaving) this.#commit(id);
  }

  #commit(id: string): void {
    const one = this.leaving.find((other) => other.id === id);
    if (!one) return;
    clearTimeout(one.timer);
    // It stays out of sight until it is gone, and comes back where it could not be deleted.
    void one.commit().then(
      () => this.#forget(one),
      (error: unknown) => {
        this.#forget(one);
        one.back();
        this.failed(error);
      },
    );
  }

  #forget(one: Leaving): void {
    this.leaving = this.leaving.filter((other) => other !== one);
  }
}
