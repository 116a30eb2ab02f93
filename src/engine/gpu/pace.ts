/**
 * How much a submit may hold. A GPU that draws the screen is not interrupted within a submit: a long one freezes the page, and some drivers
 * reset a device that gives no answer for two seconds. So plans are cut where their estimated work would take longer than a tenth of a second,
 * at the rate that the submits before have shown; one dispatch is never cut. Nothing waits for the measuring. It does not change what is computed.
 */

/** Milliseconds that a submit may take. */
export const longestSubmit = 100;
/** Of it, what is aimed at: estimates are off by as much. */
const aim = 0.6;
/** Estimated operations of the first submit: a tenth of a second of a processor that plays GPU. */
const first = 5e8;
/** A submit may be this much larger than the largest that was measured. */
const growth = 4;
/** Submits shorter than this are mostly their own overhead, and say nothing of a rate. */
const tellingMs = 4;

/** Milliseconds, what it ran last and of how many dispatches it was. */
interface Submit {
  readonly milliseconds: number;
  readonly label: string;
  readonly dispatches: number;
}

/** The longest of those that are one dispatch, and of those that could have been shorter; of these also the longest by the estimate. */
export interface LongestSubmit {
  readonly one: Submit;
  readonly several: Submit;
  /** Milliseconds. */
  readonly estimated: number;
}

const none: Submit = { milliseconds: 0, label: '', dispatches: 0 };
const nothing: LongestSubmit = { one: none, several: none, estimated: 0 };

export class Pace {
  /** Operations a millisecond, of the slowest that were seen lately; null: none was. */
  private rate: number | null = null;
  /** The largest that was measured. */
  private seen = first / growth;
  private lastDone = 0;
  /** Of those since the last `reset`. For the benchmark. */
  longest = nothing;

  constructor(private readonly queue: GPUQueue) {}

  /** Estimated operations that the next submit may hold. */
  get most(): number {
    const grown = this.seen * growth;
    return this.rate === null ? Math.min(first, grown) : Math.max(1, Math.min(this.rate * longestSubmit * aim, grown));
  }

  /** To be called right after a submit. @param operations estimated  @param label for the benchmark */
  submitted(operations: number, label: string, dispatches: number): void {
    const began = performance.now();
    const kind = dispatches > 1 ? 'several' : 'one';
    if (kind === 'several') {
      const estimated = operations / (this.rate ?? first / longestSubmit);
      this.longest = { ...this.longest, estimated: Math.max(estimated, this.longest.estimated) };
    }
    void this.queue.onSubmittedWorkDone().then(
      () => {
        const now = performance.now();
        // It began when it was submitted, or when the one before it ended.
        const milliseconds = now - Math.max(began, this.lastDone);
        this.lastDone = now;
        this.measured(operations, milliseconds);
        if (milliseconds > this.longest[kind].milliseconds) this.longest = { ...this.longest, [kind]: { milliseconds, label, dispatches } };
      },
      () => {}, // a lost device is somebody else's news
    );
  }

  private measured(operations: number, milliseconds: number): void {
    this.seen = Math.max(this.seen, operations);
    if (milliseconds < tellingMs) return;
    const rate = operations / milliseconds;
    // Down at once, up slowly.
    this.rate = this.rate === null || rate < this.rate ? rate : this.rate + (rate - this.rate) / 8;
  }

  reset(): void {
    this.longest = nothing;
  }
}
