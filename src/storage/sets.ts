/** What is kept of the reader's own questions: the file as it was, by its hash, and what was said of it when it came. Runs name it by that hash. */
import type { SetSummary } from '../tasks/sets/read.ts';
import type { Split } from '../tasks/question.ts';
import type { SetChoice } from '../tasks/source.ts';

/** What a chooser shows. */
export interface SetFacts extends Pick<SetSummary, 'name' | 'sha256' | 'bytes' | 'format'> {
  readonly added: number;
  /** As a run's configuration names it. */
  readonly choice: SetChoice;
  /** Of its questions, with the usual split. */
  readonly split: Readonly<Record<Split, number>>;
  /** Rows that are not asked. */
  readonly leftOut: number;
}

export interface SetRecord extends SetFacts {
  readonly file: Blob;
}
