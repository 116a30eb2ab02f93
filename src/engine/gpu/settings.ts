/**
 * What the RL shaders are told beside their tensors, for both engines: settings of the contract as the numbers of a
 * shader's `params`. The numbers of words are read from the WGSL, where they are written once; the compiler wants one for every
 * word of the contract (src/engine/engine.ts).
 */
import workgroup from '../../../shaders/lib/workgroup.wgsl';
import advantage from '../../../shaders/rl/group-advantage.wgsl';
import loss from '../../../shaders/rl/clipped-loss.wgsl';
import type { AdvantageKind, KlEstimator, LossTerm, ObjectiveSpec, RatioLevel, Sampling } from '../engine.ts';
import type { rowColumns } from '../step-metrics.ts';

/** Lanes of a workgroup. */
export const lanes = workgroup.constants.LANES;

const advantageCodes: Readonly<Record<AdvantageKind, number>> = {
  'group-std': advantage.constants.ADVANTAGE_GROUP_STD,
  group: advantage.constants.ADVANTAGE_GROUP,
  'leave-one-out': advantage.constants.ADVANTAGE_LEAVE_ONE_OUT,
  'batch-std': advantage.constants.ADVANTAGE_BATCH_STD,
  none: advantage.constants.ADVANTAGE_NONE,
};

/** ROW_POLICY_LOSS for `policyLoss`. */
type Screaming<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? Uppercase<First> : `_${First}`}${Screaming<Rest>}`
  : '';
/** The row sums as the shader has to number them: in the order of `rowColumns`. */
type RowNumbers<Columns extends readonly string[]> = { readonly ROW_COLUMNS: Columns['length'] } & {
  readonly [I in keyof Columns & `${number}` as `ROW_${Screaming<Columns[I]>}`]: I extends `${infer At extends number}` ? At : never;
};

const codes = loss.constants satisfies RowNumbers<typeof rowColumns>;

const termCodes: Readonly<Record<LossTerm, number>> = {
  sft: codes.TERM_SFT,
  reinforce: codes.TERM_REINFORCE,
  clip: codes.TERM_CLIP,
  cispo: codes.TERM_CISPO,
};

const ratioCodes: Readonly<Record<RatioLevel, number>> = {
  token: codes.RATIO_TOKEN,
  'sequence-mean': codes.RATIO_SEQUENCE_MEAN,
  'sequence-sum': codes.RATIO_SEQUENCE_SUM,
};

const klCodes: Readonly<Record<KlEstimator, number>> = {
  none: codes.KL_NONE,
  k1: codes.KL_K1,
  k2: codes.KL_K2,
  k3: codes.KL_K3,
};

/** What the old log-probs are for: nothing, the importance ratio, or only to be compared with, the ratio being 1. */
export type OldUse = 'none' | 'ratio' | 'measure';

const oldCodes: Readonly<Record<OldUse, number>> = {
  none: codes.OLD_NONE,
  ratio: codes.OLD_RATIO,
  measure: codes.OLD_MEASURE,
};

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
  kind: advantageCodes[of.kind],
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
  term: termCodes[of.term],
  ratio: ratioCodes[of.ratio],
  kl: klCodes[of.kl],
  old_use: oldCodes[of.old],
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
