/**
 * Persona fidelity without a judge: does the policy still speak as the persona it is given? Three measures on the same replies, each in
 * [0, 1], and their mean. Pure: generating and scoring replies is `evaluate.ts`. All of it is this project's own declared choice
 * (docs/evaluation.md); the paper measures fidelity with a judge (PersonaGym).
 */
import { meanOrNull, sum } from '../statistics/moments.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import { trainClassifier, type Classifier } from './classifier.ts';
import { believedSpeaker } from './likelihood.ts';
import { promptMask } from './mask.ts';
import { StyleScorer } from './style.ts';

/** Replies under one persona. */
export interface PersonaReplies {
  readonly personaId: string;
  readonly texts: readonly string[];
  /** [replies][P] log pi_base(y|q,p') under every persona's prompt, in the order of the personas; null where not scored. */
  readonly logprobs: readonly (readonly number[])[] | null;
}

export interface PersonaFidelity {
  readonly personaId: string;
  readonly replies: number;
  /** Shares of its replies; null where the measure does not apply, e.g. a voice without markers. */
  readonly strict: number | null;
  readonly loose: number | null;
  readonly identification: number | null;
  readonly likelihood: number | null;
  /** nats per reply */
  readonly pmi: number | null;
}

/** Fidelity on one kind of replies. Shares are over all replies the measure applies to. */
export interface FidelityMeasures {
  readonly replies: number;
  /** 1. Style adherence; null where no persona has a voice with markers. `replies` are those of personas that have one. */
  readonly style: { readonly strict: number; readonly loose: number; readonly replies: number } | null;
  /**
   * 2. Top-1 accuracy of the classifier; `ceiling` is its accuracy on the frozen base's own replies, `chance` that of always naming the voice
   * of most replies: 1 / classes where all have as many.
   */
  readonly identification: { readonly accuracy: number; readonly ceiling: number; readonly chance: number } | null;
  /** 3. Top-1 of the frozen base's likelihood over voices; `chance` is 1 / classes. */
  readonly likelihood: { readonly accuracy: number; readonly chance: number } | null;
  /** Beside them, outside the mean: nats per reply. */
  readonly pmi: number | null;
  /** Of strict style, identification and likelihood, those that are not null; null without any. */
  readonly mean: number | null;
  readonly personas: readonly PersonaFidelity[];
}

/** The voice as a class of personas that speak alike; a persona without one is a class of its own. */
export function voiceClass(persona: Pick<Persona, 'id' | 'voice'>): string {
  return persona.voice === null ? `persona ${persona.id}` : `voice ${persona.voice}`;
}

/** What the three measures are measured with: everything but the replies. */
export class FidelityScorer {
  readonly #personas: readonly Persona[];
  readonly #classes: readonly string[];
  readonly #mask: (reply: string) => string;
  readonly #style: StyleScorer;
  readonly #classifier: Classifier | null;

  private constructor(
    personas: readonly Persona[],
    voices: readonly Voice[],
    mask: (reply: string) => string,
    classifier: Classifier | null,
  ) {
    this.#personas = personas;
    this.#classes = personas.map(voiceClass);
    this.#mask = mask;
    this.#style = new StyleScorer(voices);
    this.#classifier = classifier;
  }

  /**
   * @param training the frozen base's replies to *other* questions; null or of a single class: there is no identification
   * @throws LabError 'cancelled' when the signal is aborted
   */
  static async create(
    personas: readonly Persona[],
    voices: readonly Voice[],
    training: readonly PersonaReplies[] | null,
    signal?: AbortSignal,
  ): Promise<FidelityScorer> {
    const mask = promptMask(personas);
    const classes = new Map(personas.map((persona) => [persona.id, voiceClass(persona)]));
    const samples = (training ?? []).flatMap(({ personaId, texts }) =>
      texts.map((text) => ({ text: mask(text), label: classes.get(personaId)! })),
    );
    const several = new Set(samples.map(({ label }) => label)).size > 1;
    return new FidelityScorer(personas, voices, mask, several ? await trainClassifier(samples, {}, signal) : null);
  }

