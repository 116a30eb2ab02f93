/** The trainers for larger machines that a run can be taken to as a project: words only, what is in one is `project/project.ts`. */
export const trainerForms = ['trl', 'verl'] as const;
export type TrainerForm = (typeof trainerForms)[number];
export const trainerNames: Readonly<Record<TrainerForm, string>> = { trl: 'TRL', verl: 'verl' };
