/**
 * The folder of a run while a process trains it: locked, begun whole or not at all, continued from its newest good checkpoint. What is in it
 * is `stored-run.ts`. Which checkpoints stay is the page's rule (storage/retention.ts), and the one the run began with always does.
 */
import { existsSync, readdirSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { LabError, labErrorCode } from '../errors.ts';
import type { RolloutRecord } from '../rl/events.ts';
import type { CheckpointContent } from '../storage/records.ts';
import { retiredCheckpoints, retiredRolloutStep } from '../storage/retention.ts';
import { shellWord } from './arguments.ts';
import { writeCheckpointFile } from './checkpoint-file.ts';
import { makeFolder, replaceFile, sealedJson, unfinished } from './files.ts';
import { holdFolder, isLockFile, type FolderLock } from './folder-lock.ts';
import { StepLog, type HeldOutLine, type MetricsLine } from './step-log.ts';
import { files, runFormat, runVersion, stepsIn, StoredRun, type RunFile } from './stored-run.ts';

export class RunFolder extends StoredRun {
  #run: RunFile | null;
  /** Mean reward by step, for the retention. */
  readonly #rewards = new Map<number, number>();
  #log: StepLog<MetricsLine> | null = null;
  #asked: { readonly log: StepLog<HeldOutLine>; readonly steps: number[] } | null = null;

  private constructor(
    path: string,
    private readonly lock: FolderLock,
    run: RunFile | null,
  ) {
    super(path);
    this.#run = run;
  }

  /** Whether a run can be begun in it: it is not there, or holds at most what a process left that was killed before its first checkpoint. */
  static fresh(path: string): boolean {
    if (!existsSync(path)) return true;
    const own: readonly string[] = [files.run, unfinished(files.run)];
    const stored = new StoredRun(path);
    return readdirSync(path).every((name) => {
      if (name === files.checkpoints) return readdirSync(stored.in(name)).every((file) => file.endsWith(unfinished('')));
      return own.includes(name) || isLockFile(name);
    });
  }

  /** For a run that is to `begin`. @throws LabError 'usage' for a folder that is not fresh, or that another process holds */
  static async create(path: string): Promise<RunFolder> {
    const lock = await lockOf(path);
    if (RunFolder.fresh(path)) return new RunFolder(path, lock, null);
    await lock.release();
    throw new LabError('usage', `${path} is not empty.`, 'Choose another --out.');
  }

  /** @throws LabError 'usage' where there is no run or another process holds it, 'format' where run.json is damaged */
  static async open(path: string): Promise<RunFolder> {
    const read = () => new StoredRun(path).readRun('Leave out --resume to start one there.');
    if (!existsSync(path)) await read();
    const lock = await lockOf(path);
    try {
      return new RunFolder(path, lock, await read());
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get run(): RunFile {
    if (!this.#run) throw new Error('a run that has not begun');
    return this.#run;
  }

  get begun(): boolean {
    return this.#run !== null;
  }

  /** What a fork goes on saying of its origin. */
  get from(): Pick<RunFile, 'from'> {
    return this.#run?.from ? { from: this.#run.from } : {};
  }

  /** run.json. */
  async write(run: Omit<RunFile, 'format' | 'version' | 'created'>): Promise<void> {
    const created = this.#run?.created ?? new Date().toISOString();
    this.#run = { format: runFormat, version: runVersion, ...run, created };
    await replaceFile(this.in(files.run), await sealedJson(this.#run));
  }

  /** The newest step that anything is kept of. */
  async reached(): Promise<number> {
    const [[checkpoint], { lines }] = [await this.steps(), await this.metrics(this.run)];
    return Math.max(checkpoint ?? 0, lines.at(-1)?.step ?? 0);
  }

  /**
   * The newest checkpoint that is whole; null for a run that was killed before its first. One that is damaged is set aside, and `say` is
   * told so; steps after the one that is returned will be done again, so their lines go.
   * @throws LabError 'format' where no checkpoint is whole, or the metrics are not all there
   */
  async goBack(say: (sentence: string) => void): Promise<CheckpointContent | null> {
    const steps = await this.steps();
    const { from } = this.run;
    for (const step of steps) {
      const content = await this.#whole(step, say);
      if (!content) continue;
      await this.#openLog(step, say);
      for (const later of await stepsIn(this.in(files.rollouts))) if (later > step) await rm(this.rolloutsFile(later));
      return content;
    }
    if (steps.length > 0) {
      throw new LabError('format', `No checkpoint of the run in ${this.path} is whole.`, 'Start it again in another folder.');
    }
    if (from) {
      const what = `The run in ${this.path}, forked from step ${from.step} of ${from.run}, was stopped before it began.`;
      throw new LabError('usage', what, 'Give the command that forked it once more.');
    }
    if (existsSync(this.in(files.metrics))) {
      throw new LabError(
        'format',
        `The run in ${this.path} has lost its checkpoints.`,
        'Restore them, or start it again in another folder.',
      );
    }
    return null;
  }

  /** After `write`, before the first step of a run that is new or could not be continued from a checkpoint: from now on it can be. */
  async begin(first: CheckpointContent): Promise<void> {
    await makeFolder(this.in(files.checkpoints));
    await writeCheckpointFile(this.checkpointFile(first.trainer.step), first);
    await this.#openLogs([], []);
  }

  /** Resolves when it is on the disk. */
  async appendMetrics(line: MetricsLine): Promise<void> {
    this.#learn(line);
    await this.#log!.append(line);
  }

  /** Steps whose held-out evaluation is on the disk. */
  get evaluated(): readonly number[] {
    return this.#asked?.steps ?? [];
  }

  /** Resolves when it is on the disk. */
  async appendHeldOut(line: HeldOutLine): Promise<void> {
    await this.#asked!.log.append(line);
    this.#asked!.steps.push(line.step);
  }

  /** From now on the rollouts of its steps are kept, also when the run is continued. */
  async keepRollouts(): Promise<void> {
    await makeFolder(this.in(files.rollouts));
  }

  /** Where they are kept: as long as the page would keep them (storage/retention.ts). Resolves when they are on the disk. */
  async saveRollouts(step: number, rollouts: readonly RolloutRecord[]): Promise<void> {
    if (!existsSync(this.in(files.rollouts))) return;
    await replaceFile(this.rolloutsFile(step), JSON.stringify(rollouts));
    const retired = retiredRolloutStep(step);
    if (retired !== null) await rm(this.rolloutsFile(retired), { force: true });
  }

  /**
   * The checkpoint that answered best, as far as is known: rewards of a step are those of the policy of the step before. The earliest of
   * equals, because the later ones may be spoilt already.
   */
  async bestStep(): Promise<number> {
    const steps = (await this.steps()).sort((a, b) => a - b);
    const worth = (step: number) => this.#rewards.get(step + 1) ?? -Infinity;
    return steps.reduce((best, step) => (worth(step) > worth(best) ? step : best), steps[0] ?? 0);
  }

  /** The checkpoint, then retention. */
  async saveCheckpoint(content: CheckpointContent): Promise<void> {
    await writeCheckpointFile(this.checkpointFile(content.trainer.step), content);
    const first = this.run.from?.step ?? 0;
    const all = (await this.steps()).map((step) => ({ step, created: 0, kept: step === first, reward: this.#rewards.get(step) ?? null }));
    for (const { step } of retiredCheckpoints(all)) await rm(this.checkpointFile(step), { force: true });
  }

  /** Fills a folder beside policy/ and puts it in its place, whole. */
  async writePolicy(fill: (folder: string) => Promise<void>): Promise<void> {
    const [policy, fresh] = [this.in(files.policy), this.in(unfinished(files.policy))];
    await rm(fresh, { recursive: true, force: true });
    await fill(fresh);
    await rm(policy, { recursive: true, force: true });
    await rename(fresh, policy);
  }

  async close(): Promise<void> {
    await this.#log?.close();
    await this.#asked?.log.close();
    await this.lock.release();
  }

  /** Null where it is damaged. */
  async #whole(step: number, say: (sentence: string) => void): Promise<CheckpointContent | null> {
    try {
      return await this.checkpoint(step, this.run);
    } catch (error) {
      if (labErrorCode(error) !== 'format') throw error;
      const aside = await this.#asideName(step);
      await rename(this.checkpointFile(step), this.in(files.checkpoints, aside));
      say(`${(error as Error).message.trim()} It is kept as ${aside}, and the run goes back to the checkpoint before it.`);
      return null;
    }
  }

  async #asideName(step: number): Promise<string> {
    const names = await readdir(this.in(files.checkpoints));
    let name = `step-${step}.damaged`;
    for (let n = 2; names.includes(name); n++) name = `step-${step}.damaged-${n}`;
    return name;
  }

  /** The lines up to `step`, every one of which must be there. */
  async #openLog(step: number, say: (sentence: string) => void): Promise<void> {
    const first = (this.run.from?.step ?? 0) + 1;
    const { lines, brokenLine, cutOff } = await this.metrics(this.run);
    const kept = lines.slice(0, step - first + 1);
    if (kept.length < step - first + 1) {
      const file = this.in(files.metrics);
      const what =
        brokenLine === null
          ? `${file} ends with step ${first + lines.length - 1}, before the checkpoint of step ${step}`
          : `${file} is damaged in line ${brokenLine}, that of step ${first + lines.length}`;
      const next = `The checkpoints are whole: permix train --from ${shellWord(`${this.path}@${step}`)} --out DIR goes on from there in a new folder.`;
      throw new LabError('format', `${what}.`, next);
    }
    if (brokenLine !== null && !cutOff) {
      say(`${this.in(files.metrics)} is damaged in line ${brokenLine}; the steps from ${step + 1} on are done again, this one among them.`);
    }
    kept.forEach((line) => this.#learn(line));
    const asked = await this.heldOut();
    // The policy has moved on, so what is lost of them cannot be asked again.
    if (asked.brokenLine !== null && !asked.cutOff)
      say(`${this.in(files.heldOut)} is damaged in line ${asked.brokenLine}; the held-out evaluations from there on are lost.`);
    await this.#openLogs(
      kept,
      asked.lines.filter((line) => line.step <= step),
    );
  }

  async #openLogs(metrics: readonly MetricsLine[], heldOut: readonly HeldOutLine[]): Promise<void> {
    this.#log = await StepLog.open(this.in(files.metrics), metrics);
    this.#asked = { log: await StepLog.open(this.in(files.heldOut), heldOut), steps: heldOut.map(({ step }) => step) };
  }

  #learn(line: MetricsLine): void {
    const reward = line['reward'];
    if (typeof reward === 'number') this.#rewards.set(line.step, reward);
  }
}

function lockOf(path: string): Promise<FolderLock> {
  return holdFolder(path, { otherwise: 'choose another --out' });
}
