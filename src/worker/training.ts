/**
 * One run being trained: pulls steps out of the trainer, stores each, writes checkpoints, recovers from a lost device by going back to
 * the last checkpoint. What a step computes is in `rl/trainer.ts`; which run is open is the session's business.
 *
 * Every way to continue a run, be it after a pause, in a new tab or after a lost device, goes through its newest checkpoint or through
 * an engine that still holds exactly that run; that is why a resumed run equals an uninterrupted one.
 */
import { toldOfMemory } from '../engine/calls.ts';
import type { PolicyEngine } from '../engine/engine.ts';
import { labErrorCode, LabError, errorSentence } from '../errors.ts';
import type { SavedRun } from '../exchange/run-file.ts';
import { evaluationDue } from '../evaluate/held-out.ts';
import { ownPromptSentence } from '../persona/place.ts';
import { libraryOf } from '../persona/libraries.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { loraSetup } from '../rl/config.ts';
import type { StepReport, TrainerState } from '../rl/events.ts';
import { changeOf } from '../run/identity.ts';
import { HeldOutCost, type HeldOutExcess } from '../run/cost.ts';
import { runSteps } from '../run/loop.ts';
import { readablePolicy } from '../storage/policies.ts';
import type { Checkpoint, CheckpointInfo, RunRecord, RunStatus } from '../storage/records.ts';
import type { LabStorage, RunChange } from '../storage/storage.ts';
import type { NoticeLevel, SessionPhase } from './api.ts';
import { Autosave } from './autosave.ts';
import type { Bench } from './bench.ts';
import type { EventStream } from './event-stream.ts';
import type { RunLocks } from './locks.ts';
import { continuedRun } from './origin.ts';
import { deviceNames, lossError, Recovery } from './recovery.ts';
import type { Sets } from './sets.ts';
import { keptRollouts, metricsOf } from './step-records.ts';
import { needTeacher, teacherState } from './teacher.ts';
import { nextTask, type Turns } from './turns.ts';

export interface TrainingTools {
  readonly storage: LabStorage;
  readonly bench: Bench;
  readonly events: EventStream;
  readonly turns: Turns;
  readonly locks: RunLocks;
  readonly sets: Pick<Sets, 'read'>;
  /** Before each try to have a new device, milliseconds; absent: as `recovery.ts` has them. */
  readonly retryWaits?: readonly number[];
}

type Command = 'run' | 'step' | 'pause' | 'stop';

