/**
 * The session: everything the page can ask of the worker, without the worker. It runs in a module worker (`trainer.worker.ts`) and,
 * the same, in Node's tests. It keeps at most one run open, or the two of a race; commands are taken one after the other, so that each finds
 * the state the one before it left. What a running run does is in `training.ts`.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError, type Complaint } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { FormOptions } from '../exchange/policy-files.ts';
import type { PolicyForm } from '../exchange/policy-forms.ts';
import type { TrainerForm } from '../exchange/trainer-forms.ts';
import { packRun, type SavedRun } from '../exchange/run-file.ts';
import type { RunConfig } from '../rl/config.ts';
import { recipes } from '../rl/recipes.ts';
import { changesOf, type Changes } from '../run/identity.ts';
import { raceRecipes, type RaceArm } from '../run/race.ts';
import { readablePolicy } from '../storage/policies.ts';
import { estimate } from '../storage/quota.ts';
import type { Unreadable } from '../storage/checked.ts';
import type { CheckpointInfo, ResumableKind, RunRecord } from '../storage/records.ts';
import { bootReport } from './boot-report.ts';
import type { LabStorage } from '../storage/storage.ts';
import { likelyTokens, whomToAsk } from './alternatives.ts';
import type { Alternatives, AlternativesRequest, Boot, BootRequest, OpenedRun, Race, RunHistory, TrainerApi } from './api.ts';
import type { FolderStore } from '../storage/folders.ts';
import { beginningOf, newRunComplaints } from './beginning.ts';
import { Bench, bundledPolicy, type BenchSetup } from './bench.ts';
import { Benchmarks } from './benchmark.ts';
import type { EvaluationTools } from './candidates.ts';
import type { AskedQuestion } from './evaluation-api.ts';
import { Chats } from './chat.ts';
import type { ExaminationKind, Examinations } from './examinations.ts';
import { EventStream, type EventSink } from './event-stream.ts';
import { importRun } from './import-run.ts';
import { insecureNotice } from './insecure.ts';
import { Jobs } from './jobs.ts';
import { Libraries } from './libraries.ts';
import { runLocks, type RunLocks } from './locks.ts';
import { checkedName } from './names.ts';
import { createRun, forkRun } from './new-run.ts';
import { changesOfRun } from './origin.ts';
import { Policies } from './policies.ts';
import { Probes } from './probes.ts';
import { OpenRuns } from './open-runs.ts';
import { Sets } from './sets.ts';
import { Training, type TrainingTools } from './training.ts';
import { trial } from './trial.ts';
import { Turns } from './turns.ts';
import { deleteRecord, unreadableSentence } from './unreadable.ts';

export interface SessionSetup extends BenchSetup {
  openStorage(): Promise<{ readonly storage: LabStorage; readonly notice: string | null }>;
  readonly locks?: RunLocks;
  /** Where files of own policies are kept; rejects where the browser has no such place. */
  readonly openFolders?: () => Promise<FolderStore>;
  /** How long a hub may send nothing, in milliseconds. */
  readonly patienceMs?: number;
  readonly retryWaits?: readonly number[];
}

/** The api, but for the sink, which here also learns what it may transfer, and for what `benchmarks`, `questionSets` and `libraries` answer. */
type SessionApi = Omit<TrainerApi, 'listen' | keyof Benchmarks | keyof Sets | keyof Libraries> & { listen(sink: EventSink): Promise<void> };

