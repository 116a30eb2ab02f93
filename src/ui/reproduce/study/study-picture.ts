/** A study as the picture: every persona and method, over seeds. */
import { voices } from '../../../persona/world.ts';
import type { StudyResults } from '../../../study/results.ts';
import { averages, type ShownArm } from '../../../state/study.svelte.ts';
import { rowsOf, type Picture } from '../../../evaluate/picture.ts';

export function studyPicture({ personas }: StudyResults, arms: readonly ShownArm[]): Picture {
  const rows = rowsOf(personas, voices);
  const columns = arms.map((arm) => ({
    key: arm.id,
    label: arm.label,
    recipe: arm.recipe,
    cells: rows.map((_, row) => ({ values: arm.runs.map(({ accuracy }) => (row === 0 ? accuracy.none : accuracy.personas[row - 1]!)) })),
    chance: averages(arm).shuffledPss,
  }));
  return { rows, columns };
}
