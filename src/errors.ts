/**
 * The one error type a reader of the page or of the command line ever sees.
 * `message` says what happened and where; `next` says what to do about it.
 * It is not for bugs: a broken invariant throws a plain Error.
 */

/** Stable, machine-readable kinds of failure. */
const labErrorCodes = [
  'usage', // wrong arguments or an impossible combination of options
  'config', // a run, mix, persona or policy configuration that makes no sense
  'format', // a file that is broken, truncated or of an unsupported kind
  'webgpu', // no adapter, lost device, failed dispatch
  'wasm', // the WebAssembly module failed: it aborted, ran out of its memory, or an operation in it was refused
  'memory', // more than the machine or the backend can hold
  'storage', // quota, blocked or unavailable IndexedDB
  'numeric', // non-finite loss or gradient, repeatedly
  'network', // a file that could not be fetched
  'cancelled', // the reader stopped it
] as const;
export type LabErrorCode = (typeof labErrorCodes)[number];

export class LabError extends Error {
  readonly code: LabErrorCode;
  readonly next: string;

  /** @param what what happened and where, a sentence  @param next what to do, a sentence */
  constructor(code: LabErrorCode, what: string, next: string, options?: { cause?: unknown }) {
    // Structured cloning across the worker keeps `name` and `message` only, so both carry everything.
    super(`${what} ${next}`.trim(), options);
    this.name = `LabError/${code}`;
    this.code = code;
    this.next = next;
  }
}

/** The code of an error that may have crossed a worker boundary; null for anything that is not a LabError. */
export function labErrorCode(error: unknown): LabErrorCode | null {
  const name = error instanceof Error ? error.name : '';
  return labErrorCodes.find((code) => name === `LabError/${code}`) ?? null;
}

/**
 * The `default` of a switch over the words of a list: the compiler names the switch where a word has no case, and a value from
 * outside the types ends here instead of falling through. A bug, hence no LabError.
 * @param list what the words are of, "loss term"
 */
export function noSuch(list: string, word: never): never {
  throw new Error(`There is no ${list} ${JSON.stringify(word)}.`);
}
