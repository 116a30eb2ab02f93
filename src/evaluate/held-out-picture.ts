/** The rows that the held-out questions give the picture (`picture.ts`): of an evaluation, or of the one to come. */
import type { Persona, Voice } from '../persona/persona.ts';
import { heldOutRows, type HeldOutEvaluation } from './held-out.ts';
import { voicePlace, type PictureRow } from './picture.ts';

/** @param evaluation null: nothing was asked yet; its rows stand there all the same, so that nothing moves when answers come */
export function heldOutPictureRows(
  evaluation: Pick<HeldOutEvaluation, 'rows'> | null,
  personas: readonly Persona[],
  voices: readonly Voice[],
): PictureRow[] {
  const named = (id: string | null) => personas.find((persona) => persona.id === id) ?? null;
  const rows = evaluation
    ? evaluation.rows.map(({ row, personaId }) => ({ id: row, personaId, persona: named(personaId) }))
    : heldOutRows(personas).map(({ id, persona }) => ({ id, personaId: persona?.id ?? null, persona }));
  return rows.map(({ id, personaId, persona }) => ({
    key: id,
    label: persona?.name ?? personaId ?? 'No persona',
    personaId,
    voice: voicePlace(voices, persona?.voice ?? null),
    heldOut: persona?.heldOut ?? false,
  }));
}
