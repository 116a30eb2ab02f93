/** A persona library as a file in this project's own JSON, which `file.ts` reads back; what goes without saying is left out. The table is `import/own-csv.ts`. */
import type { PersonaLibrary } from './file.ts';

export function personaJson({ voices, personas, source, licence }: PersonaLibrary): string {
  const about = { ...(source === undefined ? {} : { source }), ...(licence === undefined ? {} : { licence }) };
  const entries = personas.map(({ id, name, text, voice, trait, kind, heldOut, expected, wordings }) => ({
    id,
    ...(name === id ? {} : { name }),
    text,
    ...(voice === null ? {} : { voice }),
    ...(trait === null ? {} : { trait }),
    ...(kind === 'neutral' ? {} : { kind }),
    ...(heldOut ? { heldOut } : {}),
    ...(expected === undefined ? {} : { expected }),
    ...(wordings === undefined ? {} : { wordings }),
  }));
  return `${JSON.stringify({ ...about, ...(voices.length > 0 ? { voices } : {}), personas: entries }, null, 2)}\n`;
}
