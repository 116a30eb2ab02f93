/** What something was and what it may be again: undo and redo over values that are never changed in place. What they are is nobody's business here. */

/** Enough for an afternoon; values share what they have in common. */
const longest = 500;
/** What is typed without a longer pause is taken back as one. */
const pauseMs = 1000;

export class History<T> {
  #now = $state.raw<T>(null!);
  #past = $state.raw<readonly T[]>([]);
  #future = $state.raw<readonly T[]>([]);
  #last: { readonly what: string; readonly at: number } | null = null;

  constructor(
    first: T,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.#now = first;
  }

  get now(): T {
    return this.#now;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /** @param what changes of the same thing, one after the other, are one change; null: a change of its own */
  change(next: T, what: string | null = null): void {
    const at = this.clock();
    const goesOn = what !== null && this.#last?.what === what && at - this.#last.at < pauseMs;
    if (!goesOn) this.#past = [...this.#past.slice(1 - longest), this.#now];
    this.#future = [];
    this.#now = next;
    this.#last = what === null ? null : { what, at };
  }

  /** No change: nothing to be taken back. */
  look(now: T): void {
    this.#now = now;
    this.#last = null;
  }

  undo(): void {
    const before = this.#past.at(-1);
    if (before === undefined) return;
    [this.#past, this.#future] = [this.#past.slice(0, -1), [...this.#future, this.#now]];
    this.#now = before;
    this.#last = null;
  }

  redo(): void {
    const after = this.#future.at(-1);
    if (after === undefined) return;
    [this.#past, this.#future] = [[...this.#past, this.#now], this.#future.slice(0, -1)];
    this.#now = after;
    this.#last = null;
  }
}
