/** How a run goes on where something is not as it was when it began: the reader is asked, before it is tried or where it is refused. */
import { labErrorCode } from '../errors.ts';
import type { Changes } from '../run/identity.ts';
import type { TrainerApi } from '../worker/api.ts';

/** What the reader is asked about: a run, and how it goes on all the same. */
export interface ChangedRun extends Changes {
  readonly runId: string;
  readonly go: (accept: readonly string[]) => Promise<unknown>;
}

interface Home {
  readonly api: Pick<TrainerApi, 'changes'>;
  readonly viewed: string | null;
  changed: ChangedRun | null;
  attempt<T>(name: string | null, command: () => Promise<T>): Promise<T | null>;
  view(runId: string): Promise<void>;
}

type Work = (accept: readonly string[]) => Promise<string>;

/** Where something differs from what the run began with, the reader is asked first. */
export async function goOn(home: Home, runId: string, resume: Work): Promise<void> {
  const go = async (accept: readonly string[]): Promise<void> => {
    const id = await allowed(home, runId, 'resume', resume, accept);
    if (id !== null && id !== home.viewed) await home.view(id);
  };
  home.changed = null;
  const changes = await home.attempt('resume', async () => ({ found: await home.api.changes('run', runId) }));
  if (changes?.found) home.changed = { ...changes.found, runId, go };
  else if (changes) await go([]);
}

/** What is refused because something has changed is asked about, as far as it can be allowed. Null where it did not go on. */
export function allowed(home: Home, runId: string, name: string, work: Work, accept: readonly string[] = []): Promise<string | null> {
  return home.attempt(name, async () => {
    home.changed = null;
    try {
      return await work(accept);
    } catch (error) {
      const found = labErrorCode(error) === 'usage' ? await home.api.changes('run', runId) : null;
      if (!found || found.accept.every((part) => accept.includes(part))) throw error;
      home.changed = { ...found, runId, go: (more) => allowed(home, runId, name, work, more) };
      return null;
    }
  });
}
