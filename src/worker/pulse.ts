/**
 * Whether the worker still answers. It is asked with every beat, one question at a time. A worker that computes on its own thread
 * (WebAssembly, plain JavaScript) answers late and is not dead, so silence ends nothing: it is told, with its length, and taken back when
 * an answer comes. Beats are counted and not the clock: a laptop that slept, or a tab whose timers are slowed down, has not waited.
 */

/** Milliseconds between two beats. */
export const beatMs = 1000;

/** Beats without an answer that are nothing to speak of. */
const patience = 10;

export class Pulse {
  readonly #ask: () => Promise<unknown>;
  readonly #told: (beats: number | null) => void;
  /** Beats since the question that waits for its answer; null: none does. */
  #waited: number | null = null;
  /** The longest wait that ended with an answer: on this machine, with this policy, such waits are work. */
  #longest = 0;

  /**
   * @param ask settles, either way, when the worker has answered
   * @param told with every beat of a silence, its beats so far; once with null when it is over
   */
  constructor(ask: () => Promise<unknown>, told: (beats: number | null) => void) {
    this.#ask = ask;
    this.#told = told;
  }

  /** To be called every `beatMs`. */
  beat(): void {
    if (this.#waited !== null) {
      this.#waited++;
      if (this.#waited >= this.#limit) this.#told(this.#waited);
      return;
    }
    this.#waited = 0;
    const answered = () => this.#answered();
    this.#ask().then(answered, answered);
  }

  get #limit(): number {
    return Math.max(patience, 2 * this.#longest);
  }

  #answered(): void {
    const waited = this.#waited ?? 0;
    const silent = waited >= this.#limit;
    this.#longest = Math.max(this.#longest, waited);
    this.#waited = null;
    if (silent) this.#told(null);
  }
}
