/** The recording beside the page, and the step of it that is on view. What charts show of a run at a step is `replayed-run.ts`. */
import { errorSentence } from '../errors.ts';
import { recordingFormat, recordingVersion, type Recording } from '../exchange/recording.ts';
import { fetchBundled, recordingAddress } from './fetched.ts';

/** Steps a second. */
export const speeds = [2, 5, 10, 25] as const;

export class Replay {
  recording = $state.raw<Recording | null>(null);
  /** Why there is nothing to replay. */
  problem = $state<string | null>(null);
  step = $state(0);
  playing = $state(false);
  speed = $state<(typeof speeds)[number]>(10);
  #timer: ReturnType<typeof setTimeout> | undefined;

  get steps(): number {
    return this.recording?.runs[0]?.config.steps ?? 0;
  }

  async load(): Promise<void> {
    this.problem = null;
    try {
      const version = { format: recordingFormat, version: recordingVersion };
      const recording = await fetchBundled<Recording>(recordingAddress, 'The recorded run', version);
      if (!recording) {
        this.problem = 'There is no recorded run beside this page. In a checkout, npm run record makes one.';
        return;
      }
      this.recording = recording;
      // The end of the story first; Play tells it from the beginning.
      this.seek(this.steps);
    } catch (error) {
      this.problem =
        error instanceof TypeError ? 'The recorded run could not be fetched. Check the connection and try again.' : errorSentence(error);
    }
  }

  seek(step: number): void {
    this.step = Math.max(0, Math.min(this.steps, Math.round(step)));
  }

  /** By hand, so the playing stops. */
  go(step: number): void {
    this.pause();
    this.seek(step);
  }

  play(): void {
    if (this.step >= this.steps) this.seek(0);
    this.playing = true;
    this.#next();
  }

  pause(): void {
    this.playing = false;
    clearTimeout(this.#timer);
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  #next(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.playing) return;
      this.seek(this.step + 1);
      if (this.step >= this.steps) this.pause();
      else this.#next();
    }, 1000 / this.speed);
  }
}
