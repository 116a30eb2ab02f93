/**
 * Which runs this tab has open: one, or the two of a race, of which the rival has an engine of its own and takes its steps in turn. What is
 * open may train, or wait where it was paused. What a run does is `training.ts`.
 */
import { LabError } from '../errors.ts';
import type { CheckpointInfo, RunRecord } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { Bench } from './bench.ts';
import type { RunLocks } from './locks.ts';
import { Training, type TrainingTools } from './training.ts';
import type { Turns } from './turns.ts';

export class OpenRuns {
  #open: Training | null = null;
  #rival: { readonly run: Training; readonly bench: Bench } | null = null;

  constructor(
    private readonly bench: Bench,
    private readonly tools: () => Promise<TrainingTools>,
    private readonly turns: Pick<Turns, 'refusal'>,
  ) {}

  /** The run that commands are about. */
  get open(): Training | null {
    return this.#open;
  }

  get held(): readonly Training[] {
    return [this.#open, this.#rival?.run].filter((run) => run !== null && run !== undefined);
  }

  get active(): readonly Training[] {
    return this.held.filter(({ active }) => active);
  }

  find(id: string): Training | undefined {
    return this.held.find((run) => run.id === id);
  }

  /** A run whose tab went away while it was training is a paused one. */
  async seen(run: RunRecord, locks: RunLocks): Promise<RunRecord> {
    const alive = run.status !== 'running' || this.find(run.id)?.active || (await locks.heldElsewhere(run.id));
    return alive ? run : { ...run, status: 'paused' };
  }

  /** @throws LabError 'usage' while something trains, or has the engine to itself */
  refuseActive(): void {
    if (this.turns.refusal) throw this.turns.refusal;
    const [run] = this.active;
    if (run) throw new LabError('usage', `“${run.record.name}” is being trained.`, 'Pause or stop it first.');
  }

  /** @throws LabError 'usage' while another tab trains one of these */
  async refuseElsewhere(runs: readonly RunRecord[], locks: RunLocks): Promise<void> {
    for (const { id, name } of runs) {
      if (this.find(id) || !(await locks.heldElsewhere(id))) continue;
      throw new LabError('usage', `“${name}” is being trained in another tab.`, 'Stop it there first.');
    }
  }

  /** With the run that it races, if it races one. @returns its id once it trains, or had finished  @throws as `Training.begin` */
  async begin(run: Training, command: 'run' | 'step', accept: readonly string[]): Promise<string> {
    const { race } = run.record;
    // A step by hand is of one run alone, and so is one whose rival was deleted.
    const rival = race !== undefined && command === 'run' ? await this.#rivalOf(race) : null;
    if (!rival) this.#dismissRival();
    // The rival begins first, so that its step is the first of every pair.
    if (rival && !rival.finished && rival.record.status !== 'finished') await rival.begin(command, accept);
    try {
      if (!run.finished) await run.begin(command, accept);
    } catch (error) {
      await rival?.pause();
      throw error;
    }
    this.#open = run;
    return run.id;
  }

  /** The open run as it is, as a checkpoint; one at rest is at its newest. @throws LabError 'usage' where none is open */
  async saveCurrent(storage: LabStorage): Promise<CheckpointInfo> {
    const run = this.#open;
    if (!run) throw new LabError('usage', 'No run is open, so there are no current weights.', 'Choose a checkpoint, or resume a run.');
    const [newest] = run.active ? [] : await storage.checkpoints(run.id);
    return newest ?? run.save('Evaluated');
  }

  close(): void {
    this.#open = null;
    this.#dismissRival();
  }

  async #rivalOf(id: string): Promise<Training | null> {
    if (this.#rival?.run.id === id) return this.#rival.run;
    const tools = await this.tools();
    const record = (await tools.storage.runs()).find((other) => other.id === id);
    this.#dismissRival();
    if (!record) return null;
    const bench = this.bench.beside();
    const run = new Training(record, { ...tools, bench });
    this.#rival = { run, bench };
    return run;
  }

  #dismissRival(): void {
    this.#rival?.bench.dispose();
    this.#rival = null;
  }
}
