/**
 * The database itself: its stores, how an older one becomes a newer one, and what its failures mean in plain words.
 * What is written into it is decided in `indexed.ts`.
 */
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction, type StoreNames } from 'idb';
import { LabError } from '../errors.ts';
import type { LibraryDraft, LibraryRecord } from './libraries.ts';
import type { JudgedRecord, JudgementRecord } from './judgements.ts';
import type { PolicyRecord, UnfinishedPolicy } from './policies.ts';
import { estimate } from './quota.ts';
import type { CellRecord, CheckpointInfo, EvaluationRecord, HeldOutRecord, MetricsRecord, RolloutsRecord, RunRecord } from './records.ts';
import type { SetRecord } from './sets.ts';

export interface LabSchema extends DBSchema {
  runs: { key: string; value: RunRecord };
  metrics: { key: [string, number]; value: MetricsRecord };
  rollouts: { key: [string, number]; value: RolloutsRecord };
  heldOut: { key: [string, number]; value: HeldOutRecord };
  /** Without their bytes, so that listing them is cheap. */
  checkpoints: { key: string; value: CheckpointInfo; indexes: { run: string } };
  payloads: { key: string; value: Payload };
  evaluations: { key: string; value: EvaluationRecord };
  cells: { key: [string, string]; value: CellRecord };
  judgements: { key: string; value: JudgementRecord };
  judged: { key: [string, string]; value: JudgedRecord };
  policies: { key: string; value: PolicyRecord };
  unfinishedPolicies: { key: string; value: UnfinishedPolicy };
  sets: { key: string; value: SetRecord };
  libraries: { key: string; value: LibraryRecord };
  libraryDrafts: { key: string; value: LibraryDraft };
}

/** The bytes of a checkpoint; null: they lie in a file (`payload-files.ts`). */
interface Payload {
  readonly id: string;
  readonly bytes: ArrayBuffer | null;
}

export type LabDatabase = IDBPDatabase<LabSchema>;

type Upgrade = (
  database: LabDatabase,
  transaction: IDBPTransaction<LabSchema, StoreNames<LabSchema>[], 'versionchange'>,
) => void | Promise<void>;

/**
 * Entry n takes a database from version n to n + 1. Entries are appended and never changed: browsers out there hold every version.
 * An upgrade may await nothing but its own transaction.
 */
export const upgrades: readonly Upgrade[] = [
  (database) => {
    database.createObjectStore('runs', { keyPath: 'id' });
    database.createObjectStore('metrics', { keyPath: ['runId', 'step'] });
    database.createObjectStore('rollouts', { keyPath: ['runId', 'step'] });
    database.createObjectStore('checkpoints', { keyPath: 'id' }).createIndex('run', 'runId');
    database.createObjectStore('payloads', { keyPath: 'id' });
  },
  (database) => {
    database.createObjectStore('evaluations', { keyPath: 'id' });
    database.createObjectStore('cells', { keyPath: ['evaluationId', 'key'] });
  },
  (database) => {
    database.createObjectStore('judgements', { keyPath: 'id' });
    database.createObjectStore('judged', { keyPath: ['judgementId', 'key'] });
  },
  (database) => {
    database.createObjectStore('heldOut', { keyPath: ['runId', 'step'] });
  },
  (database) => {
    database.createObjectStore('policies', { keyPath: 'id' });
    database.createObjectStore('unfinishedPolicies', { keyPath: 'folder' });
  },
  (database) => {
    database.createObjectStore('sets', { keyPath: 'sha256' });
  },
  (database) => {
    database.createObjectStore('libraries', { keyPath: 'name' });
    database.createObjectStore('libraryDrafts', { keyPath: 'id' });
  },
];

/** Some browsers never answer a request to open a database; the page must not wait for them. */
const openTimeoutMs = 10_000;

/**
 * Opened and brought up to date. @throws LabError 'storage' where the browser refuses, does not answer, or another tab holds an older
 * version
 */
export async function openDatabase(name: string, path: readonly Upgrade[] = upgrades): Promise<LabDatabase> {
  let giveUp: (error: LabError) => void = () => {};
  const refused = new Promise<never>((_, reject) => (giveUp = reject));
  const timer = setTimeout(
    () => giveUp(new LabError('storage', 'The browser does not answer when asked for its storage.', 'Restart the browser to keep runs.')),
    openTimeoutMs,
  );
  let opening: Promise<LabDatabase> | null = null;
  try {
    // Where site data is blocked this throws at once.
    opening = openDB<LabSchema>(name, path.length, {
      async upgrade(database, oldVersion, _newVersion, transaction) {
        for (const upgrade of path.slice(oldVersion)) await upgrade(database, transaction);
      },
      blocked() {
        giveUp(
          new LabError(
            'storage',
            'Another tab holds an older version of the stored runs open.',
            'Close the other tabs of this page and reload to get at the stored runs.',
          ),
        );
      },
      blocking(_current, _blocked, event) {
        // A newer version of the page wants to upgrade: let go, so that it does not wait for this tab.
        (event.target as IDBDatabase).close();
      },
    });
    return await Promise.race([opening, refused]);
  } catch (error) {
    // Too late is as good as never: a connection that opens after all must not block other tabs.
    opening?.then((database) => database.close()).catch(() => {});
    if ((error as DOMException | undefined)?.name === 'VersionError') {
      throw new LabError(
        'storage',
        'The stored runs were taken over by a newer version of this page, perhaps in another tab.',
        'Reload the page to get at them.',
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A way that needs no storage is among those that are left. */
const tryAgain = 'continue to try again, or save the run as a file under “What has been kept?”';

/** Runs one storage operation; what goes wrong in it becomes a LabError that says what was lost (nothing) and what to do. */
export async function guarded<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof LabError) throw error;
    const name = (error as DOMException | undefined)?.name;
    if (name === 'QuotaExceededError') {
      const { used, quota } = await estimate();
      const share = quota > 0 ? ` (${megabytes(used)} of ${megabytes(quota)} used)` : '';
      throw new LabError(
        'storage',
        `The browser’s storage for this page is full${share}; nothing that was stored is lost.`,
        'Delete old runs or checkpoints, or free disk space, then continue.',
        { cause: error },
      );
    }
    if (name === 'InvalidStateError') {
      throw new LabError(
        'storage',
        'The connection to the stored runs was closed by the browser.',
        `What is not saved yet is still in this page: ${tryAgain}.`,
        { cause: error },
      );
    }
    throw new LabError(
      'storage',
      `The browser’s storage failed (${error instanceof Error ? error.message : String(error)}).`,
      `What was stored before is still there; what is not saved yet is in this page: ${tryAgain}.`,
      { cause: error },
    );
  }
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}
