/**
 * Bringing a failed device back: how often, and after which waits. A loss is one device that failed; that the next one is not to be had at
 * once (a driver that starts again takes seconds) is no further loss. What is done with the new device is the caller's.
 */

import { labErrorCode, LabError } from '../errors.ts';

/** A device that is lost more often than this within the window will be lost again. */
const maxLosses = 3;
const windowMs = 10 * 60_000;

/** Before each try to have a new device, milliseconds. A loss soon after another begins further down the list. */
export const retryWaits: readonly number[] = [1000, 2000, 4000, 8000];

export type Outcome =
  | { readonly kind: 'recovered' }
  /** The reader did not want to wait. */
  | { readonly kind: 'given up' }
  /** @property losses within the window, the last one included */
  | { readonly kind: 'lost again'; readonly losses: number; readonly error: unknown }
  | { readonly kind: 'no device'; readonly tries: number; readonly error: unknown }
  /** The failure of something else. */
  | { readonly kind: 'failed'; readonly error: unknown };

export class Recovery {
  readonly #waits: readonly number[];
  #losses: number[] = [];

  constructor(waits: readonly number[] = retryWaits) {
    this.#waits = waits;
  }

  /** What came before counts no longer: the reader asks for another try. */
  forget(): void {
    this.#losses = [];
  }

  /**
   * One loss.
   * @param again sets up a new device and goes back to what is saved  @param deviceFailed whether it failed for the device
   * @param signal ends a wait
   */
  async after(
    error: unknown,
    again: () => Promise<void>,
    deviceFailed: (error: unknown) => boolean,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const now = Date.now();
    this.#losses = [...this.#losses.filter((time) => now - time < windowMs), now];
    const losses = this.#losses.length;
    if (losses > maxLosses) return { kind: 'lost again', losses, error };
    const waits = this.#waits.slice(Math.min(losses, this.#waits.length) - 1);
    let last = error;
    for (const wait of waits) {
      await pause(wait, signal);
      if (signal.aborted) return { kind: 'given up' };
      try {
        await again();
        return { kind: 'recovered' };
      } catch (failure) {
        if (!deviceFailed(failure)) return { kind: 'failed', error: failure };
        last = failure;
      }
    }
    return { kind: 'no device', tries: waits.length, error: last };
  }
}

/** What failed, in a reader's words. @param error of the device, or of the WebAssembly module, which is replaced likewise */
export function deviceNames(error: unknown): { readonly device: string; readonly fresh: string } {
  return labErrorCode(error) === 'wasm' ? { device: 'WebAssembly module', fresh: 'module' } : { device: 'GPU', fresh: 'device' };
}

/** What there is to say of a device that did not come back. @param saved what is not lost, a sentence's end @param goOn how, "continue the run" */
export function lossError(outcome: Extract<Outcome, { kind: 'lost again' | 'no device' }>, saved: string, goOn: string): LabError {
  const { error } = outcome;
  const { device, fresh } = deviceNames(error);
  const wasm = labErrorCode(error) === 'wasm';
  const what =
    outcome.kind === 'lost again'
      ? `failed ${outcome.losses} times within ten minutes`
      : `failed, and no new ${fresh} could be had in ${outcome.tries} tries`;
  return new LabError(
    wasm ? 'wasm' : 'webgpu',
    `The ${device} ${what} (${error instanceof Error ? error.message : String(error)}); ${saved}.`,
    wasm
      ? `Close other pages that take much memory, reload this one and ${goOn}.`
      : `Close other pages that use the GPU and ${goOn}, or go on without it: add ?backend=wasm to the address.`,
    { cause: error },
  );
}

/** Over sooner when the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
