/**
 * What the page knows: the connection to the worker, the session, and the parts that belong to the viewed run.
 * Every command goes through `attempt`, so that a failure becomes a sentence on the page and never ends it.
 */
import { libraryIn } from './persona-library.ts';
import { createContext } from 'svelte';
import { LabError, labErrorCode, errorSentence } from '../errors.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import type { StepPhase } from '../rl/phases.ts';
import type { RunRecord } from '../storage/records.ts';
import type { Boot, BootRequest, NoticeLevel, TrainerApi, TrainerEvent } from '../worker/api.ts';
import { connect, type WorkerConnection } from '../worker/client.ts';
import { readRequest } from './address.ts';
import { baseChoice, basePolicy } from './base-policy.ts';
import { ClassRuns } from './class-runs.svelte.ts';
import { Draft } from './draft.svelte.ts';
import { nextRun } from './editor-guests.ts';
import { Evaluation } from './evaluation.svelte.ts';
import { Following } from './following.svelte.ts';
import { Judging } from './judge.svelte.ts';
import { allowed, goOn, type ChangedRun } from './go-on.ts';
import type { Remedy } from './health.ts';
import { HeldOut } from './held-out.svelte.ts';
import { HiddenTime } from './hidden.ts';
import { Intake } from './intake.svelte.ts';
import { leaveRun } from './leave-run.ts';
import { Library } from './library.svelte.ts';
import { Metrics } from './metrics.svelte.ts';
import { Notices, type Notice } from './notices.svelte.ts';
import { Pinned } from './pinned.svelte.ts';
import { OwnPolicies } from './policies.svelte.ts';
import { PersonaLibraries } from './persona-libraries.svelte.ts';
import { QuestionSets } from './question-sets.svelte.ts';
import { Preferences } from './preferences.svelte.ts';
import { Probe } from './probe.svelte.ts';
import { Race } from './race.svelte.ts';
import { tabMemory } from './remembered.ts';
import { RolloutsState } from './rollouts.svelte.ts';
import { idle, isActive, loadingOf, type Loading, type SessionState } from './session.ts';
import type { Stage } from './stage.ts';
import { candidates } from './teachers.ts';
import { noTrouble, troubleSentence, type Trouble } from './trouble.ts';
import { Undo } from './undo.svelte.ts';
import { tooLarge, waitingRun } from './waiting.ts';

const lookAroundMs = 2000;

