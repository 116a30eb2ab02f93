/**
 * Files of runs that were chosen or dropped: read one after the other, none of which keeps another out. One opens its run; several become the
 * class (`class-runs.svelte.ts`), and where the class is looked at, whatever comes later joins it.
 */
import { errorSentence } from '../errors.ts';
import { refuseParquet } from '../parquet.ts';
import type { OpenedRun } from '../worker/api.ts';
import type { ClassRuns } from './class-runs.svelte.ts';
import type { Library } from './library.svelte.ts';
import type { Undo } from './undo.svelte.ts';
import { goTo, type View } from './views.svelte.ts';

export interface IntakeOutcome {
  /** Runs that were stored now. */
  readonly added: number;
  /** Those that were here before. */
  readonly known: readonly { readonly file: string; readonly run: string }[];
  /** A sentence for each file that was not taken. */
  readonly refused: readonly string[];
}

export interface IntakeTools {
  readonly library: Pick<Library, 'openRun'>;
  readonly undo: Pick<Undo, 'restore'>;
  readonly classRuns: Pick<ClassRuns, 'ids' | 'show'>;
}

export class Intake {
  /** The file that is being read. */
  progress = $state.raw<{ readonly done: number; readonly total: number; readonly file: string } | null>(null);
  /** Of the last files; null once it was put away. */
  outcome = $state.raw<IntakeOutcome | null>(null);

  /** Where the last files lead. */
  #bound: View | null = null;
  #open: View = 'train';

  /** @param view puts a run on view */
  constructor(
    private readonly tools: IntakeTools,
    private readonly view: (id: string) => Promise<unknown>,
  ) {}

  async take(files: readonly File[]): Promise<void> {
    if (files.length === 0 || this.progress) return;
    this.outcome = null;
    const opened: OpenedRun[] = [];
    const known: { file: string; run: string }[] = [];
    const refused: string[] = [];
    for (const [done, file] of files.entries()) {
      this.progress = { done, total: files.length, file: file.name };
      try {
        refuseParquet(file.name, new Uint8Array(await file.slice(0, 4).arrayBuffer()));
        const run = await this.tools.library.openRun(file);
        // Should it have been deleted a moment ago, it is wanted after all.
        this.tools.undo.restore(run.id);
        opened.push(run);
        if (run.known) known.push({ file: file.name, run: run.name });
      } catch (error) {
        refused.push(sentenceOf(file, error));
      }
    }
    this.progress = null;
    const ids = [...new Set(opened.map(({ id }) => id))];
    // What one file held is on view, and needs no words.
    this.outcome =
      files.length > 1 || known.length > 0 || refused.length > 0 ? { added: opened.length - known.length, known, refused } : null;
    const { classRuns } = this.tools;
    const joined = this.#open === 'class' ? [...new Set([...classRuns.ids, ...ids])] : ids;
    this.#bound = ids.length === 0 ? null : joined.length > 1 || this.#open === 'class' ? 'class' : 'train';
    if (this.#bound === 'class') classRuns.show(joined);
    if (this.#bound === 'train') {
      goTo('train');
      await this.view(ids[0]!);
    }
  }

  /** Another view has come: what was said of the files is read, but for the view that they lead to. */
  left(view: View): void {
    this.#open = view;
    if (view !== this.#bound) this.outcome = null;
    this.#bound = null;
  }
}

function sentenceOf({ name }: File, error: unknown): string {
  // A folder, or a file that was taken away meanwhile.
  if (error instanceof DOMException) return `${name} could not be read: it is a folder, or it is gone. Choose it again.`;
  const sentence = errorSentence(error);
  return sentence.includes(name) ? sentence : `${name}: ${sentence}`;
}
