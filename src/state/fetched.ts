/** Files beside the page, fetched once however often a view is opened; hosts need not say how long they may be kept. */

/** Put beside the page by the build: from docs/reproduction/, and from public/. */
export const studyAddress = './runs/study.json';
export const protocolAddress = './runs/protocol.md';
export const recordingAddress = './runs/rlvr-permix/recording.json';

export interface Fetched {
  readonly ok: boolean;
  /** Of the answer, empty where it names none. */
  readonly contentType: string;
  readonly text: string;
}

const kept = new Map<string, Promise<unknown>>();
/** Fetched, and not read yet. */
const ahead = new Map<string, Fetched>();

/** Fetches a file that may be read later. @throws TypeError when it does not come */
export async function fetchAhead(address: string): Promise<void> {
  if (kept.has(address) || ahead.has(address)) return;
  const fetched = await fetchText(address, 'low');
  if (fetched.ok && !kept.has(address)) ahead.set(address, fetched);
}

/**
 * A file as `read` reads it, null where it is not there. What did not come, was not there or could not be read is fetched again the next
 * time: it may have been cut off on its way.
 */
export function fetchOnce<T>(address: string, read: (fetched: Fetched) => T | null | Promise<T | null>): Promise<T | null> {
  const before = kept.get(address);
  if (before) return before as Promise<T | null>;
  const answer = (ahead.has(address) ? Promise.resolve(ahead.get(address)!) : fetchText(address)).then(read);
  ahead.delete(address);
  kept.set(address, answer);
  answer.then((value) => value ?? kept.delete(address)).catch(() => kept.delete(address));
  return answer;
}

async function fetchText(address: string, priority: RequestPriority = 'auto'): Promise<Fetched> {
  const response = await fetch(address, { priority });
  return { ok: response.ok, contentType: response.headers.get('content-type') ?? '', text: await response.text() };
}
