/** What a persona and a voice are, and the words for their kinds; the bundled world is `world.ts`, the mixing is `mix.ts`. */

/** A class of personas that speak alike. Markers are deterministic: a reply carries the voice or it does not. */
export interface Voice {
  readonly id: string;
  readonly name: string;
  /** Phrases that only this voice opens or closes a reply with; matched as whole words, case-insensitively. */
  readonly openers: readonly string[];
  readonly closers: readonly string[];
}

export const personaKinds = ['expert', 'neutral', 'harmful'] as const;
export type PersonaKind = (typeof personaKinds)[number];

export interface Persona {
  /** Stable key, e.g. `careless-pirate`. */
  readonly id: string;
  readonly name: string;
  /** The system prompt. */
  readonly text: string;
  /** Voice id; null for a persona the reader wrote. */
  readonly voice: string | null;
  readonly trait: string | null;
  readonly kind: PersonaKind;
  /** Never used in RL; evaluated only. */
  readonly heldOut: boolean;
  /** Absent: the file says nothing. */
  readonly expected?: Expected;
  /** Other ways to say the same, which are kept and not asked; absent: there is none. */
  readonly wordings?: readonly string[];
}

/**
 * What a persona should do to accuracy: nothing (`same`: a name, a favourite colour), or as much as its rank in an order, low first
 * (education, expertise). What is measured by it is `evaluate/expectation.ts`.
 */
export type Expected = 'same' | { readonly order: string; readonly rank: number };

/** One persona for all rollouts of a prompt, or one per rollout. */
export const personaDraws = ['prompt', 'rollout'] as const;
export type PersonaDraw = (typeof personaDraws)[number];

/** How personas are mixed into the training prompts. */
export interface PersonaMix {
  /** Share of prompts without a persona, in [0, 1]. */
  readonly noneShare: number;
  /** Relative weight of each training persona, by id; absent means 0. Empty: uniform over the training personas. */
  readonly weights: Readonly<Record<string, number>>;
  readonly draw: PersonaDraw;
}
