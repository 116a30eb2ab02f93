/**
 * Who may use the engine: one at a time, in the order of asking. A training step, a checkpoint and a probe each take one turn,
 * so that a probe runs between two steps and never inside one.
 */
import type { LabError } from '../errors.ts';

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  #refusal: LabError | null = null;

  /** What others are told who ask for a turn now; null: they get one. */
  get refusal(): LabError | null {
    return this.#refusal;
  }

  take<T>(work: () => Promise<T>): Promise<T> {
    return this.#refusal ? Promise.reject(this.#refusal) : this.#next(work);
  }

  /** A long turn, for which nobody waits: those who ask meanwhile are refused. */
  async alone<T>(refusal: LabError, work: () => Promise<T>): Promise<T> {
    if (this.#refusal) throw this.#refusal;
    this.#refusal = refusal;
    try {
      return await this.#next(work);
    } finally {
      this.#refusal = null;
    }
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/**
 * Lets waiting messages (a Pause, a question for the probe) be handled before training goes on. Not a timer: those are slowed down
 * to once a second or less in a hidden tab.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
