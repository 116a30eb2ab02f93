/** Which personas of a library an evaluation asks. "No persona" is always asked beside them and is in none of the groups. */
import { noSuch } from '../errors.ts';
import { Purpose, Stream } from '../random/counter.ts';
import type { Persona } from './persona.ts';

/** `voices`: one persona of each voice, without a trait where there is one. */
export const personaGroups = ['all', 'voices', 'trained', 'held-out'] as const;
export type PersonaGroup = (typeof personaGroups)[number];

export interface PersonaChoice {
  readonly personas: PersonaGroup;
  /** So many of the group, drawn by the seed; absent: all of it. */
  readonly personaCount?: number;
  readonly seed: number;
}

/** In the order of the library. */
export function personaGroup(personas: readonly Persona[], group: PersonaGroup): readonly Persona[] {
  switch (group) {
    case 'all':
      return personas;
    case 'voices': {
      const spoken = [...new Set(personas.flatMap(({ voice }) => voice ?? []))];
      const ofVoice = (voice: string) => personas.filter((persona) => persona.voice === voice);
      const chosen = spoken.map((voice) => ofVoice(voice).find(({ kind }) => kind === 'neutral') ?? ofVoice(voice)[0]!);
      return personas.filter((persona) => chosen.includes(persona));
    }
    case 'trained':
      return personas.filter(({ heldOut }) => !heldOut);
    case 'held-out':
      return personas.filter(({ heldOut }) => heldOut);
    default:
      return noSuch('group of personas', group);
  }
}

/** Drawn by the seed, in the order of the library: more of them are those and others. @param count absent: all */
export function somePersonas(personas: readonly Persona[], count: number | undefined, seed: number): readonly Persona[] {
  if (count === undefined || count >= personas.length) return personas;
  const drawn = new Set(new Stream(seed, Purpose.evaluation, 0, 3).shuffle(personas).slice(0, count));
  return personas.filter((persona) => drawn.has(persona));
}

/** A few from all over a list, its first and its last among them. */
export function spreadOver<T>(list: readonly T[], count: number): readonly T[] {
  if (count >= list.length) return list;
  return Array.from({ length: count }, (_, n) => list[Math.round((n * (list.length - 1)) / (count - 1))]!);
}

export function askedPersonas(personas: readonly Persona[], { personas: group, personaCount, seed }: PersonaChoice): readonly Persona[] {
  return somePersonas(personaGroup(personas, group), personaCount, seed);
}
