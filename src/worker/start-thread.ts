/** Starts threads of the page that compute beside the trainer's (`engine-thread.worker.ts`). */
import type { StartThread } from '../engine/parallel/remote-thread.ts';

/** Null where a worker can have none of its own. */
export const startThread: StartThread | null =
  typeof Worker === 'function'
    ? () => {
        const worker = new Worker(new URL('./engine-thread.worker.ts', import.meta.url), { type: 'module' });
        const gone = new Promise<string>((resolve) => {
          worker.addEventListener('error', ({ message }) => resolve(message || 'its script could not be loaded'));
          worker.addEventListener('messageerror', () => resolve('a message to it could not be read'));
        });
        return { endpoint: worker, gone, end: () => worker.terminate() };
      }
    : null;
