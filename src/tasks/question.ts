/** What a question is, and what makes one. */
import type { Stream } from '../random/counter.ts';

export interface Question {
  /** Hash of task and text: the same question has the same id everywhere. */
  readonly id: string;
  readonly task: string;
  readonly text: string;
  /** The gold answer in the task's canonical form; for role-play the empty string. */
  readonly answer: string;
}

export const splits = ['train', 'evaluation'] as const;
export type Split = (typeof splits)[number];

/** A difficulty dial of a task, an integer range. */
export interface Knob {
  readonly name: string;
  readonly label: string;
  readonly low: number;
  readonly high: number;
  readonly initial: number;
}
export type Knobs = Readonly<Record<string, number>>;

export interface Task {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly knobs: readonly Knob[];
  /** Whether every answer is one whole number; otherwise a list or an expression. */
  readonly whole: boolean;
  /** A question of the given split; every question belongs to exactly one split, decided by its hash. */
  generate(stream: Stream, split: Split, knobs?: Partial<Knobs>): Question;
  /** Whether the extracted answer is right; must be exact. */
  accepts(answer: string, question: Question): boolean;
  /** The shortest right reply, e.g. `\boxed{42}`. */
  solution(question: Question): string;
}
