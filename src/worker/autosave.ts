/**
 * When a run saves itself between the checkpoints that its settings ask for, and what the reader is told where one cannot be kept. What a
 * checkpoint holds, and that it is written, is `training.ts`.
 */
import type { RunConfig } from '../rl/config.ts';
import { NotKept } from '../storage/storage.ts';

/** Slow steps must not cost more than this when the tab is closed, however rarely the config asks for a checkpoint. */
const mostMs = 60_000;

export class Autosave {
  #at = performance.now();
  #soon = false;
  /** The reader knows that the newest could not be kept. */
  #told = false;

  /** At the end of the current step. */
  soon(): void {
    this.#soon = true;
  }

  /** The run is at a checkpoint. */
  done(): void {
    this.#at = performance.now();
    this.#soon = false;
  }

  due({ checkpointEvery, steps }: Pick<RunConfig, 'checkpointEvery' | 'steps'>, step: number): boolean {
    if (checkpointEvery === 0 || step >= steps) return false;
    return step % checkpointEvery === 0 || this.#soon || performance.now() - this.#at > mostMs;
  }

  /**
   * One that is too large for this browser is no reason to stop: the next is tried when it is due.
   * @param saved the step that the run would go on from  @returns what there is to tell, once until one is kept again
   */
  async attempt(save: () => Promise<unknown>, saved: number): Promise<string | null> {
    try {
      await save();
      this.#told = false;
      return null;
    } catch (error) {
      if (!(error instanceof NotKept)) throw error;
      this.done();
      if (this.#told) return null;
      this.#told = true;
      const next = 'Free disk space or delete old runs, or save the run as a file under “What has been kept?”.';
      return `${error.what} Training goes on; should this page be closed, the run goes on from step ${saved}. ${next}`;
    }
  }
}
