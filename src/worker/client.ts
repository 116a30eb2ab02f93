/**
 * The page's side of the worker: starts it, gives the page a plain `TrainerApi` of promises and LabErrors, and watches whether it still
 * answers. Of the DOM it knows the address and whether anyone looks.
 */
import './wire.ts';
import { proxy, wrap } from 'comlink';
import { LabError } from '../errors.ts';
import type { TrainerApi } from './api.ts';
import type { TrainerHost } from './host.ts';
import { beatMs, Pulse } from './pulse.ts';

/** What the page is told of the worker itself, beside the answers to its commands. */
export interface Watcher {
  /** @param seconds without an answer so far; null: it answers again */
  silent(seconds: number | null): void;
  /** @param why what failed in the worker, or on the way to it, that belongs to no command */
  failed(why: string): void;
}

export interface WorkerConnection {
  /** Rejects with LabError 'network' when the worker's script cannot be loaded. */
  readonly arrived: Promise<void>;
  readonly api: TrainerApi;
  /** Ends the worker, whatever it is doing. Commands that wait for it, and those that come, reject with this error. */
  end(error: LabError): void;
}

/** Commands that store something, so that the browser is asked to keep it. */
const storing: readonly string[] = [
  'start',
  'race',
  'step',
  'examine',
  'addPolicy',
  'fetchPolicy',
  'keepSet',
  'keepLibrary',
  'saveLibraryDraft',
] satisfies (keyof TrainerApi)[];

/** Starts the worker. */
export function connect(watcher: Watcher): WorkerConnection {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), { type: 'module' });
  const host = wrap<TrainerHost>(worker);
  /** A promise as old as the worker would keep everyone who ever waited for it; this keeps those who wait. */
  const waiting = new Set<(error: Error) => void>();
  let over: LabError | null = null;
  const unlessOver = <T>(command: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (over) return reject(over);
      waiting.add(reject);
      command()
        .then(resolve, reject)
        .finally(() => waiting.delete(reject));
    });
  const listening = new AbortController();
  const { signal } = listening;
  const end = (error: LabError) => {
    over ??= error;
    clearInterval(beating);
    listening.abort();
    worker.terminate();
    for (const reject of [...waiting]) reject(over);
  };

  let here = false;
  worker.addEventListener(
    'error',
    ({ message }) => {
      if (here) return watcher.failed(message || 'without a further word');
      const why = message ? ` (${message})` : '';
      end(
        new LabError('network', `The part of the page that trains could not be loaded${why}.`, 'Check the connection and reload the page.'),
      );
    },
    { signal },
  );
  // Then an answer is lost, and somebody waits for it in vain.
  worker.addEventListener('messageerror', () => watcher.failed('an answer of it could not be read'), { signal });
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && void host.saveSoon(), { signal });

  // Asked from the start: a script that never arrives answers nothing either.
  const arrived = unlessOver(() => host.belongTo(new URL(import.meta.env.BASE_URL, document.baseURI).href)).then(() => void (here = true));
  const pulse = new Pulse(
    () => host.ping(),
    (beats) => watcher.silent(beats === null ? null : Math.round((beats * beatMs) / 1000)),
  );
  const beating = setInterval(() => pulse.beat(), beatMs);

  const command = (name: keyof TrainerApi) => {
    const call = host[name] as (...args: unknown[]) => Promise<unknown>;
    return (...args: unknown[]) => {
      if (storing.includes(name)) keepStorage();
      return unlessOver(() => call(...args.map((arg) => (typeof arg === 'function' ? proxy(arg) : arg))));
    };
  };
  const api = new Proxy({} as TrainerApi, {
    // This object is handed through promises and is none.
    get: (_, name) => (name === 'then' ? undefined : command(name as keyof TrainerApi)),
  });
  return { arrived, api, end };
}

let asked = false;

/** Asks once, with the first run, that the browser does not evict what is stored. It may say no; the page works the same. */
function keepStorage(): void {
  if (asked) return;
  asked = true;
  // Where site data is blocked it refuses, and there is nothing to keep.
  void Promise.resolve()
    .then(() => navigator.storage?.persist?.())
    .catch(() => false);
}
