/** One tab trains a run at a time: a Web Lock per run, which the browser releases when its tab is gone, however it goes. */

export interface RunLocks {
  /** Null: another tab has it. Otherwise what releases it. */
  hold(runId: string): Promise<(() => void) | null>;
  heldElsewhere(runId: string): Promise<boolean>;
}

const nameOf = (runId: string) => `permix-lab/${runId}`;

export function runLocks(manager: LockManager | undefined = (globalThis.navigator as Navigator | undefined)?.locks): RunLocks {
  return manager ? webLocks(manager) : unlocked;
}

/** Where there are no Web Locks (plain http, Node) nobody can tell; the page says so once. */
const unlocked: RunLocks = {
  hold: async () => () => {},
  heldElsewhere: async () => false,
};

function webLocks(manager: LockManager): RunLocks {
  return {
    hold: (runId) =>
      new Promise((resolve, reject) => {
        manager
          .request(nameOf(runId), { ifAvailable: true }, (lock) => {
            if (!lock) return resolve(null);
            // The lock is held until this promise settles.
            return new Promise<void>((release) => resolve(release));
          })
          .catch(reject);
      }),
    async heldElsewhere(runId) {
      const { held = [] } = await manager.query();
      return held.some(({ name }) => name === nameOf(runId));
    },
  };
}
