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
import { openStorage } from '../storage/open.ts';
import type { TrainerApi } from './api.ts';
import type { TrainerHost } from './host.ts';
import { Session } from './session.ts';

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

const session = new Session({
  loadPolicy: besidePage,
  openStorage: () => openStorage(),
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

const api: TrainerApi = {
  boot: (request) => session.boot(request),
  listen: (sink) => session.listen((events, buffers) => told(sink(transfer([...events], buffers)))),
  check: (config, teacher) => session.check(config, teacher),
  start: (config, name, teacher) => session.start(config, name, teacher),
  trial: (config, onEvaluation) => session.trial(config, (evaluation) => told(onEvaluation(evaluation))),
  race: (config) => session.race(config),
  changes: (kind, id) => session.changes(kind, id),
  resume: (runId, checkpoint, config, teacher, accept) => session.resume(runId, checkpoint, config, teacher, accept),
  pause: () => session.pause(),
  step: (config, runId, teacher) => session.step(config, runId, teacher),
  stop: () => session.stop(),
  runs: () => session.runs(),
  history: (runId, after) => session.history(runId, after),
  rollouts: (runId, step) => session.rollouts(runId, step),
  rolloutSteps: (runId) => session.rolloutSteps(runId),
  alternatives: (request) => session.alternatives(request),
  renameRun: (runId, name) => session.renameRun(runId, name),
  async saveRun(runId) {
    const file = await session.saveRun(runId);
    return transfer(file, [file]);
  },
  openRun: (file) => session.openRun(file),
  clear: () => session.clear(),
  deleteRun: (runId) => session.deleteRun(runId),
  deleteUnreadable: (record) => session.deleteUnreadable(record),
  saveCheckpoint: (name) => session.saveCheckpoint(name),
  renameCheckpoint: (id, name) => session.renameCheckpoint(id, name),
  deleteCheckpoint: (id) => session.deleteCheckpoint(id),
  renderPrompt: (personaText, question) => session.renderPrompt(personaText, question),
  probe: (request, onChunk) => session.probe(request, (chunks) => told(onChunk(chunks))),
  cancelProbe: () => session.cancelProbe(),
  evaluate: (request, onUpdate, accept) => session.evaluate(request, (update) => told(onUpdate(update)), accept),
  cancelEvaluation: () => session.cancelEvaluation(),
  evaluations: () => session.evaluations(),
  evaluation: (id) => session.evaluation(id),
  evaluationReplies: (id, kind, personaId) => session.evaluationReplies(id, kind, personaId),
  deleteEvaluation: (id) => session.deleteEvaluation(id),
  judge: (request, onUpdate) => session.judge(request, (update) => told(onUpdate(update))),
  cancelJudging: () => session.cancelJudging(),
  judgements: () => session.judgements(),
  judgement: (id) => session.judgement(id),
  deleteJudgement: (id) => session.deleteJudgement(id),
  storage: () => session.storage(),
};

const host: TrainerHost = {
  ...api,
  async belongTo(url) {
    pageUrl = url;
  },
  async saveSoon() {
    session.saveSoon();
  },
  async ping() {},
};

// Nobody waits for such a promise, so nobody would hear of it; as an error it reaches the page.
self.addEventListener('unhandledrejection', ({ reason }) => reportError(reason));

expose(host);
