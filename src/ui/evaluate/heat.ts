/** How the map is laid out: voices down and traits across for each policy, or, with one persona per voice, policies across. */
import type { Persona, Voice } from '../../persona/persona.ts';

export interface HeatCell {
  readonly policy: number;
  readonly persona: Persona | null;
}

export interface HeatGrid {
  /** Place of the policy all columns are of; null: each column is one. */
  readonly policy: number | null;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly voice: Voice | null; readonly label: string; readonly cells: readonly (HeatCell | null)[] }[];
}

export function heatGrids(
  personas: readonly Persona[],
  voices: readonly Voice[],
  policies: readonly { readonly name: string }[],
): HeatGrid[] {
  const places = policies.map((_, place) => place);
  const shown = voices.filter(({ id }) => personas.some(({ voice }) => voice === id));
  const single = shown.every(({ id }) => personas.filter(({ voice }) => voice === id).length === 1);
  if (single) {
    const rows = shown.map((voice) => ({ voice, persona: personas.find((persona) => persona.voice === voice.id)! }));
    return [
      {
        policy: null,
        columns: policies.map(({ name }) => name),
        rows: [
          { voice: null, label: 'No persona', cells: places.map((policy) => ({ policy, persona: null })) },
          ...rows.map(({ voice, persona }) => ({ voice, label: persona.name, cells: places.map((policy) => ({ policy, persona })) })),
        ],
      },
    ];
  }
  const traits = [...new Set(personas.map(({ trait }) => trait))];
  return places.map((policy) => ({
    policy,
    columns: traits.map((trait) => trait ?? '–'),
    rows: [
      { voice: null, label: 'No persona', cells: [{ policy, persona: null }] },
      ...shown.map((voice) => ({
        voice,
        label: voice.name,
        cells: traits.map((trait) => {
          const persona = personas.find((one) => one.voice === voice.id && one.trait === trait);
          return persona ? { policy, persona } : null;
        }),
      })),
    ],
  }));
}
