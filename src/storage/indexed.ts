/**
 * Runs in the browser's IndexedDB, the bytes of large checkpoints in files beside it (`payload-files.ts`). One method, one transaction. Inside
 * a transaction nothing is awaited but its own requests, or it would close by itself; packing, hashing and files come before it opens, and
 * files go after it.
 */
import {
  checkedRecord,
  isSet,
  isUnfinished,
  readable,
  readableCells,
  readableHeldOut,
  readableMetrics,
  readableRollouts,
  unreadableOf,
  type Unreadable,
} from './checked.ts';
import { commit } from './commit.ts';
import { Connection } from './connection.ts';
import { LabError } from '../errors.ts';
import { openDatabase, type LabDatabase } from './database.ts';
import { IndexedLibraries } from './indexed-libraries.ts';
import type { JudgedRecord, JudgementRecord } from './judgements.ts';
import { packedCheckpoint, type Packed } from './pack.ts';
import type { PayloadFiles } from './payload-files.ts';
import type { PolicyRecord, UnfinishedPolicy } from './policies.ts';
import type { SetRecord } from './sets.ts';
import type {
  CellRecord,
  Checkpoint,
  CheckpointDraft,
  CheckpointInfo,
  EvaluationRecord,
  HeldOutRecord,
  MetricsRecord,
  RecordKind,
  RolloutsRecord,
  RunRecord,
  RunStatus,
} from './records.ts';
import { newestFirst, retiredCheckpoints, retiredRolloutStep } from './retention.ts';
import { seal, unseal, unsealFile, type SealedCheckpoint } from './seal.ts';
import { damaged, known, NotKept, type LabStorage, type RunChange, type RunPast } from './storage.ts';

/** Stores whose records the page lists. */
const listed = [
  ['run', 'runs'],
  ['checkpoint', 'checkpoints'],
  ['evaluation', 'evaluations'],
  ['judgement', 'judgements'],
  ['policy', 'policies'],
] as const satisfies readonly (readonly [RecordKind, string])[];

export class IndexedStorage implements LabStorage {
  readonly durable = true;
  readonly libraries: IndexedLibraries;
  readonly #connection: Connection;
  readonly #files: PayloadFiles | null;

