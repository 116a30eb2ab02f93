/**
 * The loss of every objective of this project, with its gradient, from per-token log-probs [R, C].
 *
 *   loss = sum_i w_i sum_t mask_it (term_it + beta KL_it) - entropyCoef / N sum_it mask_it H_it
 *
 * N being the tokens that count in the whole optimiser step (the bonus is a token mean under every objective, as in TRL),
 * with the importance ratio r = exp(clamp(x, -20, 20)), x the log-ratio of the token (or its masked mean or sum over
 * the row, GSPO arXiv 2507.18071 and RLOO arXiv 2402.14740), A the row's advantage, lp the token's log-prob:
 *   sft -lp | reinforce -A lp | clip -min(r A, clip(r, 1-eL, 1+eH) A) | cispo -stop(min(r, eH)) A lp (arXiv 2506.13585)
 *   KL, d = ref - lp (http://joschu.net/blog/kl-approx.html): k1 -d | k2 d^2/2 | k3 exp(d) - 1 - d
 *
 * Masked positions are selected away before anything is computed from them: they may hold anything, and inf * 0 is NaN.
 * No gradient flows where the clamp of x is active; k3 goes on in a straight line beyond d = 20. Both only keep float32
 * finite: TRL has no clamps, verl clamps at the same 20.
 *
 * The gradient is known in closed form when the value is, so the kernel returns both, and the registered gradient only
 * scales what was saved. Here is the operation and the tf-ops twin for `cpu` and `wasm`; shaders/rl/clipped-loss.wgsl is
 * the same for `webgpu`. Tests: tests/unit/kernels.test.ts, tests/gpu/kernels.test.ts.
 */
import * as tf from '@tensorflow/tfjs';
import lossShader from '../../../../shaders/rl/clipped-loss.wgsl';
import { noSuch } from '../../../errors.ts';
import type { ObjectiveSpec, RatioLevel } from '../../engine.ts';
import { rowColumns, type RowColumn } from '../../step-metrics.ts';
import { registerTwin, runKernel } from './register.ts';

/** Largest |log-ratio| that is exponentiated. */
const logRatioLimit = lossShader.constants.LOG_RATIO_LIMIT;

export interface ClippedLossInputs {
  /** [R, C] */
  readonly logprob: tf.Tensor2D;
  /** [R, C] */
  readonly entropy: tf.Tensor2D;
  /** [R, C] behaviour log-probs; null: on-policy, the ratio is 1 and its gradient that of the log-prob. */
  readonly old: tf.Tensor2D | null;
  /** [R, C] reference log-probs, or null. With `kl: 'none'` the divergence is measured (k3) and not trained on. */
  readonly ref: tf.Tensor2D | null;
  /** [R, C] 1 where the token counts, else 0 */
  readonly mask: tf.Tensor2D;
  /** [R] */
  readonly advantage: tf.Tensor1D;
  /** [R] */
  readonly rowWeight: tf.Tensor1D;
  /** N: tokens that count in the whole optimiser step, of which this may be a part. */
  readonly stepTokens: number;
}

/** What the kernels are told beside their tensors. */
export interface LossAttributes extends ObjectiveSpec {
  /** entropyCoef / N */
  readonly entropyWeight: number;
}

/**
 * @returns loss, differentiable in `logprob` and `entropy`, and rows [R, K] in the order of `rowColumns`, from which
 * `stepMetricsFromRows` (step-metrics.ts) makes the metrics of a step, micro-batches and all.
 */
export function clippedLoss(inputs: ClippedLossInputs, objective: ObjectiveSpec): { loss: tf.Scalar; rows: tf.Tensor2D } {
  if (!inputs.ref && objective.kl !== 'none' && objective.beta !== 0) throw new Error('a KL term needs reference log-probs');
  const { stepTokens, ...tensors } = inputs;
  const present = Object.fromEntries(Object.entries(tensors).filter(([, tensor]) => tensor !== null)) as Record<string, tf.Tensor>;
  const entropyWeight = objective.entropyCoef / Math.max(stepTokens, 1);
  const [loss, rows] = runKernel('ClippedLoss', present, { ...objective, entropyWeight });
  return { loss: loss as tf.Scalar, rows: rows as tf.Tensor2D };
}

tf.registerGradient({
  kernelName: 'ClippedLoss',
  outputsToSave: [false, false, true, true],
  gradFunc: (dy, saved) => {
    const scale = (dy as tf.Tensor[])[0]!;
    const [dLogprob, dEntropy] = saved as [tf.Tensor, tf.Tensor];
    const constant = () => dLogprob.zerosLike(); // also where the caller's own log-probs come in as the old ones
    return { logprob: () => dLogprob.mul(scale), entropy: () => dEntropy.mul(scale), old: constant, ref: constant };
  },
});

