/**
 * One step's numbers under TRL's names (its documentation, grpo_trainer.md), so that curves can be laid beside a TRL run.
 * A number that was not computed, or is not finite, is absent. Names that TRL does not have follow verl (`timing_s/…`)
 * or are spelled out. Note that the loss of an on-policy step is 0 or arbitrary: it is no measure of progress.
 */
import type { StepOutcome } from './outcome.ts';
import type { LossTerm, StepMetrics } from '../engine/engine.ts';
import { noSuch } from '../errors.ts';
import { mean, sampleStd } from '../statistics/moments.ts';
import { constantGroups } from './groups.ts';
import type { RunConfig } from './config.ts';
import type { StepRow } from './events.ts';
import type { MetricName } from './metric-names.ts';
import { termOf } from './objectives.ts';
import type { SampledRow } from './sample.ts';
import { optimAt } from './schedule.ts';

/** Every metric of one step that could be computed (`metric-names.ts`). */
export function stepRow(config: RunConfig, outcome: StepOutcome): StepRow {
  const { clock, state } = outcome;
  const stepTokens = outcome.sample.rollouts.lengths.reduce((sum, length) => sum + length, 0);
  const row: Partial<Record<MetricName, number | null>> = {
    ...rewardMetrics(config, outcome),
    ...completionMetrics(outcome),
    entropy: maskedMean(outcome.sample.rollouts.entropies, outcome.mask),
    kl: outcome.reference && measuredKl(outcome.sample.rollouts.logprobs, outcome.reference, outcome.mask),
    ...(outcome.updates.length > 0 ? updateMetrics(config, outcome.updates) : {}),
    learning_rate: optimAt(config, state.step - 1).learningRate,
    num_tokens: state.tokens,
    step_time: clock.elapsed,
    tokens_per_second: stepTokens / clock.elapsed,
    ...Object.fromEntries(Object.entries(clock.seconds).map(([phase, seconds]) => [`timing_s/${phase}`, seconds])),
  };
  return Object.fromEntries(Object.entries(row).filter((entry): entry is [string, number] => Number.isFinite(entry[1])));
}

function rewardMetrics(config: RunConfig, { sample }: StepOutcome): StepRow {
  const { groupSize, objective } = config;
  const rewards = sample.rows.map(({ reward }) => reward);
  const correct = sample.rows.map(({ verdict }) => verdict.reward);
  const overlong = sample.rows.map((row) => row.overlong);
  const groups = Array.from({ length: rewards.length / groupSize }, (_, i) => i * groupSize);
  const inGroups = <T>(values: readonly T[]) => groups.map((first) => values.slice(first, first + groupSize));
  const share = (flags: readonly boolean[]) => flags.filter(Boolean).length / flags.length;
  return {
    reward: mean(rewards),
    // As in TRL: the mean over groups of the deviation within the group.
    reward_std: mean(inGroups(rewards).map(sampleStd)),
    frac_reward_zero_std: share(constantGroups(rewards, groupSize)),
    'groups/frac_all_correct': share(inGroups(sample.rows).map((rows) => rows.every(({ verdict }) => verdict.correct))),
    'groups/frac_all_wrong': share(inGroups(sample.rows).map((rows) => rows.every(({ verdict }) => !verdict.correct))),
    'rewards/correct/mean': mean(correct),
    'rewards/correct/std': sampleStd(correct),
    ...earnedMetrics(config, sample.rows),
    ...(objective.overlongBuffer > 0
      ? { 'rewards/soft_overlong/mean': mean(overlong), 'rewards/soft_overlong/std': sampleStd(overlong) }
      : {}),
  };
}

/** Of each reward that the configuration names, before its weight, as in TRL. */
function earnedMetrics({ rewards = [] }: RunConfig, rows: readonly SampledRow[]): StepRow {
  return Object.fromEntries(
    rewards.flatMap(({ name }) => {
      const values = rows.map(({ earned }) => earned?.[name] ?? 0);
      return [
        [`rewards/${name}/mean`, mean(values)],
        [`rewards/${name}/std`, sampleStd(values)],
      ];
    }),
  );
}

function completionMetrics({ sample: { rollouts } }: StepOutcome): StepRow {
  const lengths = Array.from(rollouts.lengths, (length, row) => length - rollouts.promptLengths[row]!);
  const terminated = lengths.filter((_, row) => rollouts.ended[row] === 1);
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    // Of no completion at all: NaN and infinities, which the caller drops.
    'completions/mean_terminated_length': mean(terminated),
    'completions/min_terminated_length': Math.min(...terminated),
    'completions/max_terminated_length': Math.max(...terminated),
    'completions/clipped_ratio': 1 - terminated.length / lengths.length,
  };
}

/** Over the inner epochs: means, as TRL logs micro-steps, and the extremes of what is an extreme. */
function updateMetrics(config: RunConfig, updates: readonly StepMetrics[]): StepRow {
  const over = (read: (update: StepMetrics) => number) => mean(updates.map(read));
  const row: Partial<Record<MetricName, number>> = {
    loss: over(({ loss }) => loss),
    policy_loss: over(({ policyLoss }) => policyLoss),
    grad_norm: over(({ gradNorm }) => gradNorm),
    skipped_updates: updates.filter(({ skipped }) => skipped).length,
  };
  const term = termOf(config.objective.name);
  if (term === 'sft') return row; // entropy and KL stay those of the policy's own replies
  row['entropy'] = over(({ entropy }) => entropy);
  const kls = updates.map(({ kl }) => kl).filter((kl) => kl !== null);
  if (kls.length > 0) row['kl'] = mean(kls);
  // Against the sampler only the first epoch: from the second on the policy has moved.
  const difference = updates[0]!.logprobDifference;
  if (difference) {
    row['sampling/sampling_logp_difference/mean'] = difference.mean;
    row['sampling/sampling_logp_difference/max'] = difference.max;
  }
  return { ...row, ...ratioMetrics(term, updates) };
}

/** What the importance ratio did, where the term has one. */
function ratioMetrics(term: LossTerm, updates: readonly StepMetrics[]): StepRow {
  const over = (read: (update: StepMetrics) => number) => mean(updates.map(read));
  const ratioMax = Math.max(...updates.map((update) => update.ratioMax));
  switch (term) {
    case 'sft':
    case 'reinforce':
      return {};
    case 'cispo':
      return { ratio_max: ratioMax, cispo_clip_ratio: over(({ clip }) => clip.highMean) };
    case 'clip':
      return {
        ratio_max: ratioMax,
        'clip_ratio/low_mean': over(({ clip }) => clip.lowMean),
        'clip_ratio/low_min': Math.min(...updates.map(({ clip }) => clip.lowMin)),
        'clip_ratio/high_mean': over(({ clip }) => clip.highMean),
        'clip_ratio/high_max': Math.max(...updates.map(({ clip }) => clip.highMax)),
        'clip_ratio/region_mean': over(({ clip }) => clip.regionMean),
      };
    default:
      return noSuch('loss term', term);
  }
}

/** k3 = exp(ref - logp) - (ref - logp) - 1 on the sampled tokens, masked mean; [R, C] each. */
function measuredKl(logprobs: Float32Array, reference: Float32Array, mask: Uint8Array): number {
  return maskedMean(
    logprobs.map((logprob, i) => (mask[i] ? Math.expm1(reference[i]! - logprob) - (reference[i]! - logprob) : 0)),
    mask,
  );
}

function maskedMean(values: Float32Array, mask: Uint8Array): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    sum += values[i]!;
    count++;
  }
  return sum / count;
}
