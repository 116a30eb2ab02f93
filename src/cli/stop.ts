/** Ctrl-C as a signal: the first one asks the work to end in good order, a second one ends the process. */
import { notice } from './progress.ts';

export interface Stop {
  readonly signal: AbortSignal;
  /** Ctrl-C is the process's own again. */
  release(): void;
}

/** @param sentence what the reader is told  @param onSecond before the process ends at once */
export function stopSignal(sentence: string, onSecond: () => void = () => {}): Stop {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) {
      onSecond();
      process.exit(130);
    }
    notice(`${sentence} Ctrl-C again stops at once.`);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, onSignal);
  return { signal: controller.signal, release: () => signals.forEach((name) => process.off(name, onSignal)) };
}
