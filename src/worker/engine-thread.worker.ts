/** A thread of the page that computes beside the trainer's (`src/engine/parallel/`); started by `start-thread.ts`. */
import { serveThread } from '../engine/parallel/thread.ts';

serveThread(self);
