/**
 * Who may use the engine: one at a time, in the order of asking. A training step, a checkpoint and a probe each take one turn,
 * so that a probe runs between two steps and never inside one.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
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
