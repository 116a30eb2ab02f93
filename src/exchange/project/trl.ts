/** A run's settings under TRL's names: GRPOConfig, or RLOOConfig for RLOO (TRL 1.16.0). `npm run peers -- --only project` trains from one. */
import { noSuch } from '../../errors.ts';
import type { RunConfig, Schedule } from '../../rl/config.ts';
import type { AdvantageKind } from '../../engine/engine.ts';
import { askingOf } from '../../rl/asking.ts';
import { klIsInReward, objectiveSpec } from '../../rl/objectives.ts';
import { usualRewards } from '../../verify/reward-names.ts';
import type { Yaml } from './yaml.ts';

/** The versions that `npm run peers` runs. */
export const trlRequirements = ['trl==1.16.0', 'transformers==5.24.0', 'peft==0.21.2', 'math-verify==0.9.0', 'torch==2.13.0'];

export type TrlTrainer = 'GRPOTrainer' | 'RLOOTrainer';
export const trlTrainer = ({ objective }: RunConfig): TrlTrainer => (objective.name === 'rloo' ? 'RLOOTrainer' : 'GRPOTrainer');

export function trlSettings(config: RunConfig): { readonly [key: string]: Yaml } {
  const { objective, sampling, optim, groupSize, steps, checkpointEvery, seed } = config;
  const rows = config.promptsPerStep * groupSize;
  const micro = optim.microBatchRows > 0 && rows % optim.microBatchRows === 0 ? optim.microBatchRows : rows;
  const passes = objective.innerEpochs;
  const overlong = objective.overlongBuffer > 0;
  return {
    output_dir: 'trained',
    seed,
    // Steps of the optimiser: each batch of rollouts is passed over so many times.
    max_steps: steps * passes,
    per_device_train_batch_size: micro,
    gradient_accumulation_steps: rows / micro,
    num_generations: groupSize,
    num_iterations: passes,
    shuffle_dataset: false,
    max_completion_length: sampling.maxNewTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP > 0 ? sampling.minP : null,
    chat_template_kwargs: askingOf(config).templateArguments as { readonly [key: string]: Yaml },
    learning_rate: optim.learningRate,
    lr_scheduler_type: scheduler(optim.schedule, optim.warmupSteps),
    warmup_steps: optim.warmupSteps * passes,
    optim: 'adamw_torch',
    adam_beta1: optim.beta1,
    adam_beta2: optim.beta2,
    adam_epsilon: optim.eps,
    weight_decay: optim.weightDecay,
    max_grad_norm: optim.maxGradNorm,
    beta: objective.kl === 'none' ? 0 : objective.beta,
    epsilon: objective.epsilonLow,
    epsilon_high: objective.epsilonHigh,
    mask_truncated_completions: objective.maskTruncated,
    reward_weights: [...(config.rewards ?? usualRewards).map(({ weight }) => weight), ...(overlong ? [1] : [])],
    ...(trlTrainer(config) === 'RLOOTrainer'
      ? { normalize_advantages: false }
      : {
          loss_type: lossType(config),
          importance_sampling_level: objectiveSpec(config).ratio === 'token' ? 'token' : 'sequence',
          scale_rewards: scale(objective.advantage),
          entropy_coef: objective.entropyCoef,
          use_bias_correction_kl: false,
        }),
    bf16: false,
    model_init_kwargs: { dtype: 'float32' },
    gradient_checkpointing: false,
    logging_steps: 1,
    log_completions: true,
    num_completions_to_print: 0,
    save_strategy: checkpointEvery > 0 ? 'steps' : 'no',
    save_steps: Math.max(1, checkpointEvery * passes),
    report_to: 'none',
  };
}

/** What TRL does otherwise. */
export function trlGaps(config: RunConfig): string[] {
  const { objective, optim, lora } = config;
  const rloo = trlTrainer(config) === 'RLOOTrainer';
  const gaps: string[] = [];
  if (objective.name === 'reinforce')
    gaps.push(
      `TRL has no plain REINFORCE. This is its token mean with the clipped ratio: ${objective.innerEpochs === 1 ? 'with one pass over a batch the same gradient, another value of the loss' : 'over several passes another gradient too'}.`,
    );
  if (!rloo && objective.advantage === 'leave-one-out')
    gaps.push(
      `GRPOTrainer has no leave-one-out advantage; rewards less their group's mean are ${config.groupSize - 1}/${config.groupSize} of it.`,
    );
  if (!rloo && objective.advantage === 'none') gaps.push("GRPOTrainer always takes the group's mean off a reward; the run does not.");
  if (rloo && objective.advantage !== 'leave-one-out') gaps.push(`RLOOTrainer's advantage is leave-one-out, not ${objective.advantage}.`);
  const klMatters = objective.kl !== 'none' && objective.beta > 0;
  if (klMatters && (rloo ? !klIsInReward(objective) : objective.kl !== 'k3'))
    gaps.push(
      rloo
        ? `RLOOTrainer takes the KL off the reward, by k1; the run has it in the loss, by ${objective.kl}.`
        : `GRPOTrainer estimates the KL by k3, not by ${objective.kl}.`,
    );
  if (rloo && objective.entropyCoef !== 0) gaps.push(`RLOOTrainer has no entropy bonus; the run's is ${objective.entropyCoef}.`);
  if (objective.innerEpochs > 1 && optim.schedule !== 'constant')
    gaps.push('TRL lowers the learning rate at each pass over a batch, the run at each batch.');
  if (lora) gaps.push('The adapters begin with other random numbers than in the run.');
  return gaps;
}

function lossType({ objective: { name } }: RunConfig): string {
  switch (name) {
    case 'grpo':
    case 'gspo':
      return 'grpo';
    case 'dr_grpo':
    case 'dapo':
    case 'cispo':
      return name;
    case 'reinforce':
      return 'dapo';
    case 'rloo':
    case 'sft':
      throw new Error(`${name} is none of GRPOTrainer's losses`);
    default:
      return noSuch('objective', name);
  }
}

function scale(advantage: AdvantageKind): string {
  switch (advantage) {
    case 'group-std':
      return 'group';
    case 'batch-std':
      return 'batch';
    case 'group':
    case 'leave-one-out':
    case 'none':
      return 'none';
    default:
      return noSuch('kind of advantage', advantage);
  }
}

const scheduler = (schedule: Schedule, warmup: number): string =>
  schedule === 'constant' && warmup > 0 ? 'constant_with_warmup' : schedule;
