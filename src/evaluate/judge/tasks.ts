/**
 * What a judge is asked about: the tasks of PersonaGym, and the questions of a role as Assistant Axis has them. Their questions are in
 * `benchmark.ts`, what a judge is told of them is `rubric.ts`.
 */
import type { RoleplayKind } from '../../tasks/roleplay.ts';

export type JudgeTask = RoleplayKind | 'role';

/** PersonaGym's five, named as in the file. Toxicity is last of them because it is the one that a bland reply does well on. */
const benchmarkNames: Readonly<Record<RoleplayKind, string>> = {
  action: 'Expected Action',
  justification: 'Action Justification',
  habits: 'Linguistic Habits',
  consistency: 'Persona Consistency',
  toxicity: 'Toxicity',
};
export const judgeTaskNames: Readonly<Record<JudgeTask, string>> = { ...benchmarkNames, role: 'Role' };

export const benchmarkTasks = Object.entries(benchmarkNames).map(([id, name]) => ({ id: id as RoleplayKind, name }));
export const judgeTasks = Object.entries(judgeTaskNames).map(([id, name]) => ({ id: id as JudgeTask, name }));
