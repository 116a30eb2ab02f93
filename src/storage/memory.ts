/**
 * Runs kept in memory, where the browser gives the page no IndexedDB (some private windows, blocked site data).
 * The page stays usable; a reload forgets everything. Checkpoints are sealed all the same, so that both storages hand out copies.
 */
import type { Unreadable } from './checked.ts';
import { MemoryLibraries } from './libraries.ts';
import type { JudgedRecord, JudgementRecord } from './judgements.ts';
import type {
  CellRecord,
  Checkpoint,
  CheckpointDraft,
  CheckpointInfo,
  EvaluationRecord,
  HeldOutRecord,
  MetricsRecord,
  RolloutsRecord,
  RunRecord,
  RunStatus,
} from './records.ts';
import type { PolicyRecord, UnfinishedPolicy } from './policies.ts';
import type { SetRecord } from './sets.ts';
import { newestFirst, retiredCheckpoints, retiredRolloutStep } from './retention.ts';
import { seal, unseal, type SealedCheckpoint } from './seal.ts';
import { damaged, known, type LabStorage, type RunChange, type RunPast } from './storage.ts';

interface Steps {
  readonly metrics: Map<number, MetricsRecord>;
  readonly rollouts: Map<number, RolloutsRecord>;
  readonly heldOut: Map<number, HeldOutRecord>;
}

export class MemoryStorage implements LabStorage {
  readonly durable = false;
  readonly libraries = new MemoryLibraries();
  readonly #runs = new Map<string, RunRecord>();
  readonly #steps = new Map<string, Steps>();
  readonly #checkpoints = new Map<string, SealedCheckpoint>();
  readonly #evaluations = new Map<string, EvaluationRecord>();
  readonly #cells = new Map<string, Map<string, CellRecord>>();
  readonly #judgements = new Map<string, { readonly record: JudgementRecord; readonly judged: Map<string, JudgedRecord> }>();
  readonly #policies = new Map<string, PolicyRecord>();
  readonly #unfinished = new Map<string, UnfinishedPolicy>();
  readonly #sets = new Map<string, SetRecord>();

  async runs(): Promise<readonly RunRecord[]> {
    return [...this.#runs.values()].sort((a, b) => b.created - a.created);
  }

  async run(id: string): Promise<RunRecord> {
    return known(this.#runs.get(id), 'run', id);
  }

  async createRun(run: RunRecord, first: CheckpointDraft, past?: RunPast): Promise<CheckpointInfo> {
    const sealed = await seal(first);
    this.#runs.set(run.id, { ...run, step: sealed.info.step });
    this.#steps.set(run.id, {
      metrics: new Map(past?.metrics.map((record) => [record.step, { ...record, runId: run.id }])),
      rollouts: new Map(past?.rollouts?.map((record) => [record.step, { ...record, runId: run.id }])),
      heldOut: new Map(past?.heldOut.map((record) => [record.step, { ...record, runId: run.id }])),
    });
    this.#checkpoints.set(sealed.info.id, sealed);
    return sealed.info;
  }

  async updateRun(id: string, change: RunChange): Promise<RunRecord> {
    const run = { ...(await this.run(id)), ...change, updated: Date.now() };
    this.#runs.set(id, run);
    return run;
  }