  /** @param base the frozen base's replies to the same questions: the classifier's ceiling */
  measure(replies: readonly PersonaReplies[], base: readonly PersonaReplies[]): FidelityMeasures {
    const personas = replies.map((one) => this.#persona(one));
    const total = personas.reduce((sum, one) => sum + one.replies, 0);
    const strict = over(personas, 'strict');
    const identification = over(personas, 'identification');
    const likelihood = over(personas, 'likelihood');
    const parts = [strict?.mean, identification?.mean, likelihood?.mean].filter((value) => value !== undefined);
    const ceiling = () =>
      over(
        base.map((one) => this.#identification(one)),
        'identification',
      )?.mean ?? 0;
    return {
      replies: total,
      style: strict && { strict: strict.mean, loose: over(personas, 'loose')!.mean, replies: strict.replies },
      identification: identification && { accuracy: identification.mean, ceiling: ceiling(), chance: this.#commonest(replies) },
      likelihood: likelihood && { accuracy: likelihood.mean, chance: 1 / new Set(this.#classes).size },
      pmi: over(personas, 'pmi')?.mean ?? null,
      mean: meanOrNull(parts),
      personas,
    };
  }

  #persona(replies: PersonaReplies): PersonaFidelity {
    const { personaId, texts, logprobs } = replies;
    const own = this.#index(personaId);
    const styles = texts.map((text) => this.#style.score(text, this.#personas[own]!.voice)).filter((style) => style !== null);
    const believed = (logprobs ?? []).map((row) => believedSpeaker(row, this.#classes, own));
    return {
      ...this.#identification(replies),
      strict: meanOrNull(styles.map((style) => Number(style.strict))),
      loose: meanOrNull(styles.map((style) => Number(style.loose))),
      likelihood: this.#distinct ? meanOrNull(believed.map(({ identified }) => identified)) : null,
      pmi: meanOrNull(believed.map(({ pmi }) => pmi)),
    };
  }

  #identification({ personaId, texts }: PersonaReplies) {
    const own = this.#classes[this.#index(personaId)]!;
    const classifier = this.#classifier;
    const identification = classifier && meanOrNull(texts.map((text) => Number(classifier.predict(this.#mask(text)) === own)));
    return { personaId, replies: texts.length, identification };
  }

  /** The share of the class that most of these replies are of. */
  #commonest(replies: readonly PersonaReplies[]): number {
    const counts = new Map<string, number>();
    for (const { personaId, texts } of replies) {
      const own = this.#classes[this.#index(personaId)]!;
      counts.set(own, (counts.get(own) ?? 0) + texts.length);
    }
    return Math.max(...counts.values()) / sum([...counts.values()]);
  }

  /** With a single class there is nothing to identify. */
  get #distinct(): boolean {
    return new Set(this.#classes).size > 1;
  }

  #index(personaId: string): number {
    const index = this.#personas.findIndex(({ id }) => id === personaId);
    if (index < 0) throw new Error(`replies of a persona that is not evaluated: ${personaId}`);
    return index;
  }
}

/** The headline: task and role-play replies count equally; null unless both were measured. */
export function headlineFidelity(task: FidelityMeasures, roleplay: FidelityMeasures): number | null {
  return task.mean === null || roleplay.mean === null ? null : (task.mean + roleplay.mean) / 2;
}

/** The mean over replies of a share given by persona, and how many replies it is over; null where no persona has it. */
function over<K extends string>(personas: readonly ({ readonly replies: number } & { readonly [name in K]: number | null })[], name: K) {
  const known = personas.filter((one) => one[name] !== null);
  const replies = known.reduce((sum, one) => sum + one.replies, 0);
  return replies > 0 ? { mean: known.reduce((sum, one) => sum + one[name]! * one.replies, 0) / replies, replies } : null;
}
