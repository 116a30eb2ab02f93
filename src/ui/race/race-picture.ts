/** The race as the page's picture: rows from what was asked, columns base, RLVR, PerMix. */
import { heldOutCounts, heldOutMetrics } from '../../evaluate/held-out.ts';
import { heldOutPictureRows } from '../../evaluate/held-out-picture.ts';
import type { Picture } from '../../evaluate/picture.ts';
import type { Persona, Voice } from '../../persona/persona.ts';
import { recipeTitles } from '../../rl/recipes.ts';
import type { RaceColumn } from '../../state/race.svelte.ts';

/** @param columns the first one is the base, whose rows all have  @param fills what a column without answers waits for */
export function racePicture(
  columns: readonly RaceColumn[],
  personas: readonly Persona[],
  voices: readonly Voice[],
  fills = 'not trained yet',
): Picture {
  const asked = columns.map(({ evaluation }) => evaluation).find((evaluation) => evaluation !== null) ?? null;
  const rows = heldOutPictureRows(asked, personas, voices);
  return {
    rows,
    columns: columns.map(({ arm, evaluation, filling }) => {
      const counts = evaluation ? heldOutCounts(evaluation) : [];
      const ofRow = (key: string) => counts.find(({ row }) => row === key);
      return {
        key: arm,
        label: recipeTitles[arm],
        recipe: arm,
        detail: evaluation ? (evaluation.step === 0 ? 'before training' : `step ${evaluation.step}`) : fills,
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
