/**
 * One token's share of the loss in float64, with every number it is made of: what the page writes into the objective's formula. It trains
 * nothing. The definition is the one of `engine/portable/kernels/clipped-loss.ts`; tests/unit/token-term.test.ts adds it up over a batch
 * and holds the sum to the float64 reference and to the engine's own loss, for every objective.
 */
import type { KlEstimator, ObjectiveSpec } from '../engine/engine.ts';
import { noSuch } from '../errors.ts';

export interface TokenFacts {
  /** Under the policy that is updated. */
  readonly logprob: number;
  /** As it was sampled; null: on-policy, the ratio is 1. */
  readonly old: number | null;
  /** Under the frozen reference, where it is known. */
  readonly ref: number | null;
  readonly entropy: number;
}

export interface RowFacts {
  readonly advantage: number;
  /** Tokens of the row that count. */
  readonly counted: number;
  /** Sum over them of log-prob less old log-prob; 0 on-policy. */
  readonly logRatio: number;
  readonly weight: number;
  /** N: tokens that count in the whole step. */
  readonly stepTokens: number;
}

/** Who won: `inside` the clip range nothing is clipped; `plain` outside of it, but min() takes r·A; `clipped` and `capped` stop the ratio. */
export type Branch = 'inside' | 'plain' | 'clipped' | 'capped';

export interface TokenTerm {
  /** The importance ratio; null where the term has none. */
  readonly ratio: number | null;
  /** What the ratio is clipped to; a cap has no lower end. */
  readonly range: { readonly low: number | null; readonly high: number } | null;
  readonly branch: Branch | null;
  /** The policy term, before its weight. */
  readonly policy: number;
  /** The estimate of the KL to the reference: of the kind that is trained on, k3 where none is; null where the reference is not known. */
  readonly kl: number | null;
  /** What is added to the loss for the entropy. */
  readonly bonus: number;
  /** weight · (policy + beta · kl) + bonus: this token's share of the loss. */
  readonly value: number;
  /** How the loss grows with this token's log-prob: negative makes it likelier. The entropy bonus, which moves all tokens, is not in it. */
  readonly slope: number;
}

/** Largest |log-ratio| that is exponentiated, as in shaders/rl/objective.wgsl. */
export const logRatioLimit = 20;

export function tokenTerm(token: TokenFacts, row: RowFacts, spec: ObjectiveSpec): TokenTerm {
  const { value, slope, ...policy } = policyTerm(token, row, spec);
  const divergence = token.ref === null ? null : klEstimate(token.ref - token.logprob, spec.kl);
  const beta = spec.kl === 'none' ? 0 : spec.beta;
  const bonus = row.counted > 0 && row.stepTokens > 0 ? (-spec.entropyCoef * token.entropy) / row.stepTokens : 0;
  return {
    ...policy,
    policy: value,
    kl: divergence?.value ?? null,
    bonus,
    value: row.weight * (value + beta * (divergence?.value ?? 0)) + bonus,
    slope: row.weight * (slope + beta * (divergence?.slope ?? 0)),
  };
}

type PolicyTerm = Pick<TokenTerm, 'ratio' | 'range' | 'branch' | 'slope' | 'value'>;

function policyTerm(token: TokenFacts, row: RowFacts, spec: ObjectiveSpec): PolicyTerm {
  const { logprob } = token;
  const { advantage } = row;
  const none = { ratio: null, range: null, branch: null };
  switch (spec.term) {
    case 'sft':
      return { ...none, value: -logprob, slope: -1 };
    case 'reinforce':
      return { ...none, value: -advantage * logprob, slope: -advantage };
    case 'cispo': {
      const { ratio } = ratioOf(token, row, spec);
      const weight = Math.min(ratio, spec.epsilonHigh);
      const range = { low: null, high: spec.epsilonHigh };
      const branch = ratio > spec.epsilonHigh ? 'capped' : 'inside';
      return { ratio, range, branch, value: -weight * advantage * logprob, slope: -weight * advantage };
    }
    case 'clip': {
      const { ratio, free } = ratioOf(token, row, spec);
      const range = { low: 1 - spec.epsilonLow, high: 1 + spec.epsilonHigh };
      const plain = ratio * advantage;
      const clipped = Math.min(Math.max(ratio, range.low), range.high) * advantage;
      const inside = ratio >= range.low && ratio <= range.high;
      const branch = inside ? 'inside' : plain <= clipped ? 'plain' : 'clipped';
      // All tokens of a row share the ratio of their sum.
      const share = spec.ratio === 'sequence-sum' ? row.counted : 1;
      return { ratio, range, branch, value: -Math.min(plain, clipped), slope: plain <= clipped && free ? -plain * share : 0 };
    }
    default:
      return noSuch('loss term', spec.term);
  }
}

/** @returns the ratio, and whether it still moves with the log-ratio */
function ratioOf({ logprob, old }: TokenFacts, row: RowFacts, spec: ObjectiveSpec): { ratio: number; free: boolean } {
  const logRatio = old === null ? 0 : logRatioOf(logprob - old, row, spec);
  return { ratio: Math.exp(Math.min(Math.max(logRatio, -logRatioLimit), logRatioLimit)), free: Math.abs(logRatio) <= logRatioLimit };
}

function logRatioOf(ofToken: number, { logRatio, counted }: RowFacts, { ratio }: ObjectiveSpec): number {
  switch (ratio) {
    case 'token':
      return ofToken;
    case 'sequence-mean':
      return logRatio / Math.max(counted, 1);
    case 'sequence-sum':
      return logRatio;
    default:
      return noSuch('ratio', ratio);
  }
}

/** The estimate and its slope in the log-prob, from d = ref - log-prob; k3 goes on in a straight line beyond d = 20. */
export function klEstimate(d: number, kind: KlEstimator): { readonly value: number; readonly slope: number } {
  switch (kind) {
    case 'k1':
      return { value: -d, slope: 1 };
    case 'k2':
      return { value: d ** 2 / 2, slope: -d };
    case 'k3':
    case 'none': {
      const bounded = Math.min(d, logRatioLimit);
      const growth = Math.expm1(bounded);
      return { value: growth * (d - bounded + 1) - bounded, slope: -growth };
    }
    default:
      return noSuch('KL estimator', kind);
  }
}
