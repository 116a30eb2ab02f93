/** Runs and checkpoints that are stored in this browser, and how much room they take. */
import { LabError } from '../errors.ts';
import type { TextFormat } from '../exchange/export.ts';
import type { PolicyForm } from '../exchange/policy-forms.ts';
import type { TrainerForm } from '../exchange/trainer-forms.ts';
import type { Persona } from '../persona/persona.ts';
import type { Unreadable } from '../storage/checked.ts';
import type { CheckpointInfo, RunRecord } from '../storage/records.ts';
import type { OpenedRun, TrainerApi } from '../worker/api.ts';
import { courseOf, type Course } from './course.ts';

export class Library {
  runs = $state.raw<readonly RunRecord[]>([]);
  /** By run id; a run that was never opened is absent. */
  checkpoints = $state.raw<Readonly<Record<string, readonly CheckpointInfo[]>>>({});
  storage = $state.raw<{ readonly used: number; readonly quota: number; readonly persisted: boolean } | null>(null);

  /** Stored, and not to be read; the reader decides what becomes of them. */
  unreadable = $state.raw<readonly Unreadable[]>([]);

  readonly #api: () => TrainerApi;
  readonly #courses = new Map<string, { readonly updated: number; readonly course: Course | null }>();

  constructor(api: () => TrainerApi) {
    this.#api = api;
  }

  get all(): readonly CheckpointInfo[] {
    return this.runs.flatMap((run) => this.checkpoints[run.id] ?? []);
  }

  run(id: string | null): RunRecord | null {
    return this.runs.find((run) => run.id === id) ?? null;
  }

  receive(runId: string, checkpoints: readonly CheckpointInfo[]): void {
    this.checkpoints = { ...this.checkpoints, [runId]: checkpoints };
  }

  /** Which runs there are, and how far; nothing is drawn again where nothing is new. */
  async look(): Promise<void> {
    const runs = await this.#api().runs();
    if (JSON.stringify(runs) !== JSON.stringify(this.runs)) this.runs = runs;
  }

  async refresh(): Promise<void> {
    await this.look();
    this.storage = await this.#api().storage();
  }

  /** Reads a run's checkpoints once; the running run's arrive as events. */
  async open(runId: string): Promise<void> {
    if (this.checkpoints[runId]) return;
    const { checkpoints } = await this.#api().history(runId);
    this.receive(runId, checkpoints);
  }

  /** How a run went, in few numbers; read once for every state of it. @throws as `TrainerApi.history` */
  async course({ id, updated }: RunRecord): Promise<Course | null> {
    const known = this.#courses.get(id);
    if (known?.updated === updated) return known.course;
    const course = courseOf(await this.#api().history(id));
    this.#courses.set(id, { updated, course });
    return course;
  }

  async renameRun(id: string, name: string): Promise<void> {
    await this.#api().renameRun(id, name);
    await this.refresh();
  }

  /** A file of the run. */
  saveRun(run: RunRecord): Promise<ArrayBuffer> {
    return this.#api().saveRun(run.id);
  }

  /** Its policy for other programs. @param base PEFT: what the policy that the adapters are of is called elsewhere */
  savePolicy(run: RunRecord, form: PolicyForm, options: { readonly format?: string; readonly base?: string } = {}): Promise<File> {
    return this.#api().savePolicy(run.id, form, options);
  }

  /** As a project for a trainer on larger machines, and what that does otherwise. @param named its policy's name on the hub, null: a copy goes along */
  saveProject({ id }: RunRecord, form: TrainerForm, named: string | null) {
    return this.#api().saveProject(id, form, named);
  }

  /**
   * The run as other programs read it, from what is stored of it.
   * @param step html: the one that is shown, or the newest before it that is kept
   * @throws LabError 'usage' where no rollouts are kept
   */
  async exportRun({ id, name }: RunRecord, format: TextFormat, step: number, personas: readonly Persona[]): Promise<string> {
    const { run, steps, heldOut } = await this.#api().history(id);
    const kept = format === 'csv' ? [] : await this.#api().rolloutSteps(id);
    const wanted = format === 'html' ? kept.filter((one) => one <= step).slice(-1) : kept;
    if (format !== 'csv' && wanted.length === 0)
      throw new LabError('usage', `No replies of “${name}” are kept here.`, 'Train a step, whose replies are kept, or save the metrics.');
    const rollouts = [];
    for (const one of wanted) rollouts.push({ step: one, rollouts: await this.#api().rollouts(id, one) });
    const of = <Kept extends object>(records: readonly Kept[]) => records.map((record) => ({ ...record, runId: id }));
    const { exportedText } = await import('../exchange/export.ts');
    return exportedText(format, { run, metrics: of(steps), heldOut: of(heldOut), rollouts }, personas);
  }

  /** A run from such a file. */
  async openRun(file: File): Promise<OpenedRun> {
    const opened = await this.#api().openRun(file);
    await this.refresh();
    return opened;
  }

  async deleteRun(id: string): Promise<void> {
    await this.#api().deleteRun(id);
    const { [id]: _gone, ...rest } = this.checkpoints;
    this.checkpoints = rest;
    await this.refresh();
  }

  async deleteUnreadable(record: Unreadable): Promise<void> {
    this.unreadable = await this.#api().deleteUnreadable(record);
    await this.refresh();
  }

  async renameCheckpoint(info: CheckpointInfo, name: string): Promise<void> {
    await this.#api().renameCheckpoint(info.id, name);
    this.#replace(info.runId, (list) => list.map((entry) => (entry.id === info.id ? { ...entry, name } : entry)));
  }

  async deleteCheckpoint(info: CheckpointInfo): Promise<void> {
    await this.#api().deleteCheckpoint(info.id);
    this.#replace(info.runId, (list) => list.filter((entry) => entry.id !== info.id));
    this.storage = await this.#api().storage();
  }

  #replace(runId: string, change: (list: readonly CheckpointInfo[]) => readonly CheckpointInfo[]): void {
    this.receive(runId, change(this.checkpoints[runId] ?? []));
  }
}
