/** Questions of the reader's own: the sets that are kept here, and the file that is being looked at before it becomes one. */
import { errorSentence, labErrorCode } from '../errors.ts';
import type { SetFacts } from '../storage/sets.ts';
import { boxedInstruction } from '../tasks/instruction.ts';
import { usualImportedAnswers } from '../verify/answer-forms.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { SetLook } from '../worker/sets-api.ts';
import type { Draft } from './draft.svelte.ts';

export class QuestionSets {
  /** Newest first. */
  kept = $state.raw<readonly SetFacts[]>([]);
  /** The dialog that shows a file. */
  asking = $state(false);
  file = $state.raw<File | null>(null);
  look = $state.raw<SetLook | null>(null);
  problem = $state<string | null>(null);
  /** Of the file's bytes, in [0, 1]; null: nothing is being read. */
  progress = $state<number | null>(null);
  /** As far as the reader has chosen them; empty: as the names of the fields say. */
  question = $state('');
  answer = $state('');

  constructor(
    private readonly api: () => TrainerApi,
    private readonly draft: () => Draft | null,
  ) {}

  async refresh(): Promise<void> {
    this.kept = await this.api().sets();
  }

  find(sha256: string): SetFacts | null {
    return this.kept.find((one) => one.sha256 === sha256) ?? null;
  }

  /** A file that was picked or dropped. */
  async open(file: File): Promise<void> {
    if (this.progress !== null) return;
    [this.asking, this.file, this.look, this.question, this.answer] = [true, file, null, '', ''];
    await this.#reading(async (onProgress) => {
      this.look = await this.api().lookAtSet(file, null, onProgress);
    });
  }

  /** With the columns that the reader chose. */
  async read(): Promise<void> {
    const { file, columns } = this;
    if (file && columns)
      await this.#reading(async (onProgress) => void (this.look = await this.api().lookAtSet(file, columns, onProgress)));
  }

  /** Keeps the file, and has the next run trained on it. @param alone instead of what it was asked before */
  async take(alone: boolean): Promise<void> {
    const { file, columns, look } = this;
    if (!file || !look) return;
    await this.#reading(async (onProgress) => {
      const facts = await this.api().keepSet(file, look.kind === 'columns' ? columns : null, onProgress);
      await this.refresh();
      this.use(facts, alone);
      this.asking = false;
      this.file = null;
    });
  }

  async cancel(): Promise<void> {
    await this.api().cancelSet();
  }

  /** How it is asked and read is said with it, where nothing was said of that yet. */
  use({ name, sha256, choice }: SetFacts, alone: boolean): void {
    const draft = this.draft();
    if (!draft || draft.locked) return;
    const others = alone ? [] : draft.snapshot().tasks.filter(({ set }) => set?.sha256 !== sha256);
    // Another file of the same name is another source.
    const id = others.some((one) => one.id === name) ? `${name} (${sha256.slice(0, 6)})` : name;
    draft.config.tasks = [...others, { id, weight: 1, set: structuredClone(choice) }];
    const { instruction, answers } = draft.snapshot();
    draft.ask({ instruction: instruction ?? boxedInstruction, answers: answers ?? usualImportedAnswers });
  }

  async remove(sha256: string): Promise<void> {
    this.problem = null;
    try {
      await this.api().removeSet(sha256);
      const draft = this.draft();
      const left = draft?.snapshot().tasks.filter(({ set }) => set?.sha256 !== sha256) ?? [];
      // A draft of no task at all is put right by hand.
      if (draft && left.length > 0 && !draft.locked) draft.config.tasks = structuredClone(left) as typeof draft.config.tasks;
    } catch (error) {
      this.problem = errorSentence(error);
    }
    await this.refresh();
    // What is missing now is said.
    await this.draft()?.check();
  }

  get columns(): { question: string; answer: string } | null {
    const { question, answer } = this;
    return question === '' || answer === '' ? null : { question, answer };
  }

  async #reading(work: (onProgress: (bytes: number) => void) => Promise<void>): Promise<void> {
    const size = Math.max(1, this.file?.size ?? 1);
    [this.problem, this.progress] = [null, 0];
    try {
      await work((bytes) => {
        if (this.progress !== null) this.progress = Math.min(1, bytes / size);
      });
    } catch (error) {
      if (labErrorCode(error) === 'cancelled') this.asking = false;
      else this.problem = errorSentence(error);
    } finally {
      this.progress = null;
    }
  }
}
