/** The module worker: a session behind comlink, with the browser's files and storage. Everything it does is in `session.ts`. */
import './wire.ts';
import { expose, transfer } from 'comlink';
import simdWasm from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import plainWasm from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import { version } from '../../package.json';
import { LabError } from '../errors.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import { fetchSource } from '../policy/source.ts';
import { storedChecks } from '../storage/checks.ts';
import { findOpfs, openOpfs } from '../storage/opfs.ts';
import { openStorage } from '../storage/open.ts';
import { PayloadFiles } from '../storage/payload-files.ts';
import type { TrainerHost } from './host.ts';
import { runLocks } from './locks.ts';
import { Session } from './session.ts';
import { startThread } from './start-thread.ts';

/** Set by the page before anything else: a worker does not know the address of the page it belongs to. */
let pageUrl = '';

function besidePage(id: string): Promise<Policy> {
  const folder = new URL(`models/${encodeURIComponent(id)}/`, pageUrl).href;
  const source = fetchSource(id, folder);
  return loadPolicy({
    id,
    async read(path) {
      const file = await source.read(path);
      if (file || path !== 'config.json') return file;
      throw new LabError(
        'network',
        `There is no policy ${id} at ${folder}.`,
        'Reload the page; if it stays away, the page was not copied whole.',
      );
    },
  });
}

const absolute = (url: string) => new URL(url, self.location.href).href;

const locks = runLocks();
/** Checkpoints that are too large for the database. */
const large = new PayloadFiles({
  open: () => openOpfs('checkpoints'),
  find: () => findOpfs('checkpoints'),
  hold: (folder) => locks.hold(`folder/${folder}`),
});

const session = new Session({
  loadPolicy: besidePage,
  locks,
  openStorage: () => openStorage('permix-lab', large),
  openFolders: () => openOpfs(),
  startThread,
  // A build's own script has a name of its own.
  checks: { program: `permix-lab ${version} ${self.location.pathname.split('/').at(-1)}`, memory: storedChecks },
  wasmPath: {
    'tfjs-backend-wasm.wasm': absolute(plainWasm),
    'tfjs-backend-wasm-simd.wasm': absolute(simdWasm),
    // Never fetched: threads are off.
    'tfjs-backend-wasm-threaded-simd.wasm': absolute(simdWasm),
  },
});

/** A page that is gone answers no more; that is no failure of the run. */
const told = (answer: unknown): void => void Promise.resolve(answer).catch(() => {});

/** What is not simply the session's. */
const own: Pick<TrainerHost, 'listen' | 'belongTo' | 'saveSoon' | 'ping'> = {
  // Events bring buffers of their own.
  listen: (sink) => session.listen((events, buffers) => told(sink(transfer([...events], buffers)))),
  async belongTo(url) {
    pageUrl = url;
  },
  async saveSoon() {
    session.saveSoon();
  },
  async ping() {},
};

/** A command of the session, its benchmarks, its sets of questions or its libraries, whatever its name: functions it is given are the page's, and a file it makes is handed over. */
const command =
  (run: (...args: unknown[]) => Promise<unknown>) =>
  async (...args: unknown[]): Promise<unknown> => {
    const given = args.map((arg) => (typeof arg === 'function' ? (...news: unknown[]) => told(Reflect.apply(arg, null, news)) : arg));
    const answer = await run(...given);
    return answer instanceof ArrayBuffer ? transfer(answer, [answer]) : answer;
  };

const host = new Proxy(own, {
  get: (_, name) => {
    if (Object.hasOwn(own, name)) return Reflect.get(own, name);
    for (const answering of [session, session.benchmarks, session.questionSets, session.libraries]) {
      const method: unknown = Reflect.get(answering, name);
      if (typeof method === 'function') return command((...args) => Reflect.apply(method, answering, args));
    }
    return undefined;
  },
});

// Nobody waits for such a promise, so nobody would hear of it; as an error it reaches the page.
self.addEventListener('unhandledrejection', ({ reason }) => reportError(reason));

expose(host);
