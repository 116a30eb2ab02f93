/**
 * Advantages from rewards, group by group. Here is the operation and the tf-ops twin for `cpu` and `wasm`;
 * shaders/rl/group-advantage.wgsl is the same for `webgpu`. It has no gradient: rewards are data.
 *
 * With m, s the mean and the sample standard deviation (ddof 1) of the group's n rewards:
 *   group-std (r - m) / (s + 1e-4)        GRPO, arXiv 2402.03300; the epsilon is TRL's
 *   group r - m                           Dr.GRPO, arXiv 2503.20783
 *   leave-one-out (r - m) n / (n - 1)     RLOO, arXiv 2402.14740: r minus the mean of the others
 *   batch-std (r - m) / (S + 1e-4)        S over the whole batch
 *   none r
 * A group whose rewards are all equal has exactly 0, decided by equality and not by s: in float32 the mean of eight 0.1
 * is not 0.1. A NaN reward is one that could not be scored: left out of m, s and n, and its advantage is 0.
 */
import * as tf from '@tensorflow/tfjs';
import advantageShader from '../../../../shaders/rl/group-advantage.wgsl';
import { noSuch } from '../../../errors.ts';
import type { AdvantageKind } from '../../engine.ts';
import { registerTwin, runKernel } from './register.ts';

const epsilon = advantageShader.constants.EPSILON;

/** @param rewards [G * n], group after group  @param groupSize n  @returns [G * n] */
export function groupAdvantage(rewards: tf.Tensor1D, groupSize: number, kind: AdvantageKind): tf.Tensor1D {
  if (rewards.size % groupSize !== 0) throw new Error(`${rewards.size} rewards do not make groups of ${groupSize}`);
  return runKernel('GroupAdvantage', { rewards }, { groupSize, kind })[0] as tf.Tensor1D;
}

registerTwin('GroupAdvantage', ({ rewards }, attributes) => {
  const { groupSize, kind } = attributes as unknown as { readonly groupSize: number; readonly kind: AdvantageKind };
  const scored = rewards!.isNaN().logicalNot().reshape([-1, groupSize]);
  const r = tf.where(scored, rewards!.reshape(scored.shape), 0);
  if (kind === 'none') return [r.reshape([-1])];
  const one = scored.toFloat();
  const n = one.sum(1, true);
  const mean = r.sum(1, true).div(n.maximum(1));
  const centred = r.sub(mean).mul(one);
  const sampleStd = (x: tf.Tensor, count: tf.Tensor, about: tf.Tensor, axis?: number) =>
    tf.where(scored, x.sub(about), 0).square().sum(axis, true).div(count.sub(1).maximum(1)).sqrt();
  const scaled = (): tf.Tensor => {
    switch (kind) {
      case 'group-std':
        return centred.div(sampleStd(r, n, mean, 1).add(epsilon));
      case 'group':
        return centred;
      case 'leave-one-out':
        return centred.mul(n).div(n.sub(1).maximum(1));
      case 'batch-std': {
        const all = n.sum();
        return centred.div(sampleStd(r, all, r.sum().div(all.maximum(1))).add(epsilon));
      }
      default:
        return noSuch('advantage', kind);
    }
  };
  const largest = tf.where(scored, r, -Infinity).max(1, true);
  const smallest = tf.where(scored, r, Infinity).min(1, true);
  const mixed = largest.greater(smallest).logicalAnd(scored);
  return [tf.where(mixed, scaled(), 0).reshape([-1])];
});
