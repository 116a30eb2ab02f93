/**
 * A run as a project for a trainer on larger machines: its questions under their personas, its reward in Python, its settings under the trainer's
 * own names, the policy that it begins with, and how to start it. What cannot be carried over is said. Where the files go is for others.
 */
import { LabError, noSuch } from '../../errors.ts';
import type { Persona } from '../../persona/persona.ts';
import { heldFile, jsonFile, type WrittenFile } from '../../policy/file.ts';
import type { Policy } from '../../policy/policy.ts';
import { isThinkingMark } from '../../policy/thinking.ts';
import { askingOf, templateSettings } from '../../rl/asking.ts';
import type { RunConfig } from '../../rl/config.ts';
import { recipeTitles } from '../../rl/recipes.ts';
import { usualRewards } from '../../verify/reward-names.ts';
import type { ImportedSets } from '../../tasks/source.ts';
import { policyFiles } from '../policy-files.ts';
import type { TrainerForm } from '../trainer-forms.ts';
import { commonGaps } from './gaps.ts';
import { writtenPattern } from './pattern.ts';
import linearPattern from './python/linear_pattern.py?raw';
import trlRewards from './python/trl_rewards.py?raw';
import trlTrain from './python/trl_train.py?raw';
import verifier from './python/verifier.py?raw';
import verlReward from './python/verl_reward.py?raw';
import { readme } from './readme.ts';
import { projectRows, type ProjectRow } from './rows.ts';
import { trlGaps, trlRequirements, trlSettings, trlTrainer } from './trl.ts';
import { verlGaps, verlRequirements, verlSettings } from './verl.ts';
import { yamlOf } from './yaml.ts';

export interface ProjectRun {
  readonly config: RunConfig;
  readonly personas: readonly Persona[];
  /** That the run began with. */
  readonly policy: Pick<Policy, 'id' | 'config' | 'weights' | 'texts' | 'tokenizer'>;
  /** Its name on the hub, where it is to be fetched from there; absent: it goes along. */
  readonly named?: string | undefined;
  /** The sets that its configuration names. */
  readonly sets?: ImportedSets;
  /** It goes on from a checkpoint of another run. */
  readonly forked?: boolean;
}

export interface Project {
  /** What its folder is called. */
  readonly name: string;
  readonly files: readonly WrittenFile[];
  /** What the trainer does otherwise than the run, a sentence each. */
  readonly gaps: readonly string[];
}

/** Where the policy lies in the project. */
const folder = 'policy';

/** @throws LabError 'usage' for a run that learns from no rewards or whose policy has no tokenizer, 'config' as training before its first step */
export function trainerProject(form: TrainerForm, { config, personas, policy, named, sets, forked = false }: ProjectRun): Project {
  refuseLessons(config);
  const tokenizer = policy.tokenizer?.withTemplate(templateSettings(config));
  if (!tokenizer)
    throw new LabError('usage', `${policy.id} has no tokenizer, so that nothing can be asked.`, 'Choose a run of a policy with one.');
  const data = projectRows(config, personas, tokenizer, sets);
  const marks = tokenizer.addedTokens.filter(isThinkingMark);
  const where = named ?? folder;
  const { sampling, objective, lora } = config;
  const settings = {
    policy: where,
    answers: askingOf(config).answers,
    maxCompletionLength: sampling.maxNewTokens,
    overlongBuffer: objective.overlongBuffer,
    rewards: (config.rewards ?? usualRewards).map((choice) =>
      choice.pattern === undefined ? choice : { ...choice, program: writtenPattern(choice.pattern, choice.flags) },
    ),
    ...(form === 'trl'
      ? {
          trainer: trlTrainer(config),
          lora: lora && {
            r: lora.rank,
            lora_alpha: lora.alpha,
            target_modules: lora.targets ?? 'all-linear',
            ...(lora.layers ? { layers_to_transform: lora.layers } : {}),
          },
        }
      : {}),
  };
  const imported = config.tasks.some(({ set, weight }) => set !== undefined && weight > 0);
  const gaps = [
    ...(imported ? [byMathVerify] : []),
    ...(form === 'trl' ? trlGaps(config) : verlGaps(config, marks)),
    ...commonGaps(form, config, data),
  ];
  if (forked) gaps.push('The run goes on from a checkpoint of another run; the project begins with the base policy, at the first step.');
  const name = `${policy.id.split('/').at(-1)}-${config.recipe}-${form}`;
  const about = { form, gaps, config, policy: named ?? policy.id, included: named === undefined, prompts: data.rows.length };
  const { name: id, config: shape, base, texts } = { name: policy.id, config: policy.config, base: policy.weights, texts: policy.texts };
  const weights =
    named === undefined
      ? policyFiles('hf', { name: id, config: shape, base, texts, tokenizer: policy.tokenizer, weights: null, adapters: null })
      : [];
  return {
    name,
    gaps,
    files: [
      textFile('README.md', readme(about)),
      textFile('requirements.txt', `${(form === 'trl' ? trlRequirements : verlRequirements).join('\n')}\n`),
      jsonFile('settings.json', settings),
      textFile('verifier.py', verifier),
      ...(settings.rewards.some((choice) => 'program' in choice) ? [textFile('linear_pattern.py', linearPattern)] : []),
      ...filesOf(form, config, data.rows, where, data.longest),
      ...weights.map((file) => ({ ...file, name: `${folder}/${file.name}`, bytes: () => file.bytes() })),
    ],
  };
}

function filesOf(form: TrainerForm, config: RunConfig, rows: readonly ProjectRow[], policy: string, longest: number): WrittenFile[] {
  switch (form) {
    case 'trl':
      return [
        textFile('train.py', trlTrain),
        textFile('trl_rewards.py', trlRewards),
        textFile('config.yaml', yamlOf(trlSettings(config))),
        textFile('data/train.jsonl', lines(rows)),
      ];
    case 'verl':
      return [
        textFile('reward.py', verlReward),
        textFile('run.yaml', yamlOf(verlSettings(config, policy, longest))),
        // Lines, under the only ending of a text that verl reads.
        textFile('data/train.json', lines(rows.map(verlRow))),
      ];
    default:
      return noSuch('trainer', form);
  }
}

const verlRow = ({ prompt, answer, task, ...rest }: ProjectRow, index: number) => ({
  data_source: task,
  prompt,
  ability: 'math',
  reward_model: { style: 'rule', ground_truth: answer },
  extra_info: { split: 'train', index, ...rest },
});

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const textFile = (name: string, text: string): WrittenFile => heldFile(name, new TextEncoder().encode(text));

const byMathVerify =
  'Answers to imported questions are compared by Math-Verify where they are no numbers; where it and the run disagree is in the lab’s docs/verifier.md.';

function refuseLessons({ recipe, objective, optim }: RunConfig): void {
  const why = objective.name === 'sft' ? 'learns from given replies, not from rewards' : optim.learningRate === 0 ? 'learns nothing' : null;
  if (why === null) return;
  throw new LabError(
    'usage',
    `A run of the recipe ${recipeTitles[recipe]} ${why}; there is no project for that.`,
    'Take one that learns from rewards, RLVR or PerMix.',
  );
}
