/** Whose persona files are read, under which licence their authors gave them, and what is made of each. How they are told apart is `read.ts`. */

export const personaFormats = ['permix', 'personagym', 'personahub', 'assistant-axis', 'principled-personas', 'list'] as const;
export type PersonaFormat = (typeof personaFormats)[number];

export interface FormatWords {
  readonly title: string;
  /** Where it comes from and its licence; null where a file of this kind may be anybody's. */
  readonly source: string | null;
  readonly licence: string | null;
}

export const formatWords: Readonly<Record<PersonaFormat, FormatWords>> = {
  permix: { title: 'PerMix Lab', source: null, licence: null },
  personagym: { title: 'PersonaGym', source: 'PersonaGym (vsamuel2003/PersonaGym)', licence: 'MIT' },
  personahub: { title: 'PersonaHub', source: 'PersonaHub (proj-persona/PersonaHub)', licence: 'CC BY-NC-SA 4.0' },
  'assistant-axis': { title: 'Assistant Axis', source: 'Assistant Axis (safety-research/assistant-axis)', licence: 'MIT' },
  'principled-personas': {
    title: 'principled-personas',
    source: 'Principled Personas (peluz/principled-personas)',
    licence: 'MIT',
  },
  list: { title: 'a list of descriptions', source: null, licence: null },
};