export class Lab implements Stage {
  readonly preferences = new Preferences();
  readonly metrics = new Metrics();
  readonly #getApi = (): TrainerApi => this.api;
  readonly #base = (checkpoints: readonly string[]) => baseChoice(this, checkpoints);
  readonly rollouts = new RolloutsState(this.#getApi, () => this.personas);
  readonly heldOut = new HeldOut();
  readonly library = new Library(this.#getApi);
  readonly probe = new Probe(this.#getApi, () => this.boot);
  readonly evaluation = new Evaluation(this.#getApi, this.#base, () => this.boot);
  readonly judging = new Judging(this.#getApi, this.#base);
  readonly policies = new OwnPolicies(this.#getApi, (id) => this.draft?.choosePolicy(id));
  readonly questionSets = new QuestionSets(this.#getApi, () => this.draft);
  readonly personaLibraries = new PersonaLibraries(this.#getApi, () => this.boot);
  readonly race = new Race(() => this.api);
  readonly pinned = new Pinned(() => this.api);
  readonly classRuns = new ClassRuns(() => this.api);
  readonly undo = new Undo((error) => this.notify('error', errorSentence(error)));
  readonly following = new Following(this);
  readonly intake = new Intake(this, (id) => this.view(id));
  readonly end = null;

  connection = $state<'connecting' | 'ready' | 'broken'>('connecting');
  /** Why there is no worker. */
  failure = $state<string | null>(null);
  /** It is the GPU that failed, so the page may start without it. */
  gpuFailed = $state(false);
  boot = $state.raw<Boot | null>(null);
  draft = $state.raw<Draft | null>(null);
  session = $state.raw<SessionState>(idle);
  progress = $state.raw<{ readonly step: number; readonly phase: StepPhase | 'evaluate'; readonly fraction: number } | null>(null);
  /** An own policy on its way to the engine. */
  loading = $state.raw<Loading | null>(null);
  readonly notices = new Notices();
  /** The run whose charts and rollouts are on view. */
  viewed = $state<string | null>(null);
  /** A command is on its way, named for the button that gave it. */
  busy = $state<string | null>(null);
  /** A GPU compiles its programs in its first step, which then takes much longer than all others. */
  warm = $state(false);
  /** A run that would go on with something else than it began with, and what the reader has to allow for it. */
  changed = $state.raw<ChangedRun | null>(null);
  /** The resume card was waved away. */
  resumeDismissed = $state(false);

  #worker: WorkerConnection | null = null;
  #request: BootRequest = {};
  #arrived = $state(false);
  #trouble = $state.raw<Trouble>(noTrouble);
  #opening = 0;
  /** What this tab had on view before it was loaded. */
  readonly #seen = tabMemory('viewed');

  get api(): TrainerApi {
    if (!this.#worker) throw new Error('The trainer has not started yet.');
    return this.#worker.api;
  }

  get recipe(): RecipeName {
    return this.config?.recipe ?? 'permix';
  }

  get config(): RunConfig | null {
    return this.library.run(this.viewed)?.config ?? null;
  }

  /** Those of the run on view. */
  get voices(): readonly Voice[] {
    return libraryIn(this.boot, this.config?.library).voices;
  }

  get personas(): readonly Persona[] {
    return libraryIn(this.boot, this.config?.library).personas;
  }

  /** Of the next run. */
  get policy(): string {
    return this.draft?.config.policy ?? this.boot?.policy.id ?? '';
  }

  baseOf(checkpoints: readonly (string | null)[]): string {
    return basePolicy(this, checkpoints);
  }

  get live(): boolean {
    return this.viewed !== null && this.viewed === this.session.runId;
  }

  get active(): boolean {
    return isActive(this.session.phase) || this.race.rivalActive;
  }

  /** The runs that are not on their way out. */
  get kept(): readonly RunRecord[] {
    return this.library.runs.filter(({ id }) => !this.undo.hides(id));
  }

  /** Whether this tab trains it. */
  trains(runId: string): boolean {
    return (isActive(this.session.phase) && runId === this.session.runId) || (this.race.rivalActive && this.race.armOf(runId) === 'rlvr');
  }

  /** The run that waits to be continued, while none is under way. */
  get resumable(): RunRecord | null {
    if (this.resumeDismissed || this.active || this.session.phase === 'paused') return null;
    // One that was watched a moment ago is missed, wherever it stands.
    const left = this.library.run(this.following.left);
    return left?.status === 'paused' && !this.undo.hides(left.id) ? left : waitingRun(this.kept, this.session.runId, this.#seen);
  }

  /** A run that failed for want of memory; null: none did. */
  get tooLarge(): RunRecord | null {
    const run = this.library.run(this.session.runId) ?? this.kept[0];
    return !this.resumeDismissed && !this.active && tooLarge(run) ? run : null;
  }

  /** What is the matter with the worker, a sentence; null while it answers. */
  get trouble(): string | null {
    return troubleSentence(this.#trouble, {
      arrived: this.#arrived,
      run: this.active ? this.library.run(this.session.runId) : null,
      durable: this.boot?.durable ?? true,
      stored: this.library.runs.length > 0,
    });
  }

  get answers(): boolean {
    return this.#trouble.silent === null;
  }

  /** What failed is the reader's to put up with, as long as the worker answers. */
  leaveTrouble(): void {
    this.#trouble = { ...this.#trouble, why: null };
  }

  async start(search: string): Promise<void> {
    const { request, complaints } = readRequest(search);
    for (const text of complaints) this.notify('warning', text);
    this.#request = request;
    await this.#connect();
  }

  /** Ends the worker, whatever it is doing, and begins with a new one: a run that was under way waits at its last checkpoint. */
  async restart(): Promise<void> {
    this.#worker?.end(new LabError('cancelled', 'The trainer was restarted while this was under way.', 'It can be asked for again.'));
    this.session = idle;
    [this.progress, this.loading, this.warm] = [null, null, false];
    this.changed = null;
    this.resumeDismissed = false;
    this.connection = 'connecting';
    await this.#connect();
  }

  async #connect(): Promise<void> {
    this.#arrived = false;
    this.#trouble = noTrouble;
    const worker = connect({
      silent: (silent) => worker === this.#worker && (this.#trouble = { ...this.#trouble, silent }),
      failed: (why) => worker === this.#worker && (this.#trouble = { ...this.#trouble, why }),
    });
    this.#worker = worker;
    try {
      await worker.arrived;
      this.#arrived = true;
      await worker.api.listen((events) => worker === this.#worker && events.forEach((event) => this.#take(event)));
      await this.#boot(this.#request);
    } catch (error) {
      // Another worker has taken its place.
      if (worker !== this.#worker) return;
      this.#trouble = noTrouble;
      this.connection = 'broken';
      this.failure = errorSentence(error);
      this.gpuFailed = labErrorCode(error) === 'webgpu';
    }
  }

  async #boot(request: BootRequest): Promise<void> {
    try {
      this.#begin(await this.api.boot(request));
    } catch (error) {
      // A request that cannot be granted is no reason for a dead page: say so, and go on with what there is.
      if ((!request.engine && !request.backend) || labErrorCode(error) === 'cancelled') throw error;
      this.#begin(await this.api.boot({}));
      this.notify('error', `${errorSentence(error)} Until then the page has chosen for you.`);
    }
  }

  #begin(boot: Boot): void {
    const again = this.boot !== null;
    this.boot = boot;
    for (const text of boot.notices) this.notify('info', text);
    this.library.runs = boot.runs;
    this.library.unreadable = boot.unreadable;
    this.draft ??= new Draft(
      boot,
      this.#getApi,
      (policy) => candidates(this.kept, this.library.checkpoints, this.policies.trained(policy)),
      (policy) => this.policies.recipesOf(policy),
    );
    this.connection = 'ready';
    if (!again) this.#first();
    const known = (id: string | null) => boot.runs.find((run) => run.id === id);
    // Nothing is trained here yet: what runs does so in another tab.
    const running = boot.runs.find(({ status }) => status === 'running');
    const last = known(this.viewed) ?? running ?? known(this.#seen) ?? boot.runs.find((run) => run.step > 0);
    if (last) void this.view(last.id);
    void this.race.recover(boot.runs).then(() => this.race.tryOut(boot));
    void this.attempt(null, () => this.library.refresh());
    void this.policies.refresh();
    void this.attempt(null, () => this.questionSets.refresh());
    void this.attempt(null, () => this.personaLibraries.begin(nextRun(this)));
  }

  #first(): void {
    setInterval(() => this.#lookAround(), lookAroundMs);
    new HiddenTime(this);
  }

  /** What another tab trains is followed, and what is pinned. A tab that trains looks for no other runs than those it knows of. */
  #lookAround(): void {
    if (this.connection !== 'ready') return;
    if (this.pinned.groups.length > 0 && (this.active || this.following.runs.length > 0))
      void this.pinned.refresh(this.library.runs).catch(() => {});
    if (this.active && this.following.runs.length === 0) return;
    void this.following.look().then(() => {
      const [run] = this.following.runs;
      if (run && this.viewed === null) void this.view(run.id);
    });
  }

  notify(level: NoticeLevel, text: Notice['text'], runId: string | null = null): void {
    this.notices.add(level, text, runId);
  }

  /** Runs a command; its failure becomes a notice. Null when it failed. */
  async attempt<T>(name: string | null, command: () => Promise<T>): Promise<T | null> {
    if (name) this.busy = name;
    try {
      return await command();
    } catch (error) {
      this.notify('error', errorSentence(error));
      return null;
    } finally {
      if (name && this.busy === name) this.busy = null;
    }
  }

  async train(): Promise<void> {
    const config = await this.#checked();
    if (!config) return;
    await this.attempt('train', async () => this.#watch(await this.api.start(config, undefined, this.#teacher)));
  }

  /** RLVR and PerMix in turn, from the seed of the set-up; on view is PerMix. */
  async trainBoth(): Promise<void> {
    const { boot, draft } = this;
    if (!boot || !draft) return;
    const recipes = this.policies.recipesOf(this.policy) ?? boot.recipes;
    const config = this.race.config({ recipes }, draft.snapshot().seed, this.policy);
    await this.attempt('race', async () => this.#watch((await this.api.race(config)).permix));
  }

  /** The newest checkpoints of the race, for whoever asks them more. */
  get raced(): readonly string[] {
    const { pair } = this.race;
    return pair ? [pair.rlvr, pair.permix].flatMap((id) => this.library.checkpoints[id]?.[0]?.id ?? []) : [];
  }

  /** A run with these very settings, whatever the set-up says. False when it did not start. */
  async trainAs(config: RunConfig, name: string): Promise<boolean> {
    const started = await this.attempt('train', async () => {
      this.#watch(await this.api.start(config, name));
      return true;
    });
    return started ?? false;
  }

  /** One step of the paused run, or of a new one. */
  async stepOnce(): Promise<void> {
    if (this.session.phase === 'paused') {
      const { runId } = this.session;
      if (runId) await allowed(this, runId, 'step', (accept) => this.api.step(undefined, undefined, undefined, accept));
      return;
    }
    const config = await this.#checked();
    if (config) await this.attempt('step', async () => this.#watch(await this.api.step(config, undefined, this.#teacher)));
  }

  async pause(): Promise<void> {
    await this.attempt('pause', () => this.api.pause());
  }

  async stop(): Promise<void> {
    await this.attempt('stop', () => this.api.stop());
  }

  /** Goes on with a run, or from one of its checkpoints as a new run. */
  async resume(runId: string, checkpoint?: string): Promise<void> {
    await goOn(this, runId, (accept) => this.api.resume(runId, checkpoint, undefined, undefined, accept));
  }

  /** Trains on from a checkpoint with the settings of the set-up, as a new run: how one that diverged is saved. */
  async fork(runId: string, checkpoint: string): Promise<void> {
    const config = await this.#checked();
    if (!config) {
      this.notify('error', 'The settings of the next run cannot be used yet; what is wrong stands beside them.');
      return;
    }
    const teacher = this.#teacher;
    await goOn(this, runId, (accept) => this.api.resume(runId, checkpoint, config, teacher, accept));
  }

  /** A run once more with settings that take less (`rl/smaller.ts`): from its newest checkpoint, or from its beginning. */
  async trainSmaller(run: RunRecord, config: RunConfig): Promise<void> {
    const teacher = run.teacher?.checkpoint;
    const [newest] = run.step > 0 ? ((await this.attempt('resume', () => this.api.history(run.id)))?.checkpoints ?? []) : [];
    if (newest) await goOn(this, run.id, (accept) => this.api.resume(run.id, newest.id, config, teacher, accept));
    else if (run.step === 0) await this.attempt('train', async () => this.#watch(await this.api.start(config, undefined, teacher)));
  }

  /** What a finding proposes: another run from a checkpoint of this one, or settings for the next. */
  async apply({ step, config }: Remedy, runId: string): Promise<void> {
    if (step === null) {
      if (this.draft?.locked) this.notify('info', 'The link you opened locks the settings; “Show everything” unlocks them.');
      this.draft?.take(config);
      document.getElementById('setup')?.scrollIntoView();
      return;
    }
    if (this.active) await this.pause();
    const checkpoint = this.library.checkpoints[runId]?.find((one) => one.step === step);
    if (checkpoint) await goOn(this, runId, (accept) => this.api.resume(runId, checkpoint.id, config, undefined, accept));
  }

  /** Everything that this page has stored in this browser, settings included; then it begins anew. */
  async clear(): Promise<void> {
    const cleared = await this.attempt('clear', async () => {
      await this.api.clear();
      return true;
    });
    if (!cleared) return;
    this.preferences.forget();
    location.reload();
  }

  /** What Space does. */
  async pauseOrResume(): Promise<void> {
    if (this.session.phase === 'running') await this.pause();
    else if (this.session.phase === 'paused' && this.session.runId) await this.resume(this.session.runId);
  }

  async saveCheckpoint(name: string): Promise<void> {
    await this.attempt('save', () => this.api.saveCheckpoint(name));
  }

  /** Puts a stored run's charts and rollouts on view. */
  async view(runId: string): Promise<void> {
    const opening = ++this.#opening;
    await this.attempt('view', async () => {
      const history = await this.api.history(runId);
      if (opening !== this.#opening) return;
      this.#clear(runId);
      this.metrics.appendRows(history.steps);
      this.heldOut.show(history.heldOut);
      this.library.receive(runId, history.checkpoints);
      void this.rollouts.open(runId);
    });
  }

  leaveRun(run: RunRecord): void {
    leaveRun(this, run, () => this.#clear(null));
  }

  async #checked(): Promise<RunConfig | null> {
    if (!this.draft) return null;
    await this.draft.check();
    if (this.draft.complaints.length) return null;
    return { ...this.draft.snapshot(), recipe: this.draft.recipe };
  }

  get #teacher(): string | undefined {
    return this.draft?.teacher?.checkpoint.id;
  }

  #watch(runId: string): void {
    if (this.viewed !== runId) this.#clear(runId);
    void this.attempt(null, () => this.library.refresh());
  }

  #clear(runId: string | null): void {
    this.#opening++;
    this.viewed = runId;
    tabMemory('viewed', runId ?? '');
    this.metrics.clear((id) => this.personas.find((persona) => persona.id === id)?.voice ?? id);
    void this.rollouts.open(runId);
    this.heldOut.show([]);
  }

  #take(event: TrainerEvent): void {
    this.race.take(event);
    // Of a race the run bar follows PerMix; the rival is beside it.
    const rival = this.race.armOf(event.runId) === 'rlvr' && this.session.runId !== event.runId;
    if (rival && (event.type === 'session' || event.type === 'progress')) return;
    switch (event.type) {
      case 'race':
        break;
      case 'session': {
        const changed = event.phase !== this.session.phase;
        this.session = event;
        if (!this.active) this.progress = null;
        if (changed && event.phase === 'failed') this.resumeDismissed = false;
        if (event.phase === 'starting') this.probe.compare('current');
        if (event.phase === 'starting' && event.runId && this.viewed !== event.runId) this.#clear(event.runId);
        if (changed && this.connection === 'ready') void this.attempt(null, () => this.library.refresh());
        break;
      }
      case 'progress':
        this.progress = event;
        break;
      case 'loading':
        this.loading = loadingOf(event);
        break;
      case 'metrics':
        this.warm = true;
        if (this.viewed !== event.runId && event.runId === this.session.runId && event.steps[0] === 1) this.#clear(event.runId);
        if (this.viewed === event.runId) this.metrics.append(event.steps, event.columns, event.personas);
        break;
      case 'rollouts':
        if (this.viewed === event.runId) this.rollouts.receive(event.step, event.rollouts);
        break;
      case 'evaluation':
        if (this.viewed !== event.runId && event.runId === this.session.runId && event.evaluation.step === 0) this.#clear(event.runId);
        if (this.viewed === event.runId) this.heldOut.receive(event.evaluation);
        break;
      case 'checkpoints':
        this.library.receive(event.runId, event.checkpoints);
        break;
      case 'notice':
        this.notify(event.level, event.text, event.runId);
        break;
    }
  }
}

export const [useLab, provideLab] = createContext<Lab>();
