/** What the page can ask about questions of the reader's own. Types only. */
import type { SetFacts } from '../storage/sets.ts';
import type { Split } from '../tasks/question.ts';
import type { Columns } from '../tasks/sets/columns.ts';
import type { SetSummary } from '../tasks/sets/read.ts';

/** What a file is, before anything of it is kept. */
export interface SetLook extends SetSummary {
  /** Of its questions, with the usual split. */
  readonly split: Readonly<Record<Split, number>>;
}

export interface SetsApi {
  /** Newest first. */
  sets(): Promise<readonly SetFacts[]>;
  /** Reads the file to its end. @param onProgress bytes so far */
  lookAtSet(file: File, columns: Columns | null, onProgress: (bytes: number) => void): Promise<SetLook>;
  /** Keeps it in the browser, whole. Rows that cannot be used are left out: the reader has seen them. */
  keepSet(file: File, columns: Columns | null, onProgress: (bytes: number) => void): Promise<SetFacts>;
  /** Stops what is being read. */
  cancelSet(): Promise<void>;
  /** Rejects while a run on it is under way. Runs that name it go on when the file is added again. */
  removeSet(sha256: string): Promise<void>;
}
