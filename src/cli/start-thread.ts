/** Starts threads of the command line that compute beside the first (`engine-thread.ts`). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { StartThread } from '../engine/parallel/remote-thread.ts';

/** @param script the bundled `engine-thread.ts`  @returns null where it is not there */
export function startsThreads(script: string): StartThread | null {
  if (!existsSync(script)) return null;
  return () => {
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
  };
}

/** It lies beside the bundle; run from its sources there is none. */
export const startThread = startsThreads(join(import.meta.dirname, 'engine-thread.js'));
