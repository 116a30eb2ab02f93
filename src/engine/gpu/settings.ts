/**
 * What the RL shaders are told beside their tensors, for both engines: settings of the contract as the numbers of a
 * shader's `params`. The WGSL says what each number means.
 */
import type { AdvantageKind, ObjectiveSpec, Sampling } from '../engine.ts';

/** Lanes of a workgroup, LANES in shaders/lib/workgroup.wgsl. */
export const lanes = 64;

const advantageKinds: readonly AdvantageKind[] = ['group-std', 'group', 'leave-one-out', 'batch-std', 'none'];
const terms: readonly ObjectiveSpec['term'][] = ['sft', 'reinforce', 'clip', 'cispo'];
const ratios: readonly ObjectiveSpec['ratio'][] = ['token', 'sequence-mean', 'sequence-sum'];
const divergences: readonly ObjectiveSpec['kl'][] = ['none', 'k1', 'k2', 'k3'];

/** What the old log-probs are for: nothing, the importance ratio, or only to be compared with, the ratio being 1. */
export const oldUses = ['none', 'ratio', 'measure'] as const;
export type OldUse = (typeof oldUses)[number];

/** shaders/rl/token-logprob.wgsl */
export const logprobParams = (of: { readonly rows: number; readonly vocabulary: number; readonly temperature: number }) => ({
  rows: of.rows,
  vocabulary: of.vocabulary,
  inverse_temperature: 1 / of.temperature,
});

/** shaders/rl/group-advantage.wgsl */
export const advantageParams = (of: { readonly groups: number; readonly groupSize: number; readonly kind: AdvantageKind }) => ({
  groups: of.groups,
  size: of.groupSize,
  kind: advantageKinds.indexOf(of.kind),
});

export interface LossSettings extends Omit<ObjectiveSpec, 'entropyCoef' | 'temperature'> {
  readonly rows: number;
  readonly width: number;
  readonly old: OldUse;
  readonly ref: boolean;
  /** entropyCoef over the tokens of the whole optimiser step */
  readonly entropyWeight: number;
}

/** shaders/rl/clipped-loss.wgsl */
export const lossParams = (of: LossSettings) => ({
  rows: of.rows,
  width: of.width,
  term: terms.indexOf(of.term),
  ratio: ratios.indexOf(of.ratio),
  kl: divergences.indexOf(of.kl),
  has_old: oldUses.indexOf(of.old),
  has_ref: of.ref ? 1 : 0,
  epsilon_low: of.epsilonLow,
  epsilon_high: of.epsilonHigh,
  beta: of.kl === 'none' ? 0 : of.beta,
  entropy_weight: of.entropyWeight,
});

export interface SamplerSettings {
  readonly vocabulary: number;
  readonly sampling: Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP' | 'seed' | 'step' | 'firstRow'>;
  /** Rows that share a row of logits. */
  readonly logitsRepeats?: number;
  /** Place in the list of running rows that the first row of logits belongs to. */
  readonly firstPlace?: number;
}

/** shaders/decode/sampler.wgsl */
export function samplerParams({ vocabulary, sampling, logitsRepeats = 1, firstPlace = 0 }: SamplerSettings) {
  const greedy = !(sampling.temperature > 0);
  return {
    vocabulary,
    inverse_temperature: greedy ? 1 : 1 / sampling.temperature,
    greedy: greedy ? 1 : 0,
    top_k: sampling.topK,
    outside: Math.fround(1 - Math.fround(sampling.topP)),
    min_p: sampling.minP,
    seed: sampling.seed,
    step: sampling.step,
    first_row: sampling.firstRow,
    logits_repeats: logitsRepeats,
    first_place: firstPlace,
  };
}
