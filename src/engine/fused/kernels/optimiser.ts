/**
 * The end of an optimiser step as dispatches: the gradients' norm, the decision to take the step or to skip it, AdamW.
 * How many steps were taken is known to the GPU, which counts them. What they compute is in shaders/optim/.
 */
import adamWShader from '../../../../shaders/optim/adamw.wgsl';
import normShader from '../../../../shaders/optim/norm.wgsl';
import type { OptimSpec } from '../../engine.ts';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';

/** Sums of squares per part of an arena. */
export const squaredSumParts = 256;
/** Quads that make a workgroup worth its barriers. */
const fewestQuads = 512;

/** g [length], a multiple of four -> partials [squaredSumParts], whose sum is that of the squares. */
export function squaredSum(of: { readonly g: BufferView; readonly partials: BufferView }): Work {
  const count = Math.max(fewestQuads, Math.ceil(of.g.size / 16 / squaredSumParts));
  return workOf(normShader, 'square', {
    buffers: { g: of.g, sums: of.partials },
    params: { count, rows: 0, max_norm: 0 },
    groups: squaredSumParts,
  });
}

/** Decides whether the step is taken, counts it, and says by how much gradients are scaled. */
export function finishNorm(of: {
  /** [count], of all parts of the arena */
  readonly partials: BufferView;
  readonly count: number;
  /** [R, K] as `rowColumns` in src/engine/step-metrics.ts: a loss that is not finite skips the step. */
  readonly rows: BufferView;
  /** R */
  readonly stepRows: number;
  /** [2] i32: optimiser steps taken, steps skipped; one of them grows. */
  readonly state: BufferView;
  /** [4]: norm before clipping, 1 where the step is skipped, factor of the gradients, 0 */
  readonly result: BufferView;
  /** 0 is off. */
  readonly maxGradNorm: number;
}): Work {
  const { partials, count, rows, stepRows, state, result, maxGradNorm } = of;
  return workOf(normShader, 'finish', {
    buffers: { partials, rows, state, result },
    params: { count, rows: stepRows, max_norm: maxGradNorm },
    groups: 1,
  });
}

/** Parameters and moments of a part after `finishNorm`; as they were, bit for bit, where the step is skipped. */
export function adamW(of: {
  /** [length], and so are the others; a multiple of four, in different buffers. */
  readonly p: BufferView;
  readonly g: BufferView;
  readonly m: BufferView;
  readonly v: BufferView;
  readonly state: BufferView;
  readonly result: BufferView;
  readonly length: number;
  /** So many numbers from the start have weight decay. */
  readonly decayed: number;
  readonly optim: Pick<OptimSpec, 'learningRate' | 'beta1' | 'beta2' | 'eps' | 'weightDecay'>;
}): Work {
  const { p, g, m, v, state, result, length, decayed, optim } = of;
  const { learningRate, beta1, beta2, eps, weightDecay } = optim;
  return workOf(adamWShader, 'update', {
    buffers: { p, g, m, v, state, result },
    params: {
      beta1,
      beta2,
      gain1: 1 - beta1,
      gain2: 1 - beta2,
      log_beta1: logarithm(beta1),
      log_beta2: logarithm(beta2),
      rate: learningRate,
      eps,
      shrink: 1 - learningRate * weightDecay,
      decayed,
    },
    groups: Math.ceil(length / 4 / lanes),
  });
}

/** Of a decay rate; 0 has none that float32 holds, and e^-100 is as good. */
function logarithm(beta: number): number {
  return Math.max(Math.log(beta), -100);
}
