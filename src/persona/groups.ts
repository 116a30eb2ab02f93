/** Which personas of the bundled world an evaluation asks. "No persona" is always asked beside them and is in none of the groups. */
import { noSuch } from '../errors.ts';
import type { Persona } from './persona.ts';

/** `voices`: one persona of each voice, the one without a trait. */
export const personaGroups = ['all', 'voices', 'trained', 'held-out'] as const;
export type PersonaGroup = (typeof personaGroups)[number];

/** In the order of the library. */
export function personaGroup(personas: readonly Persona[], group: PersonaGroup): readonly Persona[] {
  switch (group) {
    case 'all':
      return personas;
    case 'voices':
      return personas.filter(({ kind }) => kind === 'neutral');
    case 'trained':
      return personas.filter(({ heldOut }) => !heldOut);
    case 'held-out':
      return personas.filter(({ heldOut }) => heldOut);
    default:
      return noSuch('group of personas', group);
  }
}
