/** Starts threads of the command line that compute beside the first (`engine-thread.ts`). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { StartThread } from '../engine/parallel/remote-thread.ts';

/** Beside the bundle; run from its sources there is none. */
const script = join(import.meta.dirname, 'engine-thread.js');

export const startThread: StartThread | null = existsSync(script)
  ? () => {
      const worker = new Worker(script);
      worker.unref();
      const gone = new Promise<string>((resolve) => {
        worker.once('error', (error) => resolve(error instanceof Error ? error.message : String(error)));
        worker.once('exit', (code) => resolve(`exit code ${code}`));
      });
      return {
        endpoint: nodeEndpoint(worker),
        gone,
        hold: (held) => (held ? worker.ref() : worker.unref()),
        end: () => void worker.terminate(),
      };
    }
  : null;
