/** Which personas of the bundled world an evaluation asks. "No persona" is always asked beside them and is in none of the groups. */
import type { Persona } from './persona.ts';

/** `voices`: one persona of each voice, the one without a trait. */
export type PersonaGroup = 'all' | 'voices' | 'trained' | 'held-out';

export function personaGroup(personas: readonly Persona[], group: PersonaGroup): readonly Persona[] {
  if (group === 'trained') return personas.filter(({ heldOut }) => !heldOut);
  if (group === 'held-out') return personas.filter(({ heldOut }) => heldOut);
  if (group === 'voices') return personas.filter(({ kind }) => kind === 'neutral');
  return personas;
}
