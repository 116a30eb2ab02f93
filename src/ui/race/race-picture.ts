/** The race as the page's picture: rows from what was asked, columns base, RLVR, PerMix. */
import { heldOutCounts, heldOutMetrics, heldOutRows } from '../../evaluate/held-out.ts';
import type { Persona, Voice } from '../../persona/persona.ts';
import { recipeTitles } from '../../rl/recipes.ts';
import type { RaceColumn } from '../../state/race.svelte.ts';
import { personaById, voiceColour } from '../../state/voices.ts';
import type { Picture, PictureRow } from '../picture/picture.ts';

/** @param columns the first one is the base, whose rows all have */
export function racePicture(columns: readonly RaceColumn[], personas: readonly Persona[], voices: readonly Voice[]): Picture {
  const asked = columns.map(({ evaluation }) => evaluation).find((evaluation) => evaluation !== null);
  // Before anything is known the rows are there, so that nothing moves when answers come.
  const ids = asked
    ? asked.rows.map(({ row, personaId }) => ({ id: row, persona: personaById(personas, personaId) }))
    : heldOutRows(personas);
  const rows = ids.map(({ id, persona }): PictureRow => {
    const colour = voiceColour(voices, persona?.voice ?? null);
    return { key: id, label: persona?.name ?? 'No persona', personaId: persona?.id ?? null, colour, heldOut: persona?.heldOut ?? false };
  });
  return {
    rows,
    columns: columns.map(({ arm, evaluation, filling }) => {
      const counts = evaluation ? heldOutCounts(evaluation) : [];
      const ofRow = (key: string) => counts.find(({ row }) => row === key);
      return {
        key: arm,
        label: recipeTitles[arm],
        recipe: arm,
        detail: evaluation ? (evaluation.step === 0 ? 'before training' : `step ${evaluation.step}`) : 'not trained yet',
        cells: rows.map(({ key }) => {
          const count = ofRow(key);
          return count ? { right: count.right, total: count.asked } : null;
        }),
        chance: evaluation ? (heldOutMetrics(evaluation)['eval/pss_null'] ?? null) : null,
        filling,
      };
    }),
  };
}
