/** What a judge may be asked to give: PersonaGym's score by a criterion for each task, or how far an answer is in its role. What it is told is `rubric.ts`. */

export const rubricNames = ['personagym', 'role'] as const;
export type RubricName = (typeof rubricNames)[number];

export interface Scale {
  /** What the mean over tasks is called. */
  readonly score: string;
  readonly low: number;
  readonly high: number;
}

/** Whole numbers from the lowest to the highest. */
export const scales: Readonly<Record<RubricName, Scale>> = {
  personagym: { score: 'PersonaScore', low: 1, high: 5 },
  role: { score: 'Role score', low: 0, high: 3 },
};
