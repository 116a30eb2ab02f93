/**
 * The loss of every objective, its gradient in log-prob and entropy, and the sums that metrics are made of, in float64 on the host: it is a few
 * operations a token. The definition, with its sources, is in portable/kernels/clipped-loss.ts; what no mask selects is not looked at.
 */
import lossShader from '../../../shaders/rl/clipped-loss.wgsl';
import { noSuch } from '../../errors.ts';
import type { ObjectiveSpec, TrainBatch } from '../engine.ts';
import { rowColumns, type RowColumn } from '../step-metrics.ts';

/** Largest |log-ratio| that is exponentiated. */
const limit = lossShader.constants.LOG_RATIO_LIMIT;

/** What the head says of the tokens that count, row by row in the order of their cells. */
export interface Cells {
  /** Where each lies in the grid [R, C] of the whole batch, rising. */
  readonly grid: Int32Array;
  readonly logprob: Float32Array;
  readonly entropy: Float32Array;
}

export interface LossGradient {
  readonly dLogprob: Float32Array;
  readonly dEntropy: Float32Array;
}

/**
 * @param stepTokens N, of the whole optimiser step
 * @param rowSums [R, K] of the whole batch, in the order of `rowColumns`: the rows that have cells here are written
 */
export function lossGradient(
  cells: Cells,
  batch: TrainBatch,
  objective: ObjectiveSpec,
  stepTokens: number,
  rowSums: Float32Array,
): LossGradient {
  const count = cells.grid.length;
  const gradient = { dLogprob: new Float32Array(count), dEntropy: new Float32Array(count) };
  const bonus = objective.entropyCoef / Math.max(stepTokens, 1);
  gradient.dEntropy.fill(-bonus);
  for (let first = 0; first < count;) {
    const row = Math.floor(cells.grid[first]! / batch.completionWidth);
    let end = first + 1;
    while (end < count && Math.floor(cells.grid[end]! / batch.completionWidth) === row) end++;
    const sums = rowGradient(cells, first, end, row, batch, objective, bonus, gradient.dLogprob);
    rowColumns.forEach((name, column) => (rowSums[row * rowColumns.length + column] = sums[name]));
    first = end;
  }
  return gradient;
}

function rowGradient(
  { grid, logprob, entropy }: Cells,
  first: number,
  end: number,
  row: number,
  { oldLogprobs: old, refLogprobs: ref, advantages, rowWeights }: TrainBatch,
  objective: ObjectiveSpec,
  bonus: number,
  dLogprob: Float32Array,
): Record<RowColumn, number> {
  const tokens = end - first;
  const weight = rowWeights[row]!;
  const beta = objective.kl === 'none' ? 0 : objective.beta;
  const sums = Object.fromEntries(rowColumns.map((name) => [name, 0])) as Record<RowColumn, number>;
  sums.tokens = tokens;
  let logRatio = 0;
  if (old) for (let m = first; m < end; m++) logRatio += logprob[m]! - old[grid[m]!]!;
  let term = 0;
  for (let m = first; m < end; m++) {
    const lp = logprob[m]!;
    const difference = old ? lp - old[grid[m]!]! : 0;
    const policy = policyTerm(lp, ratioOf(difference, logRatio, tokens, objective), advantages[row]!, tokens, objective);
    const kl = ref ? divergence(ref[grid[m]!]! - lp, objective) : { value: 0, slope: 0 };
    dLogprob[m] = weight * (policy.slope + beta * kl.slope);
    term += policy.value + beta * kl.value;
    sums.policyLoss += policy.value;
    sums.kl += kl.value;
    sums.entropy += entropy[m]!;
    sums.clippedLow += policy.low ? 1 : 0;
    sums.clippedHigh += policy.high ? 1 : 0;
    sums.ratioMax = Math.max(sums.ratioMax, policy.ratio);
    sums.difference += Math.abs(difference);
    sums.differenceMax = Math.max(sums.differenceMax, Math.abs(difference));
  }
  sums.loss = weight * term - bonus * sums.entropy;
  sums.policyLoss *= weight;
  return sums;
}

/** The log-ratio of a token, or of its row. */
function ratioOf(difference: number, logRatio: number, tokens: number, { ratio }: ObjectiveSpec): number {
  switch (ratio) {
    case 'token':
      return difference;
    case 'sequence-mean':
      return logRatio / tokens;
    case 'sequence-sum':
      return logRatio;
    default:
      return noSuch('ratio', ratio);
  }
}

interface PolicyTerm {
  readonly value: number;
  /** In the token's log-prob. */
  readonly slope: number;
  readonly ratio: number;
  readonly low: boolean;
  readonly high: boolean;
}

function policyTerm(lp: number, x: number, advantage: number, tokens: number, objective: ObjectiveSpec): PolicyTerm {
  const ratio = Math.exp(Math.min(Math.max(x, -limit), limit));
  const plain = { ratio, low: false, high: false };
  switch (objective.term) {
    case 'sft':
      return { ...plain, value: -lp, slope: -1 };
    case 'reinforce':
      return { ...plain, value: -advantage * lp, slope: -advantage };
    case 'cispo': {
      const slope = -Math.min(ratio, objective.epsilonHigh) * advantage;
      return { ...plain, value: slope * lp, slope, high: ratio > objective.epsilonHigh && advantage > 0 };
    }
    case 'clip': {
      const [least, most] = [1 - objective.epsilonLow, 1 + objective.epsilonHigh];
      const free = ratio * advantage;
      const clipped = Math.min(Math.max(ratio, least), most) * advantage;
      const moves = free <= clipped && Math.abs(x) <= limit;
      // All tokens of a row share the ratio of their sum.
      const share = objective.ratio === 'sequence-sum' ? tokens : 1;
      return {
        ratio,
        value: -Math.min(free, clipped),
        slope: moves ? -free * share : 0,
        low: ratio < least && advantage < 0,
        high: ratio > most && advantage > 0,
      };
    }
    default:
      return noSuch('loss term', objective.term);
  }
}

/** The estimate from d = ref - logprob, and its slope in logprob. Where none is trained on, k3 is measured. */
function divergence(d: number, { kl }: ObjectiveSpec): { readonly value: number; readonly slope: number } {
  switch (kl) {
    case 'k1':
      return { value: -d, slope: 1 };
    case 'k2':
      return { value: d ** 2 / 2, slope: -d };
    case 'k3':
    case 'none': {
      const bounded = Math.min(d, limit);
      const growth = Math.expm1(bounded);
      return { value: growth * (d - bounded + 1) - bounded, slope: -growth };
    }
    default:
      return noSuch('KL estimator', kl);
  }
}
