/** A run's settings under verl's names, as what differs from its ppo_trainer.yaml (verl 0.7.0). verl itself, which wants a GPU, was not run. */
import { noSuch } from '../../errors.ts';
import { askingOf } from '../../rl/asking.ts';
import type { RunConfig } from '../../rl/config.ts';
import { klIsInReward, normaliserOf } from '../../rl/objectives.ts';
import type { Yaml } from './yaml.ts';

export const verlRequirements = ['verl[vllm]==0.7.0', 'math-verify==0.9.0'];

/** Where the folder lies; verl's workers run elsewhere. */
const here = '${oc.env:PWD}';
/** verl divides by these, or does not know 0. */
const off = { dualClip: 1e6, gradClip: 1e9 };

/** @param policy its folder in the project, or its name  @param longest tokens of a prompt */
export function verlSettings(config: RunConfig, policy: string, longest: number): { readonly [key: string]: Yaml } {
  const { objective, sampling, optim, lora, groupSize, promptsPerStep, steps } = config;
  const rows = promptsPerStep * groupSize;
  const micro = optim.microBatchRows > 0 && rows % optim.microBatchRows === 0 ? optim.microBatchRows : groupSize;
  const constant = normaliserOf(objective.name) === 'constant';
  const klInLoss = objective.kl !== 'none' && objective.beta > 0 && !klIsInReward(objective);
  const cispo = objective.name === 'cispo';
  return {
    hydra: { searchpath: ['pkg://verl.trainer.config'] },
    defaults: ['ppo_trainer', '_self_'],
    data: {
      train_files: `${here}/data/train.json`,
      // Not asked, but verl wants some.
      val_files: `${here}/data/train.json`,
      val_max_samples: promptsPerStep,
      train_batch_size: promptsPerStep,
      shuffle: false,
      seed: config.seed,
      max_prompt_length: longest,
      max_response_length: sampling.maxNewTokens,
      apply_chat_template_kwargs: askingOf(config).templateArguments as { readonly [key: string]: Yaml },
    },
    actor_rollout_ref: {
      model: {
        path: policy === 'policy' ? `${here}/policy` : policy,
        ...(lora ? { lora_rank: lora.rank, lora_alpha: lora.alpha, target_modules: lora.targets ?? 'all-linear' } : {}),
      },
      actor: {
        optim: {
          lr: optim.learningRate,
          lr_scheduler_type: optim.schedule === 'cosine' ? 'cosine' : 'constant',
          lr_warmup_steps: optim.warmupSteps,
          betas: [optim.beta1, optim.beta2],
          weight_decay: optim.weightDecay,
          override_optimizer_config: { eps: optim.eps },
        },
        grad_clip: optim.maxGradNorm > 0 ? optim.maxGradNorm : off.gradClip,
        ppo_mini_batch_size: promptsPerStep,
        ppo_micro_batch_size_per_gpu: micro,
        ppo_epochs: objective.innerEpochs,
        policy_loss: { loss_mode: objective.name === 'gspo' || cispo ? objective.name : 'vanilla' },
        clip_ratio: objective.epsilonLow,
        // verl's CISPO holds the ratio between 1 - low and 1 + high.
        clip_ratio_low: cispo ? 1 : objective.epsilonLow,
        clip_ratio_high: cispo ? objective.epsilonHigh - 1 : objective.epsilonHigh,
        clip_ratio_c: off.dualClip,
        loss_agg_mode: aggregation(config),
        ...(constant ? { loss_scale_factor: micro * sampling.maxNewTokens } : {}),
        entropy_coeff: objective.entropyCoef,
        use_kl_loss: klInLoss,
        ...(klInLoss ? { kl_loss_coef: objective.beta, kl_loss_type: estimator(objective.kl) } : {}),
      },
      ref: { log_prob_micro_batch_size_per_gpu: micro },
      rollout: {
        name: 'vllm',
        n: groupSize,
        temperature: sampling.temperature,
        top_p: sampling.topP,
        top_k: sampling.topK > 0 ? sampling.topK : -1,
        tensor_model_parallel_size: 1,
        log_prob_micro_batch_size_per_gpu: micro,
        ...(lora ? { load_format: 'safetensors' } : {}),
      },
    },
    algorithm: {
      adv_estimator: objective.advantage === 'leave-one-out' ? 'rloo' : 'grpo',
      norm_adv_by_std_in_grpo: objective.advantage === 'group-std' || objective.advantage === 'batch-std',
      use_kl_in_reward: klIsInReward(objective),
      ...(klIsInReward(objective) ? { kl_penalty: 'kl', kl_ctrl: { kl_coef: objective.beta } } : {}),
    },
    custom_reward_function: { path: `${here}/reward.py`, name: 'compute_score' },
    ...(objective.overlongBuffer > 0
      ? {
          reward_model: {
            reward_manager: 'dapo',
            reward_kwargs: {
              max_resp_len: sampling.maxNewTokens,
              overlong_buffer_cfg: { enable: true, len: objective.overlongBuffer, penalty_factor: 1, log: true },
            },
          },
        }
      : {}),
    trainer: {
      project_name: 'permix-lab',
      experiment_name: config.recipe,
      default_local_dir: `${here}/trained`,
      logger: ['console'],
      nnodes: 1,
      n_gpus_per_node: 1,
      total_epochs: 1_000_000,
      total_training_steps: steps,
      save_freq: config.checkpointEvery > 0 ? config.checkpointEvery : steps,
      test_freq: -1,
      val_before_train: false,
    },
  };
}

