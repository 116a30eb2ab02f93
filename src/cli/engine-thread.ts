/** A thread of the command line that computes beside the first (`src/engine/parallel/`); an entry of its own, started by `start-thread.ts`. */
import { parentPort } from 'node:worker_threads';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { serveThread } from '../engine/parallel/thread.ts';

if (parentPort) serveThread(nodeEndpoint(parentPort));
