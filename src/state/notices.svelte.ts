/** What the reader should know, until it is put away: the newest five. */
import type { HeldOutExcess } from '../run/cost.ts';
import type { NoticeLevel } from '../worker/api.ts';

export interface Notice {
  readonly id: number;
  readonly level: NoticeLevel;
  readonly text: string | HeldOutExcess;
  /** What it is about; null: no run. */
  readonly runId: string | null;
}

export class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #id = 0;

  add(level: NoticeLevel, text: Notice['text'], runId: string | null): void {
    if (this.list.some((notice) => notice.text === text)) return;
    this.list = [...this.list.slice(-4), { id: ++this.#id, level, text, runId }];
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  /** What was said of a run that is gone. */
  forget(runId: string): void {
    this.list = this.list.filter((notice) => notice.runId !== runId);
  }
}
