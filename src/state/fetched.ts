/** Files beside the page, fetched once however often a view is opened; hosts need not say how long they may be kept. */

export interface Fetched {
  readonly ok: boolean;
  /** Of the answer, empty where it names none. */
  readonly contentType: string;
  readonly text: string;
}

const kept = new Map<string, Promise<unknown>>();

/**
 * A file as `read` reads it, null where it is not there. What did not come, was not there or could not be read is fetched again the next
 * time: it may have been cut off on its way.
 */
export function fetchOnce<T>(address: string, read: (fetched: Fetched) => T | null): Promise<T | null> {
  const before = kept.get(address);
  if (before) return before as Promise<T | null>;
  const answer = fetchText(address).then(read);
  kept.set(address, answer);
  answer.then((value) => value ?? kept.delete(address)).catch(() => kept.delete(address));
  return answer;
}

async function fetchText(address: string): Promise<Fetched> {
  const response = await fetch(address);
  return { ok: response.ok, contentType: response.headers.get('content-type') ?? '', text: await response.text() };
}