export class Session implements SessionApi {
  readonly #setup: SessionSetup;
  readonly #bench: Bench;
  readonly #policies: Policies;
  readonly #events = new EventStream();
  readonly #turns = new Turns();
  readonly #commands = new Turns();
  readonly #probes: Probes;
  readonly #chats: Chats;
  readonly #locks: RunLocks;
  #storage: Promise<{ readonly storage: LabStorage; readonly notice: string | null }> | null = null;
  #boot: { readonly request: string; readonly result: Promise<Boot> } | null = null;
  readonly #runs: OpenRuns;
  #trial: AbortController | null = null;
  readonly #jobs = new Jobs(() => this.#evaluationTools());
  readonly benchmarks: Benchmarks;
  readonly questionSets = new Sets(
    async () => (await this.#opened()).storage,
    () => this.#runs.active,
  );
  readonly libraries = new Libraries({ opened: () => this.#opened(), bench: () => this.#bench });

  constructor(setup: SessionSetup) {
    this.#setup = setup;
    this.#locks = setup.locks ?? runLocks();
    this.#bench = new Bench({
      ...setup,
      loadPolicy: (id) => (id === bundledPolicy.id ? setup.loadPolicy(id) : this.#policies.load(id)),
      onLostThread: (text) => this.#events.push({ type: 'notice', runId: null, level: 'warning', text }),
      onLoading: (loading) => {
        const policy = loading && readablePolicy(loading.policyId);
        this.#events.push({ type: 'loading', runId: null, policy, fraction: loading?.fraction ?? 1 });
      },
    });
    this.#policies = new Policies({
      ...setup,
      bundled: () => this.#bench.policy(bundledPolicy.id),
      storage: async () => (await this.#opened()).storage,
      locks: this.#locks,
    });
    this.#runs = new OpenRuns(this.#bench, () => this.#tools(), this.#turns);
    this.#probes = new Probes({
      bench: this.#bench,
      turns: this.#turns,
      open: () => this.#runs.open,
      storage: async () => (await this.#opened()).storage,
    });
    this.#chats = new Chats(this.#probes);
    const [bench, turns, runs, locks] = [this.#bench, this.#turns, this.#runs, this.#locks];
    this.benchmarks = new Benchmarks({ bench, turns, runs, locks, stored: () => this.runs(), quiet: () => this.#trial?.abort() });
  }

  boot(request: BootRequest): Promise<Boot> {
    const { engine, backend, selftest, gpuMemory, threads } = request;
    const key = [engine, backend, selftest, gpuMemory, threads].join('/');
    if (this.#boot?.request !== key) {
      const result = this.#commands.take(() => this.#bootOnce(request));
      this.#boot = { request: key, result };
      // A failed start, a policy that could not be fetched for one, can be tried again.
      result.catch(() => (this.#boot = null));
    }
    return this.#boot.result;
  }

  async #bootOnce(request: BootRequest): Promise<Boot> {
    this.#runs.refuseActive();
    if (this.#runs.open) this.#close();
    const chosen = await this.#bench.choose(request, bundledPolicy.id);
    const policy = await this.#bench.policy(bundledPolicy.id);
    const { storage, notice } = await this.#opened();
    const unreadable = await storage.unreadable();
    const said = [insecureNotice(), ...chosen.notices, notice, ...policy.notices, ...unreadable.map(unreadableSentence)];
    const notices = said.filter((text) => text !== null);
    return bootReport(chosen, policy, { notices, durable: storage.durable, unreadable, runs: await this.runs() });
  }

  async listen(sink: EventSink): Promise<void> {
    this.#events.listen(sink);
  }

  async check(config: RunConfig, teacher?: string): Promise<readonly Complaint[]> {
    return [...(await newRunComplaints(this.#policies, config, teacher)), ...(await this.questionSets.complaints(config))];
  }

  start(config: RunConfig, name?: string, teacher?: string): Promise<string> {
    return this.#commands.take(async () => {
      // The button was pressed twice.
      const { active, record } = this.#runs.open ?? {};
      const same = active && record?.teacher?.checkpoint === teacher;
      if (same && JSON.stringify(record?.config) === JSON.stringify((await beginningOf(this.#policies, config)).config)) return record!.id;
      this.#runs.refuseActive();
      return this.#begin(await this.#create(config, name, teacher), 'run');
    });
  }

  race(config: RunConfig): Promise<Race> {
    return this.#commands.take(async () => {
      this.#runs.refuseActive();
      const { storage } = await this.#opened();
      const records = new Map<RaceArm, RunRecord>();
      for (const recipe of raceRecipes) {
        const { mix } = recipes[recipe];
        const arm = await beginningOf(this.#policies, { ...config, recipe, mix });
        records.set(recipe, await createRun({ storage, bench: this.#bench }, arm, null));
      }
      const [rlvr, permix] = [records.get('rlvr')!, records.get('permix')!];
      await storage.updateRun(rlvr.id, { race: permix.id });
      await storage.updateRun(permix.id, { race: rlvr.id });
      for (const { id } of [rlvr, permix]) await this.#listCheckpoints(id);
      const pair = { rlvr: rlvr.id, permix: permix.id };
      this.#events.push({ type: 'race', runId: permix.id, pair });
      await this.#begin(await this.#reopen(permix.id), 'run');
      return pair;
    });
  }

  async trial(config: RunConfig, onEvaluation: (evaluation: HeldOutEvaluation) => void): Promise<number | null> {
    if (this.#runs.active.length > 0) return null;
    this.#trial?.abort();
    const abort = new AbortController();
    this.#trial = abort;
    return trial({ bench: this.#bench, turns: this.#turns, sets: this.questionSets }, config, abort.signal, onEvaluation);
  }

  async changes(kind: ResumableKind, id: string): Promise<Changes | null> {
    if (kind !== 'run') return changesOf(await (await this.#jobs.of(kind)).compare(id));
    const { storage } = await this.#opened();
    return changesOfRun({ storage, bench: this.#bench }, await storage.run(id));
  }

  resume(runId: string, checkpoint?: string, config?: RunConfig, teacher?: string, accept: readonly string[] = []): Promise<string> {
    return this.#commands.take(async () => {
      if (!checkpoint && this.#runs.active.some(({ id }) => id === runId)) return runId;
      this.#runs.refuseActive();
      if (checkpoint) return this.#begin(await this.#fork(checkpoint, accept, config, teacher), 'run');
      return this.#begin(await this.#reopen(runId), 'run', accept);
    });
  }

  async pause(): Promise<void> {
    await this.#commands.take(async () => Promise.all(this.#runs.held.map((run) => run.pause())));
  }

  step(config?: RunConfig, runId?: string, teacher?: string, accept?: readonly string[]): Promise<string> {
    return this.#commands.take(async () => {
      this.#runs.refuseActive();
      const run = config ? await this.#create(config, undefined, teacher) : runId ? await this.#reopen(runId) : this.#runs.open;
      if (!run) throw new LabError('usage', 'No run is open.', 'Start one, or resume one from the list.');
      await this.#begin(run, 'step', accept);
      await run.rest;
      return run.id;
    });
  }

  async stop(): Promise<void> {
    await this.#commands.take(async () => Promise.all(this.#runs.held.map((run) => run.stop())));
  }

  /** The tab was hidden; from now on the browser may discard it at any time. */
  saveSoon(): void {
    for (const run of this.#runs.active) run.saveSoon();
  }

  async runs(): Promise<readonly RunRecord[]> {
    const { storage } = await this.#opened();
    const runs: RunRecord[] = [];
    for (const run of await storage.runs()) runs.push(await this.#runs.seen(run, this.#locks));
    return runs;
  }

  async history(runId: string, after?: number): Promise<RunHistory> {
    const { storage } = await this.#opened();
    const [run, steps, checkpoints] = [await storage.run(runId), await storage.metrics(runId, after), await storage.checkpoints(runId)];
    return {
      run: await this.#runs.seen(run, this.#locks),
      steps: steps.map(({ step, metrics, personas }) => ({ step, metrics, personas })),
      checkpoints,
      heldOut: await storage.heldOut(runId),
    };
  }

  async rollouts(runId: string, step: number) {
    return (await (await this.#opened()).storage.rollouts(runId, step))?.rollouts ?? [];
  }

  async rolloutSteps(runId: string): Promise<readonly number[]> {
    return (await this.#opened()).storage.rolloutSteps(runId);
  }

  async alternatives(request: AlternativesRequest): Promise<Alternatives> {
    const { storage } = await this.#opened();
    const { sampling, policy } = (await storage.run(request.runId)).config;
    const [asked, tokenizer] = [
      await whomToAsk(storage, request, this.#runs.open?.id === request.runId),
      await this.#bench.tokenizer(policy),
    ];
    const subject = await this.#probes.subject(asked.checkpoint, policy);
    const ask = (engine: PolicyEngine) => likelyTokens(engine, tokenizer, request, sampling.temperature);
    return { policy: asked.policy, ...(await this.#turns.take(() => this.#probes.lend(subject, ask))) };
  }

  async renameRun(runId: string, name: string): Promise<void> {
    const { storage } = await this.#opened();
    const record = await storage.updateRun(runId, { name: checkedName(name) });
    this.#runs.find(runId)?.adopt(record);
  }

  async saveRun(runId: string): Promise<ArrayBuffer> {
    return packRun(await this.#snapshot(runId));
  }

  async savePolicy(runId: string, form: PolicyForm, options: FormOptions): Promise<File> {
    const saved = await this.#snapshot(runId);
    const policy = await this.#bench.policy(saved.run.config.policy);
    // Loaded when it is asked for.
    const { savedPolicy } = await import('./saved-policy.ts');
    return savedPolicy(policy, saved, form, options);
  }

  async saveProject(runId: string, form: TrainerForm, named: string | null): Promise<{ file: File; gaps: readonly string[] }> {
    const { config } = await (await this.#opened()).storage.run(runId);
    const policy = await this.#bench.policy(config.policy);
    const sets = await this.questionSets.read(config);
    const { savedProject } = await import('./saved-policy.ts');
    return savedProject(policy, config, sets, form, named);
  }

  async #snapshot(runId: string): Promise<SavedRun> {
    const run = this.#runs.find(runId) ?? new Training(await (await this.#opened()).storage.run(runId), await this.#tools());
    return run.snapshot();
  }

  openRun(file: File): Promise<OpenedRun> {
    return this.#commands.take(async () => {
      const { storage } = await this.#opened();
      const opened = await importRun({ storage, bench: this.#bench, policies: this.#policies }, file);
      if (!opened.known) await this.#listCheckpoints(opened.id);
      return opened;
    });
  }

  deleteRun(runId: string): Promise<void> {
    return this.#commands.take(async () => {
      const { storage } = await this.#opened();
      if (this.#runs.find(runId)) {
        this.#runs.refuseActive();
        this.#close();
      } else if (await this.#locks.heldElsewhere(runId)) {
        throw new LabError('usage', 'This run is being trained in another tab.', 'Stop it there first.');
      }
      for (const { id } of await storage.checkpoints(runId)) this.#refuseTeacher(id);
      await storage.deleteRun(runId);
    });
  }

  clear(): Promise<void> {
    return this.#commands.take(async () => {
      this.#runs.refuseActive();
      const { storage } = await this.#opened();
      await this.#runs.refuseElsewhere(await storage.runs(), this.#locks);
      this.#close();
      await this.#policies.clear();
      await storage.clear();
    });
  }

  policies() {
    return this.#policies.list();
  }

  baseQuestion(...given: Parameters<SessionApi['baseQuestion']>) {
    return this.#policies.baseQuestion(...given);
  }

  addPolicy(...given: Parameters<SessionApi['addPolicy']>) {
    return this.#policies.add(...given);
  }

  fetchPolicy(...wanted: Parameters<SessionApi['fetchPolicy']>) {
    return this.#policies.fetch(...wanted);
  }

  async pausePolicy(): Promise<void> {
    this.#policies.pause();
  }

  discardPolicy(folder: string): Promise<void> {
    return this.#policies.discard(folder);
  }

  removePolicy(id: string): Promise<void> {
    return this.#commands.take(async () => {
      const using = (await (await this.#opened()).storage.runs()).filter(({ config }) => config.policy === id);
      if (using.some((run) => this.#runs.find(run.id))) this.#runs.refuseActive();
      await this.#runs.refuseElsewhere(using, this.#locks);
      for (const gone of await this.#policies.remove(id)) this.#bench.forget(gone);
    });
  }

  deleteUnreadable({ kind, key }: Unreadable): Promise<readonly Unreadable[]> {
    return this.#commands.take(async () => {
      const { storage } = await this.#opened();
      // It may have become readable: what is to go is what cannot be read.
      const unreadable = (await storage.unreadable()).some((one) => one.kind === kind && one.key === key);
      if (unreadable) await deleteRecord(storage, kind, key);
      return storage.unreadable();
    });
  }

  async saveCheckpoint(name: string): Promise<CheckpointInfo> {
    if (!this.#runs.open) throw new LabError('usage', 'No run is open, so there is nothing to save.', 'Start or resume one.');
    return this.#runs.open.save(checkedName(name));
  }

  async renameCheckpoint(id: string, name: string): Promise<void> {
    const { storage } = await this.#opened();
    const { runId } = await storage.renameCheckpoint(id, checkedName(name));
    await this.#listCheckpoints(runId);
  }

  async deleteCheckpoint(id: string): Promise<void> {
    const { storage } = await this.#opened();
    this.#refuseTeacher(id);
    const runId = await storage.deleteCheckpoint(id);
    if (runId) await this.#listCheckpoints(runId);
  }

  /** A run that is learning from a checkpoint needs it again whenever it is continued. */
  #refuseTeacher(checkpoint: string): void {
    if (!this.#runs.open?.active || this.#runs.open.record.teacher?.checkpoint !== checkpoint) return;
    throw new LabError('usage', `“${this.#runs.open.record.name}” is learning from this checkpoint.`, 'Stop it first.');
  }

  renderPrompt(...asked: Parameters<SessionApi['renderPrompt']>): Promise<string> {
    return this.#probes.prompt(...asked);
  }

  ownPrompt(...asked: Parameters<SessionApi['ownPrompt']>): Promise<string | null> {
    return this.#probes.ownPrompt(...asked);
  }

  probe(...asked: Parameters<SessionApi['probe']>): Promise<void> {
    return this.#probes.run(...asked);
  }

  async cancelProbe(): Promise<void> {
    this.#probes.cancel();
  }

  chat(...asked: Parameters<SessionApi['chat']>): ReturnType<SessionApi['chat']> {
    return this.#chats.run(...asked);
  }

  async cancelChat(): Promise<void> {
    this.#chats.cancel();
  }

  async examine<K extends ExaminationKind>(
    kind: K,
    request: Examinations[K]['request'],
    onUpdate: (update: Examinations[K]['update']) => void,
  ): Promise<Examinations[K]['result']> {
    return (await this.#jobs.of(kind)).run(request, onUpdate);
  }

  async cancelExamination(kind: ExaminationKind): Promise<void> {
    (await this.#jobs.of(kind)).cancel();
  }

  async examinations<K extends ExaminationKind>(kind: K): Promise<readonly Examinations[K]['info'][]> {
    return (await this.#jobs.of(kind)).list();
  }

  async examination<K extends ExaminationKind>(kind: K, id: string): Promise<Examinations[K]['result']> {
    return (await this.#jobs.of(kind)).view(id);
  }

  async deleteExamination(kind: ExaminationKind, id: string): Promise<void> {
    return (await this.#jobs.of(kind)).delete(id);
  }

  async evaluationReplies(...asked: Parameters<SessionApi['evaluationReplies']>): Promise<readonly AskedQuestion[]> {
    return (await this.#jobs.all()).evaluation.replies(...asked);
  }

  storage() {
    return estimate();
  }

  #opened() {
    this.#storage ??= this.#setup.openStorage();
    return this.#storage;
  }

  async #tools(): Promise<TrainingTools> {
    const { storage } = await this.#opened();
    const [bench, events, turns, locks] = [this.#bench, this.#events, this.#turns, this.#locks];
    return { storage, bench, events, turns, locks, sets: this.questionSets, retryWaits: this.#setup.retryWaits };
  }

  async #evaluationTools(): Promise<EvaluationTools> {
    const { storage } = await this.#opened();
    return {
      storage,
      bench: this.#bench,
      turns: this.#turns,
      retryWaits: this.#setup.retryWaits,
      nameOf: (id) => this.#policies.nameOf(id),
      training: () => this.#runs.active.length > 0,
      saveCurrent: () => this.#runs.saveCurrent(storage),
    };
  }

  async #begin(run: Training, command: 'run' | 'step', accept: readonly string[] = []): Promise<string> {
    this.#trial?.abort();
    return this.#runs.begin(run, command, accept);
  }

  async #create(config: RunConfig, name?: string, teacher?: string): Promise<Training> {
    const { storage } = await this.#opened();
    const begins = await beginningOf(this.#policies, config);
    const record = await createRun({ storage, bench: this.#bench }, begins, name ? checkedName(name) : null, teacher);
    await this.#listCheckpoints(record.id);
    return new Training(record, await this.#tools());
  }

  async #fork(checkpoint: string, accept: readonly string[], changed?: RunConfig, teacher?: string): Promise<Training> {
    const { storage } = await this.#opened();
    const record = await forkRun({ storage, bench: this.#bench }, checkpoint, accept, changed, teacher);
    await this.#listCheckpoints(record.id);
    return new Training(record, await this.#tools());
  }

  async #reopen(runId: string): Promise<Training> {
    if (this.#runs.open?.id === runId) return this.#runs.open;
    const { storage } = await this.#opened();
    return new Training(await storage.run(runId), await this.#tools());
  }

  #close(): void {
    this.#runs.close();
    this.#bench.holder = null;
    this.#events.push({ type: 'session', runId: null, phase: 'idle', step: 0, steps: 0, message: null });
  }

  async #listCheckpoints(runId: string): Promise<void> {
    const { storage } = await this.#opened();
    this.#events.push({ type: 'checkpoints', runId, checkpoints: await storage.checkpoints(runId) });
  }
}