/** What verl does otherwise. @param marks tokens that open or close a thinking */
export function verlGaps(config: RunConfig, marks: readonly string[]): string[] {
  const { objective, sampling, optim, lora } = config;
  const gaps = [
    'verl computes in bfloat16 and adds 1e-6 to the deviation of a group, the run computes in float32 and adds 1e-4.',
    'Settings are for one GPU; verl takes means over the tokens of each micro-batch where the run takes them over the whole batch.',
  ];
  if (objective.name === 'reinforce')
    gaps.push('REINFORCE is the clipped ratio over one pass here: the same gradient while a batch is passed over once.');
  if (objective.name === 'rloo') gaps.push("RLOO's ratio is the whole reply's in the run, each token's in verl.");
  if (objective.advantage === 'batch-std') gaps.push('verl measures a reward by the deviation of its group, not of the batch.');
  if (objective.advantage === 'none') gaps.push("verl takes the group's mean off a reward; the run does not.");
  if (objective.maskTruncated) gaps.push('verl counts replies that were cut off in the loss; the run does not.');
  if (sampling.minP > 0) gaps.push(`verl has no min_p; the run samples with ${sampling.minP}.`);
  if (optim.schedule === 'linear') gaps.push('verl has no linear schedule; the learning rate stays.');
  if (lora?.layers) gaps.push('verl puts adapters into every layer; the run only into some.');
  if (lora) gaps.push('The adapters begin with other random numbers than in the run.');
  if (marks.length > 0)
    gaps.push(
      `Where ${marks.join(' ')} are special tokens, verl takes them out before the reward sees a reply, and its thinking is read as part of it.`,
    );
  return gaps;
}

function aggregation({ objective: { name } }: RunConfig): string {
  const normaliser = normaliserOf(name);
  switch (normaliser) {
    case 'token-mean':
      return 'token-mean';
    case 'sequence-mean':
      return 'seq-mean-token-mean';
    case 'constant':
      return 'seq-mean-token-sum-norm';
    default:
      return noSuch('normaliser', normaliser);
  }
}

function estimator(kl: RunConfig['objective']['kl']): string {
  switch (kl) {
    case 'k1':
      return 'kl';
    case 'k2':
      return 'mse';
    case 'k3':
      return 'low_var_kl';
    case 'none':
      throw new Error('there is no KL');
    default:
      return noSuch('estimator of the KL', kl);
  }
}
