/** Stored records that this version cannot read: what is said of one, and how it goes, with what belongs to it. */
import { noSuch } from '../errors.ts';
import type { Unreadable } from '../storage/checked.ts';
import type { RecordKind } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';

export async function deleteRecord(storage: LabStorage, kind: RecordKind, key: string): Promise<void> {
  switch (kind) {
    case 'run':
      return storage.deleteRun(key);
    case 'checkpoint':
      return void (await storage.deleteCheckpoint(key));
    case 'evaluation':
      return storage.deleteEvaluation(key);
    case 'judgement':
      return storage.deleteJudgement(key);
    // Its folder is swept with the next visit.
    case 'policy':
      return storage.deletePolicy(key);
    default:
      return noSuch('kind of record', kind);
  }
}

export function unreadableSentence({ kind, name, why }: Unreadable): string {
  return `The stored ${kind} ${name} cannot be read and is left out: ${why}. It stays as it is until you delete it under “What has been kept?”.`;
}
