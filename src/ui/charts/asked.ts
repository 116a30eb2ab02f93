/** What the charts of a run are of, in few words: which questions its rollouts answer, and how. What its held-out questions are, they say themselves. */
import type { RunConfig } from '../../rl/config.ts';
import { taskWords } from '../../tasks/names.ts';

/** @param config null: not known yet */
export function trainingQuestions(config: Pick<RunConfig, 'tasks'> | null): string {
  return config ? `training questions (${taskWords(config.tasks)})` : 'training questions';
}

/** Of one step. */
export function rolloutsOf(config: Pick<RunConfig, 'tasks' | 'promptsPerStep' | 'groupSize' | 'sampling'>): string {
  const { promptsPerStep, groupSize, sampling } = config;
  return `${promptsPerStep} ${trainingQuestions(config)} a step, ${groupSize} replies to each, drawn at temperature ${sampling.temperature}`;
}