export class Training {
  #phase: SessionPhase = 'paused';
  #record: RunRecord;
  readonly #tools: TrainingTools;
  /** What the engine is at, while it holds this run. */
  #trainer: TrainerState | null = null;
  #steps: ReturnType<typeof runSteps> | null = null;
  /** Steps whose held-out evaluation is stored. */
  #evaluated: readonly number[] = [];
  #reward: number | null = null;
  /** The step of the newest checkpoint. */
  #saved: number;
  readonly #autosave = new Autosave();
  /** A step that was computed and could not be stored; stored before the next one. */
  #unsaved: StepReport | null = null;
  /** Of this session. */
  #cost: HeldOutCost;
  #command: Command = 'pause';
  #abort = new AbortController();
  readonly #recovery: Recovery;
  /** Ends a wait for a new device. */
  #waiting = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(record: RunRecord, tools: TrainingTools) {
    this.#record = record;
    this.#saved = record.step;
    this.#cost = new HeldOutCost(record.config);
    this.#tools = tools;
    this.#recovery = new Recovery(tools.retryWaits);
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): RunRecord {
    return this.#record;
  }

  /** Computing, or about to. */
  get active(): boolean {
    return this.#phase === 'starting' || this.#phase === 'running' || this.#phase === 'pausing' || this.#phase === 'recovering';
  }

  get finished(): boolean {
    return this.#phase === 'finished';
  }

  /** Settles when the loop has come to rest. */
  get rest(): Promise<void> {
    return this.#loop;
  }

  /**
   * Resolves once training goes on; rejects when it cannot.
   * @param command all steps, or one  @param accept parts of what it began with that may differ now
   */
  async begin(command: 'run' | 'step', accept: readonly string[] = []): Promise<void> {
    const release = await this.#lock();
    this.#recovery.forget();
    try {
      this.#tell('starting');
      await this.#tools.turns.take(() => this.#prepare(accept).catch((error: unknown) => this.#prepareAgain(error, accept)));
      this.#steps = null;
      this.#abort = new AbortController();
      this.#command = command;
      this.#tell('running');
    } catch (error) {
      this.#tell('failed', errorSentence(error));
      release();
      throw error;
    }
    this.#loop = this.#run().finally(release);
  }

  /** After the current step; resolves when the checkpoint is written. */
  async pause(): Promise<void> {
    if (!this.active) return;
    this.#command = 'pause';
    this.#waiting.abort();
    if (this.#phase === 'running') this.#tell('pausing');
    await this.#loop;
  }

  /** Between two phases of the current step, whose work is thrown away. */
  async stop(): Promise<void> {
    if (this.active) {
      this.#command = 'stop';
      this.#abort.abort();
      this.#waiting.abort();
      if (this.#phase === 'running') this.#tell('pausing');
      await this.#loop;
    } else if (this.#phase === 'paused') {
      await this.#alone(() => this.#settle('stopped'));
    }
  }

  /** The reader's own checkpoint, of the newest whole step. */
  save(name: string): Promise<CheckpointInfo> {
    return this.#alone(async () => {
      await this.hold();
      return this.#checkpoint(name, true, this.#record.status);
    });
  }

  /** The run with its newest state, of the engine where that is ahead of what is stored. Needs no storage as long as the engine holds the run. */
  snapshot(): Promise<SavedRun> {
    return this.#tools.turns.take(async () => {
      const { storage, bench } = this.#tools;
      const stored = await storage.metrics(this.id).catch((error: unknown) => {
        // What cannot be read cannot be saved; the state can.
        if (this.#holds() && labErrorCode(error) === 'storage') return [];
        throw error;
      });
      const heldOut = await storage.heldOut(this.id).catch(() => []);
      const rollouts = await keptRollouts(storage, this.id, this.#holds() ? this.#unsaved : null);
      if (!this.#holds()) return { run: this.#record, checkpoint: await this.#newest(), metrics: stored, heldOut, rollouts };
      const { config } = this.#record;
      const state = await (await bench.engineFor(config.policy, loraSetup(config))).exportState();
      const unsaved = this.#unsaved ? [metricsOf(this.id, this.#unsaved)] : [];
      const metrics = [...stored.filter(({ step }) => step !== unsaved[0]?.step), ...unsaved];
      const checkpoint = { name: `Step ${this.#step}`, reward: this.#reward, config, trainer: this.#trainer!, state };
      return { run: { ...this.#record, step: this.#step }, checkpoint, metrics, heldOut, rollouts };
    });
  }

  /** Asks for a checkpoint at the end of the current step: the tab was hidden and may be discarded. */
  saveSoon(): void {
    this.#autosave.soon();
  }

  /** Takes over a change of the record that this training did not make itself. */
  adopt(record: RunRecord): void {
    this.#record = record;
  }

  /** Sees to it that the engine holds this run's newest state. Only within a turn. */
  async hold(): Promise<void> {
    if (!this.#holds()) await this.#restore();
  }

  async #lock(): Promise<() => void> {
    const release = await this.#tools.locks.hold(this.id);
    if (release) return release;
    throw new LabError('usage', `“${this.#record.name}” is being trained in another tab.`, 'Pause it there, or close that tab.');
  }

  /** Writes to the run: under the lock of the loop while that runs, under its own otherwise. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.active) return this.#tools.turns.take(work);
    const release = await this.#lock();
    try {
      return await this.#tools.turns.take(async () => {
        await this.#refresh();
        return work();
      });
    } finally {
      release();
    }
  }

  /** Another tab may have trained the run on; then what the engine holds is history. */
  async #refresh(): Promise<void> {
    const stored = await this.#tools.storage.run(this.id);
    if (stored.updated !== this.#record.updated && this.#tools.bench.holder === this) this.#tools.bench.holder = null;
    this.#record = stored;
  }

  /** Whether the engine holds this run's newest state. */
  #holds(): boolean {
    return this.#tools.bench.holder === this && this.#trainer !== null;
  }

  /** The device may have been lost while nothing ran: a laptop that slept. */
  async #prepareAgain(error: unknown, accept: readonly string[]): Promise<void> {
    const { bench } = this.#tools;
    if (!bench.deviceFailed(error)) throw error;
    const again = async () => {
      await bench.rebuild(this.#record.config.policy, loraSetup(this.#record.config));
      await this.#prepare(accept);
    };
    // No command is heard before the run has started, so none could end the wait.
    const outcome = await this.#recovery.after(error, again, (failure) => bench.deviceFailed(failure), new AbortController().signal);
    if (outcome.kind === 'failed') throw outcome.error;
    if (outcome.kind === 'lost again' || outcome.kind === 'no device') throw this.#lost(outcome);
  }

  async #prepare(accept: readonly string[]): Promise<void> {
    const { storage, bench } = this.#tools;
    await this.#refresh();
    // The one that teaches may still be at hand when its checkpoint is not; then it could not be continued after the next reload.
    await needTeacher(storage, this.#record);
    await this.#tools.sets.read(this.#record.config);
    // Before anything is put back or forgotten.
    const origin = await continuedRun(this.#tools, this.#record, accept);
    if (!this.#holds()) await this.#goBack();
    if (this.#unsaved) await this.#store(this.#unsaved);
    await this.#teacher();
    const { info } = await bench.engineFor(this.#record.config.policy, loraSetup(this.#record.config));
    const own = ownPromptSentence(await this.#tokenizer(), readablePolicy(this.#record.config.policy));
    if (own !== null) this.#notice('info', own);
    const earlier = this.#record.origin?.takenOver.length ?? 0;
    for (const change of origin.takenOver.slice(earlier).filter(({ was }) => was !== null)) {
      this.#notice('info', `“${this.#record.name}” goes on from ${change.at} with something else: ${changeOf(change)}.`);
    }
    const unfailed = { failure: undefined, failureCode: undefined };
    this.#record = await storage.updateRun(this.id, { status: 'running', engine: info, origin, ...unfailed });
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        while (this.#command !== 'pause' && this.#command !== 'stop' && !this.#complete) {
          const did = await this.#tools.turns.take(() => this.#next());
          if (this.#command === 'step' && did === 'step') this.#command = 'pause';
          await nextTask();
        }
        const rest = this.#complete ? 'finished' : this.#command === 'stop' ? 'stopped' : 'paused';
        return await this.#tools.turns.take(() => this.#settle(rest));
      } catch (error) {
        if (labErrorCode(error) === 'cancelled' && this.#abort.signal.aborted) continue;
        const failure = await this.#recover(error);
        if (failure !== null) return this.#fail(failure);
      }
    }
  }

  /** All steps, and the last evaluation. */
  get #complete(): boolean {
    const { config } = this.#record;
    return this.#step >= config.steps && !(evaluationDue(config, this.#step) && !this.#evaluated.includes(this.#step));
  }

  get #step(): number {
    return this.#trainer?.step ?? this.#saved;
  }

  /** One step or evaluation and its record, in one turn: whoever comes next finds engine, counters and storage at the same step. */
  async #next(): Promise<'step' | 'evaluation'> {
    const { bench, events } = this.#tools;
    if (!this.#holds()) await this.#goBack();
    const { config } = this.#record;
    const step = this.#step + 1;
    this.#steps ??= runSteps({
      engine: await bench.engineFor(config.policy, loraSetup(config)),
      ...(await this.#teacher()),
      tokenizer: await this.#tokenizer(),
      eosIds: (await bench.policy(config.policy)).config.eosIds,
      ...libraryOf(config.library),
      config,
      sets: await this.#tools.sets.read(config),
      state: this.#trainer!,
      evaluated: this.#evaluated,
      signal: this.#abort.signal,
      onNotice: (sentence) => this.#notice('info', sentence),
      onProgress: (phase, fraction) => events.push({ type: 'progress', runId: this.id, step: this.#step + 1, phase, fraction }),
      onEvaluation: (at, fraction) => events.push({ type: 'progress', runId: this.id, step: at, phase: 'evaluate', fraction }),
    });
    const next = await this.#steps.next();
    if (next.done) throw new Error(`the trainer ended before step ${step}`);
    if (next.value.kind === 'evaluation') {
      const { evaluation } = next.value;
      await this.#tools.storage.saveHeldOut({ runId: this.id, ...evaluation });
      this.#evaluated = [...this.#evaluated, evaluation.step];
      this.#cost.asked(evaluation.seconds);
      events.push({ type: 'evaluation', runId: this.id, evaluation });
      return 'evaluation';
    }
    const { report, state } = next.value;
    this.#trainer = state;
    this.#unsaved = report;
    this.#reward = report.metrics['reward'] ?? null;
    events.pushStep(this.id, report);
    await this.#store(report);
    this.#cost.trained(report.metrics['step_time'] ?? 0);
    const dear = this.#cost.excess();
    if (dear !== null) this.#notice('info', dear);
    this.#tell(this.#phase);
    return 'step';
  }

  /** With what the run tells its chat template. */
  async #tokenizer(): Promise<Tokenizer> {
    const { config } = this.#record;
    return this.#tools.bench.tokenizer(config.policy, config);
  }

  /** Sequence distillation only. */
  async #teacher(): Promise<{ readonly teacher?: PolicyEngine }> {
    const { storage, bench } = this.#tools;
    const { teacher, config } = this.#record;
    return teacher ? { teacher: await bench.teacherOf(this, config.policy, () => teacherState(storage, this.#record, teacher)) } : {};
  }

  /** Metrics and rollouts of a step, and a checkpoint where one is due. */
  async #store(report: StepReport): Promise<void> {
    const { step, rollouts } = report;
    await this.#tools.storage.saveStep(metricsOf(this.id, report), { runId: this.id, step, rollouts });
    if (this.#autosave.due(this.#record.config, step)) {
      const told = await this.#autosave.attempt(() => this.#checkpoint(`Step ${step}`, false, 'running'), this.#saved);
      if (told !== null) this.#notice('warning', told);
    }
    this.#unsaved = null;
  }

  async #checkpoint(name: string, kept: boolean, status: RunStatus): Promise<CheckpointInfo> {
    const { storage, bench, events } = this.#tools;
    const { config } = this.#record;
    const state = await (await bench.engineFor(config.policy, loraSetup(config))).exportState();
    const info = await storage.saveCheckpoint(
      { runId: this.id, name, reward: this.#reward, kept, config, trainer: this.#trainer!, state },
      status,
    );
    this.#saved = info.step;
    this.#autosave.done();
    this.#record = await storage.run(this.id);
    events.push({ type: 'checkpoints', runId: this.id, checkpoints: await storage.checkpoints(this.id) });
    return info;
  }

  /** To the newest whole checkpoint; what was recorded after it is forgotten, because it is about to be made again. */
  async #goBack(): Promise<void> {
    await this.#restore();
    await this.#tools.storage.rewind(this.id, this.#saved);
  }

  /** Puts the newest whole checkpoint on the engine. */
  async #restore(): Promise<void> {
    const { bench } = this.#tools;
    this.#steps = null;
    this.#trainer = null;
    const checkpoint = await this.#newest();
    await bench.load(checkpoint.config.policy, loraSetup(checkpoint.config), checkpoint.state, this);
    this.#trainer = checkpoint.trainer;
    this.#saved = checkpoint.step;
    this.#evaluated = (await this.#tools.storage.heldOut(this.id)).flatMap(({ step }) => (step <= checkpoint.step ? [step] : []));
    this.#autosave.done();
    this.#reward = checkpoint.reward;
    this.#unsaved = null;
  }

  async #newest(): Promise<Checkpoint> {
    for (const { id, name, step } of await this.#tools.storage.checkpoints(this.id)) {
      try {
        return await this.#tools.storage.checkpoint(id);
      } catch (error) {
        if (labErrorCode(error) !== 'format') throw error;
        this.#notice('warning', `The checkpoint “${name}” of step ${step} is damaged and was left alone; going back to the one before it.`);
      }
    }
    throw new LabError('storage', `“${this.#record.name}” has no whole checkpoint left.`, 'Start the run again.');
  }

  /** Null when training can go on; otherwise why it cannot. */
  async #recover(error: unknown): Promise<unknown> {
    const { bench, turns } = this.#tools;
    if (!bench.deviceFailed(error)) return error;
    const { device, fresh } = deviceNames(error);
    this.#steps = null;
    this.#trainer = null;
    // A step that could not be stored is made again.
    this.#unsaved = null;
    this.#tell('recovering', `The ${device} failed; going back to step ${this.#saved}.`);
    this.#waiting = new AbortController();
    if (this.#command === 'pause' || this.#command === 'stop') this.#waiting.abort();
    const again = () =>
      turns.take(async () => {
        await bench.rebuild(this.#record.config.policy, loraSetup(this.#record.config));
        await this.#goBack();
      });
    const outcome = await this.#recovery.after(error, again, (failure) => bench.deviceFailed(failure), this.#waiting.signal);
    switch (outcome.kind) {
      case 'recovered':
        this.#notice(
          'warning',
          `The ${device} failed. A new ${fresh} was set up, and the run goes on from step ${this.#saved}, its last checkpoint.`,
        );
        this.#tell(this.#command === 'run' || this.#command === 'step' ? 'running' : 'pausing');
        return null;
      case 'given up':
        return null;
      case 'failed':
        return outcome.error;
      case 'lost again':
      case 'no device':
        return this.#lost(outcome);
    }
  }

  #lost(outcome: Parameters<typeof lossError>[0]): LabError {
    return lossError(outcome, `the run is saved up to step ${this.#saved}`, 'continue the run');
  }

  /** Comes to rest at a whole step: a checkpoint, unless there is one of this step already, and the status. */
  async #settle(status: 'paused' | 'stopped' | 'finished'): Promise<void> {
    const { storage } = this.#tools;
    if (this.#unsaved) await this.#store(this.#unsaved);
    if (this.#saved !== this.#step) await this.#checkpoint(`Step ${this.#step}`, false, status);
    else this.#record = await storage.updateRun(this.id, { status });
    if (status === 'stopped') this.#tell('idle', `Stopped at step ${this.#step}; it is saved.`);
    else this.#tell(status);
  }

  async #fail(failure: unknown): Promise<void> {
    const error = toldOfMemory(failure);
    const [code, message] = [labErrorCode(error), errorSentence(error)];
    if (code === 'storage') {
      // What was computed is still on the engine: once there is room the run goes on without a loss.
      await this.#mark({ status: 'paused' });
      this.#notice('error', message);
      this.#tell('paused', `Paused at step ${this.#step}, saved up to step ${this.#saved}.`);
      return;
    }
    // What was taken before there was no more is given back.
    if (code === 'memory') this.#tools.bench.dispose();
    else this.#tools.bench.holder = null;
    this.#trainer = null;
    await this.#mark({ status: 'failed', failure: message, failureCode: code ?? undefined });
    this.#notice('error', message);
    this.#tell('failed', message);
  }

  /** The status, as far as storage still takes it: the failure that led here is the one to report. */
  async #mark(change: RunChange): Promise<void> {
    try {
      this.#record = await this.#tools.storage.updateRun(this.id, change);
    } catch (error) {
      if (labErrorCode(error) !== 'storage') throw error;
    }
  }

  #tell(phase: SessionPhase, message: string | null = null): void {
    this.#phase = phase;
    const { steps } = this.#record.config;
    this.#tools.events.push({ type: 'session', runId: this.id, phase, step: this.#step, steps, message });
  }

  #notice(level: NoticeLevel, text: string | HeldOutExcess): void {
    this.#tools.events.push({ type: 'notice', runId: this.id, level, text });
  }
}
