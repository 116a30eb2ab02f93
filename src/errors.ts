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
  readonly what: string;
  readonly next: string;

  /** @param what what happened and where, a sentence  @param next what to do, a sentence */
  constructor(code: LabErrorCode, what: string, next: string, options?: { cause?: unknown }) {
    // Structured cloning keeps `name` and `message` only, so both carry everything; `worker/wire.ts` keeps the rest.
    super(`${what} ${next}`.trim(), options);
    this.name = `LabError/${code}`;
    this.code = code;
    this.what = what;
    this.next = next;
  }
}

/** The code of an error that may have crossed a worker boundary; null for anything that is not a LabError. */
export function labErrorCode(error: unknown): LabErrorCode | null {
  const name = error instanceof Error ? error.name : '';
  return labErrorCodes.find((code) => name === `LabError/${code}`) ?? null;
}

/** What is wrong with one setting of many, so that a form can say it beside the setting and a list can name it. */
export interface Complaint {
  /** Path of the setting in its configuration, "objective.beta"; empty: the whole of it. */
  readonly field: string;
  /** A sentence; `{}` at its beginning stands for the setting's name. */
  readonly problem: string;
}

/** @param name by which the reader knows the setting */
export function complaintSentence({ field, problem }: Complaint, name = field || 'the configuration'): string {
  return problem.startsWith('{}') ? `${name}${problem.slice(2)}` : problem;
}

/** @throws LabError 'config' with all that is wrong; nothing where nothing is */
export function refuseComplaints(complaints: readonly Complaint[], next: string): void {
  if (complaints.length === 0) return;
  throw new LabError('config', complaints.map((complaint) => complaintSentence(complaint)).join(' '), next);
}

/** An error in the words a reader sees. LabErrors are sentences already, also where they have crossed a worker's boundary. */
export function errorSentence(error: unknown): string {
  if (labErrorCode(error) !== null) return (error as Error).message;
  const text = error instanceof Error ? error.message : String(error);
  return `Something unexpected happened: ${text.replace(/\.$/, '') || 'no further word'}. What was stored is still there; reload the page to go on.`;
}

/**
 * The `default` of a switch over the words of a list: the compiler names the switch where a word has no case, and a value from
 * outside the types ends here instead of falling through. A bug, hence no LabError.
 * @param list what the words are of, "loss term"
 */
export function noSuch(list: string, word: never): never {
  throw new Error(`There is no ${list} ${JSON.stringify(word)}.`);
}
