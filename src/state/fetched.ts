/**
 * Files beside the page, fetched once however often a view is opened; hosts need not say how long they may be kept. The build has checked them
 * (scripts/study-plugin.ts), so that here they are only parsed; what comes from elsewhere has its own readers.
 */
import { LabError } from '../errors.ts';
import { parseCheckedJson } from '../json.ts';
import { resultsFormat, resultsVersion, type StudyResults } from '../study/results.ts';

/** Put beside the page by the build: from docs/, and from public/. */
export const studyAddress = './runs/study.json';
export const protocolAddress = './runs/protocol.md';
export const lotteryAddress = './runs/lottery.json';
export const realTrainingAddress = './runs/real-training.json';
export const recordingAddress = './runs/rlvr-permix/recording.json';

interface Fetched {
  readonly ok: boolean;
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

interface Bundled {
  readonly format: string;
  readonly version: number;
}

/**
 * What a file of the build holds, null where it is not there. What did not come, was not there or could not be read is fetched again the next
 * time: it may have been cut off on its way.
 * @param name for sentences  @throws TypeError when it does not come, LabError 'format' when it is not whole or of another build
 */
export function fetchBundled<T extends Bundled>(address: string, name: string, { format, version }: Bundled): Promise<T | null> {
  const before = kept.get(address);
  if (before) return before as Promise<T | null>;
  const answer = (ahead.has(address) ? Promise.resolve(ahead.get(address)!) : fetchText(address)).then(({ ok, text }) => {
    // Some hosts answer a missing file with their front page.
    if (!ok || text.trimStart().startsWith('<')) return null;
    const held = parseCheckedJson(text, { file: name, next: 'Try again, or reload the page.' }) as T | null;
    if (held?.format !== format || held.version !== version)
      throw new LabError('format', `${name} is not of this version of the page.`, 'Reload the page.');
    return held;
  });
  ahead.delete(address);
  kept.set(address, answer);
  answer.then((value) => value ?? kept.delete(address)).catch(() => kept.delete(address));
  return answer;
}

/** The committed study, as `fetchBundled` does. */
export function fetchStudy(): Promise<StudyResults | null> {
  return fetchBundled<StudyResults>(studyAddress, 'The study', { format: resultsFormat, version: resultsVersion });
}

async function fetchText(address: string, priority: RequestPriority = 'auto'): Promise<Fetched> {
  const response = await fetch(address, { priority });
  return { ok: response.ok, text: await response.text() };
}
