/** What of a run a trainer cannot do as the run does, a sentence each: said where the project is made, and in its README. */
import type { RunConfig } from '../../rl/config.ts';
import { trainerNames, type TrainerForm } from '../trainer-forms.ts';
import { mostRows, type ProjectRows } from './rows.ts';

/** The same for every trainer; what is one's own is in `trl.ts` and `verl.ts`. */
export function commonGaps(form: TrainerForm, config: RunConfig, { steps, rows, otherwise }: ProjectRows): string[] {
  const { mix, objective, heldOut, optim } = config;
  const trainer = trainerNames[form];
  const gaps: string[] = [];
  if (mix.draw === 'rollout' && mix.noneShare < 1)
    gaps.push(
      `The run draws a persona for each rollout; ${trainer} asks all rollouts of a group the same prompt. Each group has the persona of its first rollout.`,
    );
  if (steps < config.steps)
    gaps.push(
      `The data set ends after step ${steps} of ${config.steps}, at ${rows.length} prompts (at most ${mostRows}); then ${trainer} begins with it again.`,
    );
  if (objective.dynamicSampling > 0)
    gaps.push(
      `${trainer} does not draw groups again whose rewards are all alike (dynamic sampling); they stay and teach nothing. From the first such group on the run's own questions are others.`,
    );
  if (otherwise)
    gaps.push(
      "Left to itself, the policy's chat template renders prompts otherwise than in the run, which takes out the template's own system prompt.",
    );
  if (optim.warmupSteps > 0)
    gaps.push(`The learning rate of the first warm-up step is 0 in ${trainer}, and 1/${optim.warmupSteps + 1} of the whole in the run.`);
  if (heldOut.questions > 0)
    gaps.push(
      'The held-out questions are not asked on the way. `permix eval --model` asks the policy that comes out, the page and the command line alike.',
    );
  return gaps;
}
