/** How many threads an engine on this machine's cores gets. It asks only what Node and the browser say. */
import { mostShards } from '../wasm/shards.ts';

/** Cores, as far as anybody says; 1 where nobody does. */
function cores(): number {
  if (typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function') {
    return process.getBuiltinModule('node:os').availableParallelism();
  }
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}

/** @param asked by the reader; absent: one for each core. More than a step has shards would wait for the others. */
export const threadsFor = (asked?: number): number => Math.max(1, Math.min(asked ?? cores(), mostShards));
