/** An evaluation as the picture, under way or finished. */
import type { Persona, Voice } from '../../persona/persona.ts';
import { scoreKey } from '../../state/evaluation.svelte.ts';
import type { EvaluatedPolicy } from '../../storage/records.ts';
import type { CellScore } from '../../worker/evaluation-api.ts';
import { rowsOf, type Picture } from '../../evaluate/picture.ts';

/** @param samples replies to each problem  @param chance [policies] PSS if personas did not matter; absent while it is not known */
export function evaluationPicture(
  personas: readonly Persona[],
  voices: readonly Voice[],
  policies: readonly EvaluatedPolicy[],
  scores: ReadonlyMap<string, CellScore>,
  samples: number,
  chance?: readonly number[],
): Picture {
  const rows = rowsOf(personas, voices);
  const columns = policies.map(({ name, recipe }, policy) => {
    const cells = rows.map(({ personaId }) => {
      const score = scores.get(scoreKey(policy, personaId));
      return score ? { right: score.correct, total: score.total, problems: score.total / samples } : null;
    });
    // Policies are asked one after the other.
    const filling = cells.includes(null) && cells.some((cell) => cell !== null);
    return { key: String(policy), label: name, recipe, cells, filling, chance: chance?.[policy] ?? null };
  });
  return { rows, columns };
}
