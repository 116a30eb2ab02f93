/** The calls on an engine, one after the other, each of them with what the device has to say about it. */
import { LabError } from '../errors.ts';

/** A queue of one: a call begins when the one before it has settled, and rejects with what the device reported meanwhile. */
export class Calls {
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @param check throws when the device reported an error since the last time: a failed submit reads as zeros
   * @param unlessLost ends a wait for a device that is gone
   */
  constructor(
    private readonly check: () => void,
    private readonly unlessLost: <T>(work: Promise<T>) => Promise<T> = (work) => work,
  ) {}

  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(() => this.watched(work));
    this.last = mine.catch(() => {});
    return mine;
  }

  /** What the device has to say comes before a result, and before the error that its loss made. */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await this.unlessLost(work());
    } catch (error) {
      if (error instanceof LabError) throw error;
      await new Promise((resolve) => setTimeout(resolve, 0)); // a loss is announced after the reads it breaks
      this.check();
      throw toldOfMemory(error);
    }
    this.check();
    return result;
  }
}

/** An array that the machine has no room for is no bug. */
export function toldOfMemory(error: unknown): unknown {
  if (!(error instanceof RangeError) || !/allocation failed|array length|out of memory/i.test(error.message)) return error;
  return new LabError(
    'memory',
    `This machine has no room for what is to be computed (${error.message}).`,
    'Use a smaller policy, shorter or fewer rows, or close other programs; what was saved is intact.',
    { cause: error },
  );
}
