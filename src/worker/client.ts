/** The page's side of the worker: starts it, and gives the page a plain `TrainerApi` of promises and LabErrors. Of the DOM it knows the address and whether anyone looks. */
import './wire.ts';
import { proxy, wrap } from 'comlink';
import { LabError } from '../errors.ts';
import type { TrainerApi } from './api.ts';
import type { TrainerHost } from './host.ts';

/** @throws LabError 'network' when the worker's script cannot be loaded */
export async function connect(): Promise<TrainerApi> {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), { type: 'module' });
  const broken = new Promise<never>((_, reject) => {
    worker.onerror = (event) => {
      const why = event.message ? ` (${event.message})` : '';
      reject(
        new LabError('network', `The part of the page that trains could not be loaded${why}.`, 'Check the connection and reload the page.'),
      );
    };
  });
  const host = wrap<TrainerHost>(worker);
  await Promise.race([host.belongTo(new URL(import.meta.env.BASE_URL, document.baseURI).href), broken]);
  worker.onerror = null;
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void host.saveSoon();
  });

  const own: Partial<TrainerApi> = {
    listen: (sink) => host.listen(proxy(sink)),
    probe: (request, onChunk) => host.probe(request, proxy(onChunk)),
    evaluate(request, onNews) {
      keepStorage();
      return host.evaluate(request, proxy(onNews));
    },
    judge(request, onNews) {
      keepStorage();
      return host.judge(request, proxy(onNews));
    },
    start(config, name, teacher) {
      keepStorage();
      return host.start(config, name, teacher);
    },
  };
  // Everything else is the worker's own. `then` is left out: this object is handed through promises and is none.
  return new Proxy(own as TrainerApi, {
    get: (target, name) => (name === 'then' ? undefined : (target[name as keyof TrainerApi] ?? host[name as keyof TrainerApi])),
  });
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
