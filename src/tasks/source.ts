/**
 * Where questions come from, behind one seam: a generated task, which never runs out, or an imported set, which has as many as its file. Training,
 * room, held-out questions and evaluation ask a source and nothing else; `sources.ts` makes one of what a configuration says. A question is a pure function of the stream it is drawn with, so a
 * resumed run draws what the uninterrupted one would have.
 */
import type { Stream } from '../random/counter.ts';
import type { Knobs, Question, Split, Task } from './question.ts';
import type { Columns, SetKind } from './sets/columns.ts';

export interface QuestionSource {
  /** A task's id, a file's name. */
  readonly id: string;
  /** For the reader. */
  readonly name: string;
  /** Null: generated, without end. */
  readonly count: Readonly<Record<Split, number>> | null;
  /**
   * A question of the given split; every question belongs to exactly one, decided by its hash. An imported set deals question `stream.step` of an
   * order that the stream's seed shuffles, anew for every pass; `stream.row` over 0 asks for another one in its place.
   */
  draw(stream: Stream, split: Split): Question;
  /** Whether an extracted answer is right, exactly; null: it is compared with the gold answer (docs/verifier.md). */
  readonly accepts: Task['accepts'] | null;
  /** Whether every answer is one whole number; otherwise a list, an expression, a formula. */
  readonly whole: boolean;
  /** The shortest right reply, `\boxed{42}`; null where the source knows none. */
  solution(question: Question): string | null;
}

/** One of the sources of a run, as its configuration names it. */
export interface SourceChoice {
  /** A task's id; of an imported set the name of its file. */
  readonly id: string;
  /** How often it is drawn from, beside the others. */
  readonly weight: number;
  readonly knobs?: Partial<Knobs>;
  /** Which questions the file holds; absent: a generated task. */
  readonly set?: SetChoice;
}

/** What makes the same questions of the same file again. */
export interface SetChoice {
  /** Of the file's bytes, as sha256sum prints it. */
  readonly sha256: string;
  /** That can be used, of both splits. */
  readonly questions: number;
  readonly kind: SetKind;
  /** With the kind `columns`. */
  readonly columns?: Columns;
  /** Which share of them is never trained on, and the seed of the hash that decides which. */
  readonly heldOut?: HeldOutSplit;
}

export interface HeldOutSplit {
  /** In (0, 1). */
  readonly share: number;
  readonly seed: number;
}

/** As with generated tasks: every fifth question, more or less. */
export const usualSplit: HeldOutSplit = { share: 0.2, seed: 1 };

export interface ImportedQuestion {
  readonly asked: string;
  /** What is right, without the working that led there. */
  readonly gold: string;
}

/** A set in memory. */
export interface ImportedSet {
  readonly kind: SetKind;
  /** All different, in the order of the file. */
  readonly questions: readonly ImportedQuestion[];
}

/** The sets of a run, read, by the `id` of its choice. */
export type ImportedSets = Readonly<Record<string, ImportedSet>>;
