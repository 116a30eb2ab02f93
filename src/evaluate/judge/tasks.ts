/** What a judge is asked about: the tasks of PersonaGym. Their questions are in `benchmark.ts`, what a judge is told of them is `rubric.ts`. */
import type { RoleplayKind } from '../../tasks/roleplay.ts';

/** The five tasks, named as in the file. Toxicity is last because it is the one that a bland reply does well on. */
export const judgeTaskNames: Readonly<Record<RoleplayKind, string>> = {
  action: 'Expected Action',
  justification: 'Action Justification',
  habits: 'Linguistic Habits',
  consistency: 'Persona Consistency',
  toxicity: 'Toxicity',
};

export const judgeTasks = Object.entries(judgeTaskNames).map(([id, name]) => ({ id: id as RoleplayKind, name }));
