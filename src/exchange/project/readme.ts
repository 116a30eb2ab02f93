/** The README of a project: what it is, the two commands, what is in it, and what the trainer does otherwise than the run. */
import type { RunConfig } from '../../rl/config.ts';
import { recipeTitles } from '../../rl/recipes.ts';
import { trainerNames, type TrainerForm } from '../trainer-forms.ts';

export interface About {
  readonly form: TrainerForm;
  readonly gaps: readonly string[];
  readonly config: RunConfig;
  readonly policy: string;
  /** Whether it goes along. */
  readonly included: boolean;
  readonly prompts: number;
}

const commands: Readonly<Record<TrainerForm, string>> = {
  trl: 'python train.py',
  verl: 'python -m verl.trainer.main_ppo --config-dir "$PWD" --config-name run',
};

const contents: Readonly<Record<TrainerForm, readonly string[]>> = {
  trl: [
    '`data/train.jsonl`: a prompt a line, as messages, with its answer; in the order of the run, so that TRL is told not to shuffle',
    '`config.yaml`: TRL’s configuration; what the command line says (`python train.py --max_steps 2`) goes before it',
    '`verifier.py` (and, where a reward is a regular expression, `linear_pattern.py`), `trl_rewards.py`: the rewards',
    '`train.py`: puts them together',
  ],
  verl: [
    '`data/train.json`: a prompt a line, as messages, with its answer; in the order of the run, so that verl is told not to shuffle',
    '`run.yaml`: what differs from verl’s ppo_trainer.yaml; `KEY=VALUE` behind the command goes before it',
    '`verifier.py` (and, where a reward is a regular expression, `linear_pattern.py`), `reward.py`: the reward',
  ],
};

export function readme({ form, gaps, config, policy, included, prompts }: About): string {
  const { steps, promptsPerStep, groupSize, sampling } = config;
  const other: Readonly<Record<TrainerForm, string>> = {
    trl:
      'On several GPUs `per_device_train_batch_size` × `gradient_accumulation_steps` × their number has to stay ' +
      `${promptsPerStep * groupSize}.`,
    verl: 'The versions of vLLM and CUDA that go with verl are in its documentation. This project has not been run with verl.',
  };
  return `# ${recipeTitles[config.recipe]} of ${policy}, for ${trainerNames[form]}

A run of PerMix Lab: ${steps} steps of ${promptsPerStep} prompts with ${groupSize} completions of at most ${sampling.maxNewTokens} tokens.

    pip install -r requirements.txt
    ${commands[form]}

The second command stands in this folder, and writes to \`trained\`. ${other[form]}

## What is here

${contents[form].map((line) => `- ${line}`).join('\n')}
- \`settings.json\`: how answers are read
- ${included ? '`policy`: the policy that the run begins with, as a Hugging Face folder' : `The policy is not here; it is fetched by its name, ${policy}`}

The data set has ${prompts} prompts. The reward is the run’s: ${config.rewards ? config.rewards.map(({ name, weight }) => `${weight} × ${name}`).join(' + ') : '1 for a right answer and 0 for any other'}${config.objective.overlongBuffer > 0 ? ', and the soft overlong punishment' : ''}. Whole numbers, lists, countdown and boxes are judged
as in the run; sentences (\`the answer is 42 apples\`) are read a little more strictly. Math-Verify is asked where a gold answer is a formula.

## What ${trainerNames[form]} does otherwise

${gaps.length > 0 ? gaps.map((gap) => `- ${gap}`).join('\n') : 'Nothing that is known, but for the draws: random numbers are its own.'}
`;
}
