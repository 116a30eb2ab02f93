/** Threads of the parallel engine as tests start them: the same messages, served in this thread, so that one can be lost when a test wants it. */
import { serveThread } from '../../src/engine/parallel/thread.ts';
import type { StartThread, Started } from '../../src/engine/parallel/remote-thread.ts';

export interface TestThreads {
  readonly startThread: StartThread;
  readonly started: Started[];
  /** The thread of this number answers no more, and it is known. */
  lose(index: number): void;
}

/** @param broken threads of these numbers do not start */
export function testThreads(broken: readonly number[] = []): TestThreads {
  const started: Started[] = [];
  const losers: ((why: string) => void)[] = [];
  return {
    started,
    startThread: () => {
      const { port1, port2 } = new MessageChannel();
      const end = () => [port1, port2].forEach((port) => port.close());
      const index = started.length;
      const gone = new Promise<string>((resolve) => losers.push(resolve));
      if (broken.includes(index)) losers[index]!('it does not start');
      else serveThread(port1);
      const thread = { endpoint: port2, gone, end };
      started.push(thread);
      return thread;
    },
    lose(index) {
      started[index]!.end();
      losers[index]!('the test ended it');
    },
  };
}