/** Outputs: loss [], rows [R, K], d loss / d logprob [R, C], d loss / d entropy [R, C]. */
registerTwin('ClippedLoss', (inputs, attributes) => {
  const { mask, old, ref } = inputs;
  const objective = attributes as unknown as LossAttributes;
  const on = mask!.greater(0);
  const keep = (x: tf.Tensor) => tf.where(on, x, 0);
  const rowSum = (x: tf.Tensor) => keep(x).sum(1, true);
  const rowMax = (x: tf.Tensor) => keep(x).max(1, true);

  const lp = keep(inputs['logprob']!);
  const zero = lp.zerosLike();
  const entropy = keep(inputs['entropy']!);
  const advantage = inputs['advantage']!.expandDims(1).add(zero);
  const tokens = on.toFloat().sum(1, true);
  const weight = tf.where(tokens.greater(0), inputs['rowWeight']!.expandDims(1), 0);

  // The importance ratio r [R, C], dRatio = dr / d(log-ratio), and how much of a row's gradient each token gets.
  const difference = old ? lp.sub(keep(old)) : zero;
  const logRatio = logRatioOf(objective.ratio, difference, tokens);
  const ratio = logRatio.clipByValue(-logRatioLimit, logRatioLimit).exp();
  const dRatio = tf.where(logRatio.abs().lessEqual(logRatioLimit), ratio, 0);
  const share = objective.ratio === 'sequence-sum' ? tokens : tf.onesLike(tokens);
  const { term, dTerm, low, high } = termOf(objective, { lp, advantage, ratio, dRatio, share, zero });

  const { kl, dKl } = ref ? divergence(keep(ref).sub(lp), objective) : { kl: zero, dKl: zero };
  const beta = objective.kl === 'none' ? 0 : objective.beta;
  const weighted = rowSum(term.add(kl.mul(beta)))
    .mul(weight)
    .sub(entropy.sum(1, true).mul(objective.entropyWeight));
  const columns: Record<RowColumn, tf.Tensor> = {
    tokens,
    loss: weighted,
    policyLoss: rowSum(term).mul(weight),
    kl: rowSum(kl),
    entropy: entropy.sum(1, true),
    clippedLow: rowSum(low),
    clippedHigh: rowSum(high),
    ratioMax: rowMax(ratio),
    difference: difference.abs().sum(1, true),
    differenceMax: difference.abs().max(1, true),
  };
  return [
    weighted.sum(),
    tf.concat(
      rowColumns.map((name) => columns[name]),
      1,
    ),
    keep(dTerm.add(dKl.mul(beta)).mul(weight)),
    keep(zero.sub(objective.entropyWeight)),
  ];
});

/** x [R, C], the log-ratio of each token or of its row. @param difference [R, C] 0 where the mask is @param tokens [R, 1] */
function logRatioOf(level: RatioLevel, difference: tf.Tensor, tokens: tf.Tensor): tf.Tensor {
  const spread = (rows: tf.Tensor) => rows.add(difference.zerosLike());
  switch (level) {
    case 'token':
      return difference;
    case 'sequence-mean':
      return spread(difference.sum(1, true).div(tokens.maximum(1)));
    case 'sequence-sum':
      return spread(difference.sum(1, true));
    default:
      return noSuch('ratio', level);
  }
}

interface TermInputs {
  /** [R, C], as all but `share` */
  readonly lp: tf.Tensor;
  readonly advantage: tf.Tensor;
  readonly ratio: tf.Tensor;
  readonly dRatio: tf.Tensor;
  /** [R, 1] */
  readonly share: tf.Tensor;
  readonly zero: tf.Tensor;
}

interface TermOutputs {
  readonly term: tf.Tensor;
  /** in the token's log-prob */
  readonly dTerm: tf.Tensor;
  /** 1 where the ratio was clipped low, high */
  readonly low: tf.Tensor;
  readonly high: tf.Tensor;
}

/** The policy term of every token, and its derivative: shaders/rl/objective.wgsl, `objective_term`. */
function termOf(objective: ObjectiveSpec, { lp, advantage, ratio, dRatio, share, zero }: TermInputs): TermOutputs {
  const unclipped = { low: zero, high: zero };
  switch (objective.term) {
    case 'sft':
      return { term: lp.neg(), dTerm: tf.onesLike(lp).neg(), ...unclipped };
    case 'reinforce':
      return { term: advantage.mul(lp).neg(), dTerm: advantage.neg(), ...unclipped };
    case 'cispo': {
      const dTerm = ratio.minimum(objective.epsilonHigh).mul(advantage).neg();
      const high = ratio.greater(objective.epsilonHigh).logicalAnd(advantage.greater(0)).toFloat();
      return { term: dTerm.mul(lp), dTerm, low: zero, high };
    }
    case 'clip': {
      const least = 1 - objective.epsilonLow;
      const most = 1 + objective.epsilonHigh;
      const clipped = ratio.clipByValue(least, most).mul(advantage);
      const plain = ratio.mul(advantage);
      return {
        term: plain.minimum(clipped).neg(),
        dTerm: tf.where(plain.lessEqual(clipped), advantage.mul(dRatio).mul(share).neg(), 0),
        low: ratio.less(least).logicalAnd(advantage.less(0)).toFloat(),
        high: ratio.greater(most).logicalAnd(advantage.greater(0)).toFloat(),
      };
    }
    default:
      return noSuch('loss term', objective.term);
  }
}

/** The estimator's value and its derivative in logprob, from d = ref - logprob. Where none is trained on, k3 is measured. */
function divergence(d: tf.Tensor, objective: ObjectiveSpec): { kl: tf.Tensor; dKl: tf.Tensor } {
  switch (objective.kl) {
    case 'k1':
      return { kl: d.neg(), dKl: tf.onesLike(d) };
    case 'k2':
      return { kl: d.square().mul(0.5), dKl: d.neg() };
    case 'k3':
    case 'none': {
      const bounded = d.minimum(logRatioLimit);
      const growth = bounded.expm1();
      return { kl: growth.mul(d.sub(bounded).add(1)).sub(bounded), dKl: growth.neg() };
    }
    default:
      return noSuch('KL estimator', objective.kl);
  }
}
