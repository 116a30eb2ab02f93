/**
 * Which questions a step asks, and under which personas. Question number n and its personas are pure functions of
 * (seed, n), so a resumed run draws what the uninterrupted one would have, and two runs that differ only in their mix
 * ask the same questions.
 */
import { drawPersona, groupKey } from '../persona/mix.ts';
import type { Persona } from '../persona/persona.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { instructed } from '../tasks/instruction.ts';
import type { Question } from '../tasks/question.ts';
import type { ImportedSets, QuestionSource } from '../tasks/source.ts';
import { sourceOf } from '../tasks/sources.ts';
import { askingOf } from './asking.ts';
import type { RunConfig } from './config.ts';

/** One question and the rollouts that are compared with each other. */
export interface Group {
  readonly key: string;
  readonly question: Question;
  readonly source: QuestionSource;
  /** One for the whole group, or one per rollout; null: no persona. */
  readonly personas: readonly (Persona | null)[];
}

/** A run of which so few questions fit that this is reached has been refused (`room.ts`). */
const mostAttempts = 1000;

/** Deals the groups of one step, in order. */
export class GroupSource {
  readonly #occurrences = new Map<string, number>();
  readonly #config: RunConfig;
  readonly #personas: readonly Persona[];
  readonly #fits: (question: Question) => boolean;
  readonly #sources: readonly QuestionSource[];
  #cursor: number;

  /**
   * @param cursor questions drawn before this step
   * @param fits whether the policy has room for a question; one that it has none for is drawn again
   * @param sets those that the configuration names, read
   */
  constructor(
    config: RunConfig,
    personas: readonly Persona[],
    cursor: number,
    fits: (question: Question) => boolean = () => true,
    sets: ImportedSets = {},
  ) {
    this.#sources = config.tasks.map((choice) => sourceOf(choice, sets));
    this.#config = config;
    this.#personas = personas;
    this.#cursor = cursor;
    this.#fits = fits;
  }

  get cursor(): number {
    return this.#cursor;
  }

  take(count: number): Group[] {
    return Array.from({ length: count }, () => this.#next());
  }

  #next(): Group {
    const { seed, mix, groupSize } = this.#config;
    const number = this.#cursor++;
    const { source, question } = this.#draw(number);
    const draws = mix.draw === 'prompt' ? 1 : groupSize;
    const personas = Array.from({ length: draws }, (_, i) =>
      drawPersona(mix, this.#personas, new Stream(seed, Purpose.persona, number, i)),
    );
    return { key: this.#key(question, personas), question, source, personas };
  }

  /** Of the source that the number has drawn once and for all; the draws of every attempt are counted, so that a resumed run draws alike. */
  #draw(number: number): { readonly source: QuestionSource; readonly question: Question } {
    const { seed, tasks } = this.#config;
    const { instruction } = askingOf(this.#config);
    const weights = tasks.map(({ weight }) => weight);
    const source = this.#sources[new Stream(seed, Purpose.question, number).weighted(weights)]!;
    for (let attempt = 0; ; attempt++) {
      const stream = new Stream(seed, Purpose.question, number, attempt);
      stream.weighted(weights);
      const question = instructed(source.draw(stream, 'train'), instruction);
      if (attempt === mostAttempts || this.#fits(question)) return { source, question };
    }
  }

  /** The same question under the same persona may be dealt twice in a step: its groups stay apart by occurrence. */
  #key(question: Question, personas: readonly (Persona | null)[]): string {
    const persona = this.#config.mix.draw === 'prompt' ? (personas[0]?.id ?? null) : undefined;
    const identity = `${question.id}|${persona}`;
    const occurrence = this.#occurrences.get(identity) ?? 0;
    this.#occurrences.set(identity, occurrence + 1);
    return groupKey(question.id, persona, occurrence);
  }
}
