/** One tab trains a run at a time: a Web Lock per run, which the browser releases when its tab is gone, however it goes. */

export interface RunLocks {
  /** Null: another tab has it. Otherwise what releases it. */
  hold(runId: string): Promise<(() => void) | null>;
  heldElsewhere(runId: string): Promise<boolean>;
}

const nameOf = (runId: string) => `permix-lab/${runId}`;

/** Those of the browser where there are any. */
export function runLocks(): RunLocks {
  const manager = (globalThis.navigator as Navigator | undefined)?.locks;
  return manager ? webLocks(manager) : unlocked;
}

/** Where there are no Web Locks (plain http, Node) nobody can tell; the page says so once. */
const unlocked: RunLocks = {
  hold: async () => () => {},
  heldElsewhere: async () => false,
};

/** Where site data is blocked there are locks that refuse every request; runs are in memory then, and no other tab knows them. */
export function webLocks(manager: Pick<LockManager, 'request' | 'query'>): RunLocks {
  const without = <T>(instead: () => Promise<T>) => {
    return (error: unknown): Promise<T> => {
      if ((error as DOMException | undefined)?.name !== 'SecurityError') throw error;
      return instead();
    };
  };
  return {
    hold: (runId) =>
      new Promise<(() => void) | null>((resolve, reject) => {
        manager
          .request(nameOf(runId), { ifAvailable: true }, (lock) => {
            if (!lock) return resolve(null);
            // The lock is held until this promise settles.
            return new Promise<void>((release) => resolve(release));
          })
          .catch(reject);
      }).catch(without(() => unlocked.hold(runId))),
    heldElsewhere: (runId) =>
      manager
        .query()
        .then(({ held = [] }) => held.some(({ name }) => name === nameOf(runId)))
        .catch(without(() => unlocked.heldElsewhere(runId))),
  };
}
