/**
 * The named objectives as settings of the engine's loss: which term, which ratio, which normaliser.
 * The arithmetic itself is the engine's (`engine/`, `shaders/rl/`); here are only definitions, and where they come from.
 *
 * loss = sum_i w_i sum_t m_it term_it, and the normaliser is entirely in w, taken over the whole optimiser step.
 * B rows, len_i tokens of row i that count, N tokens of the step that count:
 *
 * | name      | term, ratio                       | w_i                    | from |
 * |-----------|-----------------------------------|------------------------|------|
 * | sft       | -logp                             | 1 / N                  | token-mean cross-entropy |
 * | reinforce | -A logp                           | 1 / N                  | nanochat, scripts/chat_rl.py |
 * | rloo      | clip, exp(sum of log-ratios)      | 1 / (B len_i)          | TRL, rloo_trainer.py |
 * | grpo      | clip, per token                   | 1 / (B len_i)          | DeepSeekMath 2024; TRL `loss_type="grpo"` |
 * | dr_grpo   | clip, per token                   | 1 / (B maxNewTokens)   | Liu et al. 2025; TRL `dr_grpo` |
 * | dapo      | clip-higher, per token            | 1 / N                  | Yu et al. 2025; TRL `dapo` (N after truncation masking) |
 * | gspo      | clip, exp(mean of log-ratios)     | 1 / (B len_i)          | Zheng et al. 2025; TRL `importance_sampling_level="sequence"` |
 * | cispo     | -stop(min(r, epsilonHigh)) A logp | 1 / N                  | MiniMax-M1 2025; TRL, where epsilonHigh is the cap itself |
 *
 * The KL term carries the same w_i as the token it belongs to; the entropy bonus is a token mean (1 / N) under every
 * name, as in TRL.
 */
import type { LossTerm, ObjectiveSpec } from '../engine/engine.ts';
import { noSuch } from '../errors.ts';
import type { ObjectiveName, RunConfig } from './config.ts';

/** What w_i is, by name: `rowWeights`. */
export type Normaliser = 'sequence-mean' | 'constant' | 'token-mean';

interface Definition {
  readonly term: ObjectiveSpec['term'];
  readonly ratio: ObjectiveSpec['ratio'];
  readonly normaliser: Normaliser;
  /** What the objective's own paper or trainer sets beside the formula. */
  readonly preset: Partial<RunConfig['objective']>;
}

const definitions: Readonly<Record<ObjectiveName, Definition>> = {
  sft: { term: 'sft', ratio: 'token', normaliser: 'token-mean', preset: { advantage: 'group-std', beta: 0, kl: 'none' } },
  reinforce: { term: 'reinforce', ratio: 'token', normaliser: 'token-mean', preset: { advantage: 'group' } },
  rloo: { term: 'clip', ratio: 'sequence-sum', normaliser: 'sequence-mean', preset: { advantage: 'leave-one-out', kl: 'k1', beta: 0.05 } },
  grpo: { term: 'clip', ratio: 'token', normaliser: 'sequence-mean', preset: { advantage: 'group-std' } },
  dr_grpo: { term: 'clip', ratio: 'token', normaliser: 'constant', preset: { advantage: 'group' } },
  dapo: {
    term: 'clip',
    ratio: 'token',
    normaliser: 'token-mean',
    preset: { advantage: 'group-std', epsilonHigh: 0.28, beta: 0, kl: 'none', maskTruncated: true, dynamicSampling: 2 },
  },
  gspo: {
    term: 'clip',
    ratio: 'sequence-mean',
    normaliser: 'sequence-mean',
    preset: { advantage: 'group-std', epsilonLow: 3e-4, epsilonHigh: 4e-4, beta: 0, kl: 'none' },
  },
  cispo: {
    term: 'cispo',
    ratio: 'token',
    normaliser: 'token-mean',
    preset: { advantage: 'batch-std', epsilonHigh: 5, beta: 0, kl: 'none' },
  },
};

/** GRPO as this project declares it; every other preset is a change to it. */
export const grpo: RunConfig['objective'] = {
  name: 'grpo',
  advantage: 'group-std',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0.02,
  kl: 'k3',
  entropyCoef: 0,
  innerEpochs: 1,
  maskTruncated: false,
  overlongBuffer: 0,
  dynamicSampling: 0,
};

/** The settings an objective comes with. */
export function presetObjective(name: ObjectiveName): RunConfig['objective'] {
  return { ...grpo, ...definitions[name].preset, name };
}

/** The clip settings that a term reads; the others are without effect. */
export const clipSettings: Readonly<Record<LossTerm, readonly ('epsilonLow' | 'epsilonHigh')[]>> = {
  sft: [],
  reinforce: [],
  clip: ['epsilonLow', 'epsilonHigh'],
  cispo: ['epsilonHigh'],
};

/** What the tokens of an objective contribute; objectives of one term differ in ratio, normaliser and preset. */
export function termOf(name: ObjectiveName): LossTerm {
  return definitions[name].term;
}

/** What its rows are weighed by. */
export function normaliserOf(name: ObjectiveName): Normaliser {
  return definitions[name].normaliser;
}

/** RLOO with k1 subtracts beta times the row's KL estimate from its reward (TRL): as a loss term k1 has no useful gradient, its mean is 0. */
export function klIsInReward(objective: RunConfig['objective']): boolean {
  return objective.name === 'rloo' && objective.kl === 'k1' && objective.beta > 0;
}

/** What the engine's `step` is told. */
export function objectiveSpec(config: RunConfig): ObjectiveSpec {
  const { objective, sampling } = config;
  const { term, ratio } = definitions[objective.name];
  const klInLoss = objective.kl !== 'none' && objective.beta > 0 && !klIsInReward(objective);
  return {
    term,
    ratio,
    epsilonLow: objective.epsilonLow,
    epsilonHigh: objective.epsilonHigh,
    beta: klInLoss ? objective.beta : 0,
    kl: klInLoss ? objective.kl : 'none',
    entropyCoef: objective.entropyCoef,
    // Cross-entropy on given replies knows no sampling temperature.
    temperature: term === 'sft' ? 1 : sampling.temperature,
  };
}

/**
 * The weight of each row, float64.
 * @param counts [R] tokens that count in each row of the whole optimiser step, after truncation masking; rows with none weigh 0 but stay in B
 */
export function rowWeights(name: ObjectiveName, counts: ArrayLike<number>, maxNewTokens: number): Float64Array {
  const tokens = Array.from(counts).reduce((sum, count) => sum + count, 0);
  return Float64Array.from(counts, (count) => rowWeight(name, count, { rows: counts.length, tokens }, maxNewTokens));
}

/** The weight of one row. @param step B and N, what counts in the whole optimiser step */
export function rowWeight(
  name: ObjectiveName,
  count: number,
  step: { readonly rows: number; readonly tokens: number },
  maxNewTokens: number,
): number {
  if (count === 0) return 0;
  const { normaliser } = definitions[name];
  switch (normaliser) {
    case 'token-mean':
      return 1 / step.tokens;
    case 'sequence-mean':
      return 1 / (step.rows * count);
    case 'constant':
      return 1 / (step.rows * maxNewTokens);
    default:
      return noSuch('normaliser', normaliser);
  }
}

/** Where the KL to the base is not part of the objective it is still measured, every so many steps. */
const klEvery = 10;

/** Whether the reference policy's log-probs are computed in this step. @param step steps done before it */
export function needsReference({ objective, optim }: RunConfig, step: number): boolean {
  if (optim.learningRate === 0) return false; // it still is the reference
  return (objective.kl !== 'none' && objective.beta > 0) || step % klEvery === 0;
}
