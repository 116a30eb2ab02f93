/**
 * A persona library under the reader's hands: what can be done to its list, and what is wrong with it, field by field, while it may still be
 * wrong. What a whole one must be is `file.ts`; how far back one can go is `state/history.svelte.ts`.
 */
import { personaId } from './describe.ts';
import type { PersonaLibrary } from './file.ts';
import type { Expected, Persona } from './persona.ts';
import { checkPersonaText } from './text.ts';

/** A library, its name, and the place of the persona that is looked at; without any, 0. */
export interface Edited {
  readonly name: string;
  readonly library: PersonaLibrary;
  readonly at: number;
}

/** What is wrong with a persona, a sentence at each field. */
export type Faults = Readonly<Partial<Record<keyof Persona, string>>>;

const withPersonas = (edited: Edited, personas: readonly Persona[], at: number): Edited => ({
  ...edited,
  library: { ...edited.library, personas },
  at: Math.max(0, Math.min(at, personas.length - 1)),
});

const idsOf = (personas: readonly Persona[], but = -1): ReadonlySet<string> =>
  new Set(personas.flatMap(({ id }, i) => (i === but ? [] : [id])));

/** Behind the one that is looked at, which the new one becomes. */
function put(edited: Edited, persona: Persona): Edited {
  const { personas } = edited.library;
  const place = personas.length === 0 ? 0 : edited.at + 1;
  return withPersonas(edited, personas.toSpliced(place, 0, persona), place);
}

export function added(edited: Edited): Edited {
  const id = personaId('New persona', idsOf(edited.library.personas));
  return put(edited, { id, name: 'New persona', text: 'You are ', voice: null, trait: null, kind: 'neutral', heldOut: false });
}

export function duplicated(edited: Edited): Edited {
  const { personas } = edited.library;
  const persona = personas[edited.at];
  if (!persona) return edited;
  const name = `${persona.name} (copy)`;
  return put(edited, { ...persona, name, id: personaId(name, idsOf(personas)) });
}

export const removed = (edited: Edited): Edited => withPersonas(edited, edited.library.personas.toSpliced(edited.at, 1), edited.at);

/** What is changed of a persona; `expected: undefined` forgets what was expected. */
export type PersonaChange = Omit<Partial<Persona>, 'expected'> & { readonly expected?: Expected | undefined };

/** The one that is looked at. An id that was made of the name follows it. */
export function changed(edited: Edited, change: PersonaChange): Edited {
  const { personas } = edited.library;
  const before = personas[edited.at];
  if (!before) return edited;
  const others = idsOf(personas, edited.at);
  const follows = change.name !== undefined && before.id === personaId(before.name, others);
  const merged = { ...before, ...(follows ? { id: personaId(change.name ?? '', others) } : {}), ...change };
  const { expected, ...rest } = merged;
  return withPersonas(edited, personas.with(edited.at, expected === undefined ? rest : { ...rest, expected }), edited.at);
}

/** By place; a persona with nothing wrong is not in it. Of two with one id either may be the one to be changed. */
export function faultsOf({ personas, voices }: PersonaLibrary): ReadonlyMap<number, Faults> {
  const places = new Map<string, number[]>();
  personas.forEach(({ id }, place) => places.set(id.trim(), [...(places.get(id.trim()) ?? []), place]));
  const known = new Set(voices.map(({ id }) => id));
  const found = new Map<number, Faults>();
  personas.forEach((persona, place) => {
    const twin = places.get(persona.id.trim())?.find((other) => other !== place);
    const faults = { ...(twin === undefined ? {} : { id: `Persona ${twin + 1} has this id, too.` }), ...faultsAlone(persona, known) };
    if (Object.keys(faults).length > 0) found.set(place, faults);
  });
  return found;
}

function faultsAlone({ id, text, voice, expected }: Persona, voices: ReadonlySet<string>): Faults {
  const long = checkPersonaText(text);
  const order = typeof expected === 'object' ? expected : null;
  return {
    ...(id.trim() === '' ? { id: 'A persona needs an id.' } : {}),
    ...(id.trim() === 'none' ? { id: '“none” stands for no persona; choose another id.' } : {}),
    ...(text.trim() === '' ? { text: 'A persona needs a text: it is what the policy is told.' } : {}),
    ...(long === null ? {} : { text: long }),
    ...(voice !== null && !voices.has(voice) ? { voice: `There is no voice “${voice}” in this library.` } : {}),
    ...(order?.order.trim() === '' ? { expected: 'The order needs a name, such as education.' } : {}),
    ...(order && !Number.isFinite(order.rank) ? { expected: 'The rank must be a number; low ranks come first.' } : {}),
  };
}