  async deleteRun(id: string): Promise<void> {
    this.#runs.delete(id);
    this.#steps.delete(id);
    for (const { info } of [...this.#checkpoints.values()]) if (info.runId === id) this.#checkpoints.delete(info.id);
  }

  async saveStep(metrics: MetricsRecord, rollouts: RolloutsRecord): Promise<void> {
    const steps = known(this.#steps.get(metrics.runId), 'run', metrics.runId);
    steps.metrics.set(metrics.step, metrics);
    steps.rollouts.set(rollouts.step, rollouts);
    const retired = retiredRolloutStep(rollouts.step);
    if (retired !== null) steps.rollouts.delete(retired);
  }

  async metrics(runId: string, after = -1): Promise<readonly MetricsRecord[]> {
    const records = [...(this.#steps.get(runId)?.metrics.values() ?? [])];
    return records.filter(({ step }) => step > after).sort((a, b) => a.step - b.step);
  }

  async rollouts(runId: string, step: number): Promise<RolloutsRecord | null> {
    return this.#steps.get(runId)?.rollouts.get(step) ?? null;
  }

  async rolloutSteps(runId: string): Promise<readonly number[]> {
    return [...(this.#steps.get(runId)?.rollouts.keys() ?? [])].sort((a, b) => a - b);
  }

  async saveHeldOut(record: HeldOutRecord): Promise<void> {
    known(this.#steps.get(record.runId), 'run', record.runId).heldOut.set(record.step, record);
  }

  async heldOut(runId: string): Promise<readonly HeldOutRecord[]> {
    return [...(this.#steps.get(runId)?.heldOut.values() ?? [])].sort((a, b) => a.step - b.step);
  }

  async rewind(runId: string, step: number): Promise<void> {
    const steps = this.#steps.get(runId);
    for (const records of [steps?.metrics, steps?.rollouts, steps?.heldOut]) {
      for (const key of [...(records?.keys() ?? [])]) if (key > step) records!.delete(key);
    }
  }

  async saveCheckpoint(draft: CheckpointDraft, status: RunStatus): Promise<CheckpointInfo> {
    const sealed = await seal(draft);
    const run = await this.run(draft.runId);
    this.#checkpoints.set(sealed.info.id, sealed);
    for (const { id } of retiredCheckpoints(await this.checkpoints(draft.runId))) this.#checkpoints.delete(id);
    this.#runs.set(run.id, { ...run, status, step: sealed.info.step, updated: Date.now() });
    return sealed.info;
  }

  async checkpoints(runId: string): Promise<readonly CheckpointInfo[]> {
    return [...this.#checkpoints.values()]
      .map(({ info }) => info)
      .filter((info) => info.runId === runId)
      .sort(newestFirst);
  }

  async checkpoint(id: string): Promise<Checkpoint> {
    const { info, bytes } = known(this.#checkpoints.get(id), 'checkpoint', id);
    const whole = await unseal(info, bytes);
    if (!whole) throw damaged(info, null);
    return whole;
  }

  async renameCheckpoint(id: string, name: string): Promise<CheckpointInfo> {
    const { info, bytes } = known(this.#checkpoints.get(id), 'checkpoint', id);
    const renamed = { ...info, name, kept: true };
    this.#checkpoints.set(id, { info: renamed, bytes });
    return renamed;
  }

  async deleteCheckpoint(id: string): Promise<string | null> {
    const runId = this.#checkpoints.get(id)?.info.runId ?? null;
    this.#checkpoints.delete(id);
    return runId;
  }

  async evaluations(): Promise<readonly EvaluationRecord[]> {
    return [...this.#evaluations.values()].sort((a, b) => b.created - a.created);
  }

  async evaluation(id: string): Promise<EvaluationRecord> {
    return known(this.#evaluations.get(id), 'evaluation', id);
  }

  async saveEvaluation(evaluation: EvaluationRecord): Promise<void> {
    this.#evaluations.set(evaluation.id, evaluation);
  }

  async saveCell(cell: CellRecord, progress: Pick<EvaluationRecord, 'fraction' | 'work'>): Promise<void> {
    const evaluation = await this.evaluation(cell.evaluationId);
    this.#evaluations.set(evaluation.id, { ...evaluation, ...progress, updated: Date.now() });
    const cells = this.#cells.get(cell.evaluationId) ?? new Map<string, CellRecord>();
    this.#cells.set(cell.evaluationId, cells.set(cell.key, cell));
  }

  async cells(evaluationId: string): Promise<readonly CellRecord[]> {
    return [...(this.#cells.get(evaluationId)?.values() ?? [])];
  }

  async deleteEvaluation(id: string): Promise<void> {
    this.#evaluations.delete(id);
    this.#cells.delete(id);
  }

  async judgements(): Promise<readonly JudgementRecord[]> {
    return [...this.#judgements.values()].map(({ record }) => record).sort((a, b) => b.created - a.created);
  }

  async judgement(id: string): Promise<JudgementRecord> {
    return known(this.#judgements.get(id), 'judgement', id).record;
  }

  async saveJudgement(judgement: JudgementRecord): Promise<void> {
    this.#judgements.set(judgement.id, { record: judgement, judged: this.#judgements.get(judgement.id)?.judged ?? new Map() });
  }

  async saveJudged(judged: JudgedRecord): Promise<void> {
    known(this.#judgements.get(judged.judgementId), 'judgement', judged.judgementId).judged.set(judged.key, judged);
  }

  async judged(judgementId: string): Promise<readonly JudgedRecord[]> {
    return [...(this.#judgements.get(judgementId)?.judged.values() ?? [])];
  }

  async judgedKeys(judgementId: string): Promise<readonly string[]> {
    return [...(this.#judgements.get(judgementId)?.judged.keys() ?? [])];
  }

  async deleteJudgement(id: string): Promise<void> {
    this.#judgements.delete(id);
  }

  async policies(): Promise<readonly PolicyRecord[]> {
    return [...this.#policies.values()].sort((a, b) => b.added - a.added);
  }

  async savePolicy(policy: PolicyRecord): Promise<void> {
    this.#policies.set(policy.id, policy);
    this.#unfinished.delete(policy.folder);
  }

  async deletePolicy(id: string): Promise<void> {
    this.#policies.delete(id);
  }

  async unfinishedPolicies(): Promise<readonly UnfinishedPolicy[]> {
    return [...this.#unfinished.values()].sort((a, b) => b.begun - a.begun);
  }

  async saveUnfinishedPolicy(policy: UnfinishedPolicy): Promise<void> {
    this.#unfinished.set(policy.folder, policy);
  }

  async deleteUnfinishedPolicy(folder: string): Promise<void> {
    this.#unfinished.delete(folder);
  }

  async sets(): Promise<readonly SetRecord[]> {
    return [...this.#sets.values()].sort((a, b) => b.added - a.added);
  }

  async saveSet(set: SetRecord): Promise<void> {
    this.#sets.set(set.sha256, set);
  }

  async deleteSet(sha256: string): Promise<void> {
    this.#sets.delete(sha256);
  }

  async clear(): Promise<void> {
    for (const kept of [this.#runs, this.#steps, this.#checkpoints, this.#evaluations, this.#cells, this.#judgements]) kept.clear();
    for (const kept of [this.#policies, this.#unfinished, this.#sets, this.libraries]) kept.clear();
  }

  async unreadable(): Promise<readonly Unreadable[]> {
    return [];
  }

  close(): void {}
}