  /** @param reopen where another connection comes from, should the browser close this one  @param files absent: all is in the database */
  constructor(
    database: LabDatabase,
    reopen: () => Promise<LabDatabase> = () => openDatabase(database.name),
    files: PayloadFiles | null = null,
  ) {
    this.#connection = new Connection(database, reopen);
    this.#files = files;
    this.libraries = new IndexedLibraries(this.#connection);
  }

  /** Files that a tab which died has left. They are no work of the reader's, so what goes wrong is nobody's concern. */
  async sweep(): Promise<void> {
    const recorded = (id: string) => this.#connection.use(async (database) => (await database.getKey('payloads', id)) !== undefined);
    await this.#files?.sweep(recorded).catch(() => {});
  }

  runs(): Promise<readonly RunRecord[]> {
    return this.#connection.use(async (database) => readable('run', await database.getAll('runs')).sort((a, b) => b.created - a.created));
  }

  run(id: string): Promise<RunRecord> {
    return this.#connection.use(async (database) => checkedRecord('run', known(await database.get('runs', id), 'run', id)));
  }

  async createRun(run: RunRecord, first: CheckpointDraft, past?: RunPast): Promise<CheckpointInfo> {
    return this.#keep(first, async (database, info, bytes) => {
      const transaction = database.transaction(['runs', 'metrics', 'rollouts', 'heldOut', 'checkpoints', 'payloads'], 'readwrite');
      await commit(transaction, [
        () => transaction.objectStore('runs').add({ ...run, step: info.step }),
        ...(past?.metrics ?? []).map((record) => () => transaction.objectStore('metrics').put({ ...record, runId: run.id })),
        ...(past?.heldOut ?? []).map((record) => () => transaction.objectStore('heldOut').put({ ...record, runId: run.id })),
        ...(past?.rollouts ?? []).map((record) => () => transaction.objectStore('rollouts').put({ ...record, runId: run.id })),
        () => transaction.objectStore('checkpoints').add(info),
        () => transaction.objectStore('payloads').add({ id: info.id, bytes }),
      ]);
      return [];
    });
  }

  updateRun(id: string, change: RunChange): Promise<RunRecord> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction('runs', 'readwrite');
      const run = { ...checkedRecord('run', known(await transaction.store.get(id), 'run', id)), ...change, updated: Date.now() };
      await commit(transaction, [() => transaction.store.put(run)]);
      return run;
    });
  }

  async deleteRun(id: string): Promise<void> {
    const gone = await this.#connection.use(async (database) => {
      const transaction = database.transaction(['runs', 'metrics', 'rollouts', 'heldOut', 'checkpoints', 'payloads'], 'readwrite');
      const checkpoints = await transaction.objectStore('checkpoints').index('run').getAllKeys(id);
      await commit(transaction, [
        () => transaction.objectStore('runs').delete(id),
        () => transaction.objectStore('metrics').delete(stepsOf(id)),
        () => transaction.objectStore('rollouts').delete(stepsOf(id)),
        () => transaction.objectStore('heldOut').delete(stepsOf(id)),
        ...checkpoints.map((key) => () => transaction.objectStore('checkpoints').delete(key)),
        ...checkpoints.map((key) => () => transaction.objectStore('payloads').delete(key)),
      ]);
      return checkpoints;
    });
    await this.#removeFiles(gone);
  }

  saveStep(metrics: MetricsRecord, rollouts: RolloutsRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['metrics', 'rollouts'], 'readwrite');
      const retired = retiredRolloutStep(rollouts.step);
      await commit(transaction, [
        () => transaction.objectStore('metrics').put(metrics),
        () => transaction.objectStore('rollouts').put(rollouts),
        ...(retired === null ? [] : [() => transaction.objectStore('rollouts').delete([rollouts.runId, retired])]),
      ]);
    });
  }

  metrics(runId: string, after?: number): Promise<readonly MetricsRecord[]> {
    return this.#connection.use(async (database) => readableMetrics(await database.getAll('metrics', stepsOf(runId, after))));
  }

  rollouts(runId: string, step: number): Promise<RolloutsRecord | null> {
    return this.#connection.use(async (database) => readableRollouts(await database.get('rollouts', [runId, step])));
  }

  rolloutSteps(runId: string): Promise<readonly number[]> {
    return this.#connection.use(async (database) => (await database.getAllKeys('rollouts', stepsOf(runId))).map(([, step]) => step));
  }

  saveHeldOut(record: HeldOutRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction('heldOut', 'readwrite');
      await commit(transaction, [() => transaction.store.put(record)]);
    });
  }

  heldOut(runId: string): Promise<readonly HeldOutRecord[]> {
    return this.#connection.use(async (database) => readableHeldOut(await database.getAll('heldOut', stepsOf(runId))));
  }

  rewind(runId: string, step: number): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['metrics', 'rollouts', 'heldOut'], 'readwrite');
      await commit(transaction, [
        () => transaction.objectStore('metrics').delete(stepsOf(runId, step)),
        () => transaction.objectStore('rollouts').delete(stepsOf(runId, step)),
        () => transaction.objectStore('heldOut').delete(stepsOf(runId, step)),
      ]);
    });
  }

  async saveCheckpoint(draft: CheckpointDraft, status: RunStatus): Promise<CheckpointInfo> {
    return this.#keep(draft, async (database, info, bytes) => {
      const transaction = database.transaction(['runs', 'checkpoints', 'payloads'], 'readwrite');
      const [runs, checkpoints, payloads] = [
        transaction.objectStore('runs'),
        transaction.objectStore('checkpoints'),
        transaction.objectStore('payloads'),
      ];
      const [stored, siblings] = await Promise.all([runs.get(draft.runId), checkpoints.index('run').getAll(draft.runId)]);
      const run = checkedRecord('run', known(stored, 'run', draft.runId));
      const retired = retiredCheckpoints([...readable('checkpoint', siblings), info]);
      await commit(transaction, [
        ...retired.map(
          ({ id }) =>
            () =>
              checkpoints.delete(id),
        ),
        ...retired.map(
          ({ id }) =>
            () =>
              payloads.delete(id),
        ),
        () => checkpoints.add(info),
        () => payloads.add({ id: info.id, bytes }),
        () => runs.put({ ...run, status, step: info.step, updated: Date.now() }),
      ]);
      return retired.map(({ id }) => id);
    });
  }

  /**
   * Seals a checkpoint, a large one into a file, or, where there is no room for files, as any other, and records it.
   * @param record in one transaction; gives back the checkpoints that went with it  @param bytes null: they are in the file
   */
  async #keep(
    draft: CheckpointDraft,
    record: (database: LabDatabase, info: CheckpointInfo, bytes: ArrayBuffer | null) => Promise<readonly string[]>,
  ): Promise<CheckpointInfo> {
    const packed = packedCheckpoint(draft);
    const large = this.#files?.isLarge(packed.size) ?? false;
    // Where it is refused, the database is asked.
    const written = large ? await this.#files!.write(draft, packed).catch(() => null) : null;
    try {
      const { info, bytes } = written ? { info: written.info, bytes: null } : await sealed(draft, packed);
      const gone = await this.#connection.use((database) => record(database, info, bytes));
      written?.keep();
      await this.#removeFiles(gone);
      return info;
    } catch (error) {
      await written?.drop();
      throw large && wantsRoom(error) ? new NotKept(draft.trainer.step, packed.size, error) : error;
    }
  }

  async #removeFiles(checkpoints: readonly string[]): Promise<void> {
    await this.#files?.remove(checkpoints).catch(() => {}); // no record names them: they are swept
  }

  checkpoints(runId: string): Promise<readonly CheckpointInfo[]> {
    return this.#connection.use(async (database) =>
      readable('checkpoint', await database.getAllFromIndex('checkpoints', 'run', runId)).sort(newestFirst),
    );
  }

  async checkpoint(id: string): Promise<Checkpoint> {
    const info = await this.#connection.use(async (database) =>
      checkedRecord('checkpoint', known(await database.get('checkpoints', id), 'checkpoint', id)),
    );
    const whole = await this.#read(info);
    if (whole) return whole;
    for (const other of await this.checkpoints(info.runId)) {
      if (other.id !== id && (await this.#read(other))) throw damaged(info, other);
    }
    throw damaged(info, null);
  }

  async #read(info: CheckpointInfo): Promise<Checkpoint | null> {
    const payload = await this.#connection.use((database) => database.get('payloads', info.id));
    if (payload?.bytes !== null) return unseal(info, payload?.bytes);
    const file = await this.#files?.read(info.id);
    return file ? unsealFile(info, file) : null;
  }

  renameCheckpoint(id: string, name: string): Promise<CheckpointInfo> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction('checkpoints', 'readwrite');
      const info = { ...known(await transaction.store.get(id), 'checkpoint', id), name, kept: true };
      await commit(transaction, [() => transaction.store.put(info)]);
      return info;
    });
  }

  async deleteCheckpoint(id: string): Promise<string | null> {
    const runId = await this.#connection.use(async (database) => {
      const transaction = database.transaction(['checkpoints', 'payloads'], 'readwrite');
      const info = await transaction.objectStore('checkpoints').get(id);
      await commit(transaction, [
        () => transaction.objectStore('checkpoints').delete(id),
        () => transaction.objectStore('payloads').delete(id),
      ]);
      return info?.runId ?? null;
    });
    await this.#removeFiles([id]);
    return runId;
  }

  evaluations(): Promise<readonly EvaluationRecord[]> {
    return this.#connection.use(async (database) =>
      readable('evaluation', await database.getAll('evaluations')).sort((a, b) => b.created - a.created),
    );
  }

  evaluation(id: string): Promise<EvaluationRecord> {
    return this.#connection.use(async (database) =>
      checkedRecord('evaluation', known(await database.get('evaluations', id), 'evaluation', id)),
    );
  }

  saveEvaluation(evaluation: EvaluationRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction('evaluations', 'readwrite');
      await commit(transaction, [() => transaction.store.put(evaluation)]);
    });
  }

  saveCell(cell: CellRecord, progress: Pick<EvaluationRecord, 'fraction' | 'work'>): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['evaluations', 'cells'], 'readwrite');
      const evaluations = transaction.objectStore('evaluations');
      const evaluation = known(await evaluations.get(cell.evaluationId), 'evaluation', cell.evaluationId);
      await commit(transaction, [
        () => evaluations.put({ ...evaluation, ...progress, updated: Date.now() }),
        () => transaction.objectStore('cells').put(cell),
      ]);
    });
  }

  cells(evaluationId: string): Promise<readonly CellRecord[]> {
    return this.#connection.use(async (database) => readableCells(await database.getAll('cells', cellsOf(evaluationId))));
  }

  deleteEvaluation(id: string): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['evaluations', 'cells'], 'readwrite');
      await commit(transaction, [
        () => transaction.objectStore('evaluations').delete(id),
        () => transaction.objectStore('cells').delete(cellsOf(id)),
      ]);
    });
  }

  judgements(): Promise<readonly JudgementRecord[]> {
    return this.#connection.use(async (database) =>
      readable('judgement', await database.getAll('judgements')).sort((a, b) => b.created - a.created),
    );
  }

  judgement(id: string): Promise<JudgementRecord> {
    return this.#connection.use(async (database) =>
      checkedRecord('judgement', known(await database.get('judgements', id), 'judgement', id)),
    );
  }

  saveJudgement(judgement: JudgementRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction('judgements', 'readwrite');
      await commit(transaction, [() => transaction.store.put(judgement)]);
    });
  }

  saveJudged(judged: JudgedRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['judgements', 'judged'], 'readwrite');
      known(await transaction.objectStore('judgements').getKey(judged.judgementId), 'judgement', judged.judgementId);
      await commit(transaction, [() => transaction.objectStore('judged').put(judged)]);
    });
  }

  judged(judgementId: string): Promise<readonly JudgedRecord[]> {
    return this.#connection.use((database) => database.getAll('judged', cellsOf(judgementId)));
  }

  judgedKeys(judgementId: string): Promise<readonly string[]> {
    return this.#connection.use(async (database) => (await database.getAllKeys('judged', cellsOf(judgementId))).map(([, key]) => key));
  }

  deleteJudgement(id: string): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['judgements', 'judged'], 'readwrite');
      await commit(transaction, [
        () => transaction.objectStore('judgements').delete(id),
        () => transaction.objectStore('judged').delete(cellsOf(id)),
      ]);
    });
  }

  unreadable(): Promise<readonly Unreadable[]> {
    return this.#connection.use(async (database) => {
      const found: Unreadable[] = [];
      for (const [kind, store] of listed) {
        const transaction = database.transaction(store);
        const [keys, records] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll()]);
        found.push(
          ...unreadableOf(
            kind,
            keys.map((key, i) => [key, records[i]]),
          ),
        );
      }
      return found;
    });
  }

  policies(): Promise<readonly PolicyRecord[]> {
    return this.#connection.use(async (database) =>
      readable('policy', await database.getAll('policies')).sort((a, b) => b.added - a.added),
    );
  }

  savePolicy(policy: PolicyRecord): Promise<void> {
    return this.#connection.use(async (database) => {
      const transaction = database.transaction(['policies', 'unfinishedPolicies'], 'readwrite');
      await commit(transaction, [
        () => transaction.objectStore('policies').put(policy),
        () => transaction.objectStore('unfinishedPolicies').delete(policy.folder),
      ]);
    });
  }

  deletePolicy(id: string): Promise<void> {
    return this.#connection.use((database) => database.delete('policies', id));
  }

  unfinishedPolicies(): Promise<readonly UnfinishedPolicy[]> {
    return this.#connection.use(async (database) =>
      (await database.getAll('unfinishedPolicies')).filter(isUnfinished).sort((a, b) => b.begun - a.begun),
    );
  }

  saveUnfinishedPolicy(policy: UnfinishedPolicy): Promise<void> {
    return this.#connection.use(async (database) => void (await database.put('unfinishedPolicies', policy)));
  }

  deleteUnfinishedPolicy(folder: string): Promise<void> {
    return this.#connection.use((database) => database.delete('unfinishedPolicies', folder));
  }

  sets(): Promise<readonly SetRecord[]> {
    return this.#connection.use(async (database) => (await database.getAll('sets')).filter(isSet).sort((a, b) => b.added - a.added));
  }

  saveSet(set: SetRecord): Promise<void> {
    return this.#connection.use(async (database) => void (await database.put('sets', set)));
  }

  deleteSet(sha256: string): Promise<void> {
    return this.#connection.use((database) => database.delete('sets', sha256));
  }

  async clear(): Promise<void> {
    await this.#connection.use(async (database) => {
      const stores = [...database.objectStoreNames];
      const transaction = database.transaction(stores, 'readwrite');
      await commit(
        transaction,
        stores.map((name) => () => transaction.objectStore(name).clear()),
      );
    });
    await this.#files?.clear();
  }

  close(): void {
    this.#connection.close();
  }
}

/** Whether storage itself failed, and not what was asked of it. */
const wantsRoom = (error: unknown): error is LabError => error instanceof LabError && error.code === 'storage' && error.cause !== undefined;

/** @throws LabError 'storage' where there is not even memory for it */
function sealed(draft: CheckpointDraft, packed: Packed): Promise<SealedCheckpoint> {
  return seal(draft, packed).catch((cause: unknown) => {
    if (!(cause instanceof RangeError)) throw cause;
    throw new LabError('storage', 'There is no memory to put it together in.', 'Close other pages, then continue.', { cause });
  });
}

/** Keys [run, step] of all steps after `after`. */
function stepsOf(runId: string, after = -1): IDBKeyRange {
  return IDBKeyRange.bound([runId, after], [runId, Infinity], true);
}

/** Keys [evaluation, cell] of all cells, or those of a judgement: an array sorts after every string. */
function cellsOf(evaluationId: string): IDBKeyRange {
  return IDBKeyRange.bound([evaluationId], [evaluationId, []]);
}
