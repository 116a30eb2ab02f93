/**
 * Log-probability of one target token per row, and the entropy of the row, of softmax(logits / temperature).
 *
 *   z = (x - max x) / T          L = log sum exp z
 *   logprob = z[target] - L      entropy = L - sum softmax(z) z        (nats, full vocabulary)
 *   dx = (dlogprob (onehot - p) - dentropy p (log p + H)) / T
 *
 * Here is the operation, its gradient, and the tf-ops twin for `cpu` and `wasm`; shaders/rl/token-logprob.wgsl is the same
 * for `webgpu`, without materialised probabilities. Logits must be finite. Tests: tests/unit/kernels.test.ts, tests/gpu/kernels.test.ts.
 *
 * On wasm the twin leans on the SIMD softmax (3 ms for [3072, 768]; a loop over Math.exp takes 28 ms), and finds the
 * normaliser from it: where z is 0 the probability is 1 / sum exp z.
 */
import * as tf from '@tensorflow/tfjs';
import { registerTwin, runKernel } from './register.ts';

export interface TokenLogprobs {
  /** [N] */
  readonly logprob: tf.Tensor1D;
  /** [N] */
  readonly entropy: tf.Tensor1D;
}

/** [N, 2] (max x, L): all that the way back needs besides logits and entropy. */
interface WithStats extends TokenLogprobs {
  readonly stats: tf.Tensor2D;
}

/**
 * @param logits [N, V], finite  @param targets [N] int32, in [0, V)  @param temperature > 0
 * @returns both differentiable in the logits
 */
export function tokenLogprob(logits: tf.Tensor2D, targets: tf.Tensor1D, temperature: number): TokenLogprobs {
  const { logprob, entropy } = tokenLogprobForward(logits, targets, temperature);
  return { logprob, entropy };
}

/** The same with what `tokenLogprobGradient` wants, for whoever keeps its own tape. */
export function tokenLogprobForward(logits: tf.Tensor2D, targets: tf.Tensor1D, temperature: number): WithStats {
  if (!(temperature > 0)) throw new Error(`token log-prob needs a temperature above 0, not ${temperature}`);
  const [logprob, entropy, stats] = runKernel('TokenLogprob', { logits, targets }, { temperature });
  return { logprob: logprob as tf.Tensor1D, entropy: entropy as tf.Tensor1D, stats: stats as tf.Tensor2D };
}

/** dx [N, V] from the gradients of both outputs. */
export function tokenLogprobGradient(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  { entropy, stats }: Omit<WithStats, 'logprob'>,
  d: TokenLogprobs,
  temperature: number,
): tf.Tensor2D {
  const inputs = { logits, targets, entropy, stats, dLogprob: d.logprob, dEntropy: d.entropy };
  return runKernel('TokenLogprobGrad', inputs, { temperature })[0] as tf.Tensor2D;
}

/** [N, V]: (x - max x) / T, whose largest entry is exactly 0. */
function shifted(logits: tf.Tensor, max: tf.Tensor, temperature: number): tf.Tensor {
  const z = logits.sub(max);
  return temperature === 1 ? z : z.mul(1 / temperature);
}

registerTwin('TokenLogprob', ({ logits, targets }, { temperature }) => {
  const [rows, vocabulary] = logits!.shape as [number, number];
  const max = logits!.max(1, true);
  const z = shifted(logits!, max, temperature as number);
  const p = z.softmax();
  const logSum = p.max(1).log().neg();
  const flat = tf.range(0, rows, 1, 'int32').mul(tf.scalar(vocabulary, 'int32')).add(targets!);
  return [z.reshape([-1]).gather(flat.toInt()).sub(logSum), logSum.sub(p.mul(z).sum(1)), tf.concat([max, logSum.expandDims(1)], 1)];
});

registerTwin('TokenLogprobGrad', ({ logits, targets, entropy, stats, dLogprob, dEntropy }, { temperature }) => {
  const [max, logSum] = tf.split(stats!, 2, 1) as [tf.Tensor, tf.Tensor];
  const column = (x: tf.Tensor) => x.div(temperature as number).expandDims(1);
  const dLp = column(dLogprob!);
  const dH = column(dEntropy!);
  // p (-dLp - dH (z - L + H)) as p (a z + b), so that the [N, V] passes are few
  const b = dLp.add(dH.mul(entropy!.expandDims(1).sub(logSum))).neg();
  // Tidied part by part: with a large vocabulary these are the largest tensors of a step.
  const smooth = tf.tidy(() => {
    const z = shifted(logits!, max, temperature as number);
    return z.softmax().mul(tf.tidy(() => z.mul(dH.neg()).add(b)));
  });
  // tfjs-wasm writes the bits of an integer 1 into a float32 one-hot, so the cast is ours.
  const picked = tf.tidy(() => tf.oneHot(targets as tf.Tensor1D, logits!.shape[1]!).toFloat().mul(dLp)); // prettier-ignore
  return [smooth.add(picked)];
});

tf.registerGradient({
  kernelName: 'TokenLogprob',
  inputsToSave: ['logits', 'targets'],
  outputsToSave: [false, true, true],
  gradFunc: (dy, saved, attributes) => {
    const [logprob, dEntropy] = dy as tf.Tensor[] as [tf.Tensor1D, tf.Tensor1D];
    const [logits, targets, entropy, stats] = saved as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.Tensor2D];
    const { temperature } = attributes as { temperature: number };
    return { logits: () => tokenLogprobGradient(logits, targets, { entropy, stats }, { logprob, entropy: dEntropy }, temperature) };
  },
});
