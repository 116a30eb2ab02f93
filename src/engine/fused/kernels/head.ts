/**
 * From logits to the loss and back, as dispatches: log-probs of M packed cells, the way between cells and the [R, C] grid,
 * the loss with its gradient, and advantages. What each computes is in shaders/rl/.
 */
import advantageShader from '../../../../shaders/rl/group-advantage.wgsl';
import cellsShader from '../../../../shaders/rl/cells.wgsl';
import lossShader from '../../../../shaders/rl/clipped-loss.wgsl';
import logprobShader from '../../../../shaders/rl/token-logprob.wgsl';
import type { AdvantageKind } from '../../engine.ts';
import { advantageParams, lanes, logprobParams, lossParams, type LossSettings } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';

interface HeadCells {
  /** M */
  readonly rows: number;
  readonly vocabulary: number;
  readonly temperature: number;
  /** [M, V] */
  readonly logits: BufferView;
  /** [M] i32 */
  readonly targets: BufferView;
  /** [M] */
  readonly entropy: BufferView;
  /** [M, 2] the largest logit and the log-sum-exp beyond it */
  readonly stats: BufferView;
}

/** Writes logprob [M], entropy [M] and stats [M, 2]. */
export function tokenLogprobForward(of: HeadCells & { readonly logprob: BufferView }): Work {
  const { logits, targets, logprob, entropy, stats } = of;
  return workOf(logprobShader, 'forward', {
    buffers: { logits, targets, logprob, entropy, stats },
    params: logprobParams(of),
    groups: of.rows,
  });
}

/** Writes d loss / d logits to `dlogits` [M, V], or, where it is absent, over the logits. */
export function tokenLogprobBackward(
  of: HeadCells & { readonly dlogprob: BufferView; readonly dentropy: BufferView; readonly dlogits?: BufferView },
): Work {
  const { logits, targets, entropy, stats, dlogprob, dentropy } = of;
  const buffers = { targets, row_entropy: entropy, row_stats: stats, dlogprob, dentropy };
  const work = { params: logprobParams(of), groups: of.rows };
  if (!of.dlogits) return workOf(logprobShader, 'backward_in_place', { ...work, buffers: { ...buffers, dlogits: logits } });
  return workOf(logprobShader, 'backward', { ...work, buffers: { ...buffers, logits, dlogits: of.dlogits } });
}

interface CellList {
  /** i32, row C + t, no two alike */
  readonly cells: BufferView;
  /** M */
  readonly count: number;
  /** Where in `cells` the first of the M is; 0. */
  readonly first?: number;
}

const cellsOf = ({ cells, count, first = 0 }: CellList) => ({
  cells,
  work: { params: { count, first }, groups: Math.ceil(count / lanes) },
});

/** logprob, entropy [M] -> their cells of the grids [R, C]; the other cells stay as they are. */
export const scatterCells = (
  of: CellList & {
    readonly logprob: BufferView;
    readonly entropy: BufferView;
    readonly gridLogprob: BufferView;
    readonly gridEntropy: BufferView;
  },
): Work => {
  const { logprob, entropy, gridLogprob, gridEntropy } = of;
  const { cells, work } = cellsOf(of);
  const buffers = { cells, logprob, entropy, grid_logprob: gridLogprob, grid_entropy: gridEntropy };
  return workOf(cellsShader, 'scatter', { ...work, buffers });
};

/** Cells of the gradients' grids [R, C] -> dlogprob, dentropy [M]. */
export const gatherCells = (
  of: CellList & {
    readonly gridDlogprob: BufferView;
    readonly gridDentropy: BufferView;
    readonly dlogprob: BufferView;
    readonly dentropy: BufferView;
  },
): Work => {
  const { gridDlogprob, gridDentropy, dlogprob, dentropy } = of;
  const { cells, work } = cellsOf(of);
  const buffers = { cells, grid_dlogprob: gridDlogprob, grid_dentropy: gridDentropy, dlogprob, dentropy };
  return workOf(cellsShader, 'gather', { ...work, buffers });
};

export interface LossBuffers {
  /** [R, C] */
  readonly logprob: BufferView;
  /** [R, C] */
  readonly entropy: BufferView;
  /** [R, C]; read where `old` is not 'none' */
  readonly oldLogprob?: BufferView;
  /** [R, C]; read where `ref` is true */
  readonly refLogprob?: BufferView;
  /** [R, C] f32, 1 where the token counts */
  readonly mask: BufferView;
  /** [R] */
  readonly advantage: BufferView;
  /** [R] */
  readonly rowWeight: BufferView;
  /** [R, K] as `rowColumns` in src/engine/step-metrics.ts */
  readonly rowSums: BufferView;
  /** [R, C], written */
  readonly dlogprob: BufferView;
  /** [R, C], written */
  readonly dentropy: BufferView;
}

/** Measures the rows, and writes the gradient of the loss in log-prob and entropy, 0 where the mask is. */
export function clippedLoss(of: LossBuffers, settings: LossSettings): [measure: Work, differentiate: Work] {
  const params = lossParams(settings);
  const inputs = {
    logprob: of.logprob,
    old: of.oldLogprob ?? of.logprob,
    ref_logprob: of.refLogprob ?? of.logprob,
    mask: of.mask,
    advantage: of.advantage,
    row_weight: of.rowWeight,
  };
  const work = { params, groups: Math.ceil(settings.rows / lanes) };
  return [
    workOf(lossShader, 'measure', { ...work, buffers: { ...inputs, entropy: of.entropy, rows: of.rowSums } }),
    workOf(lossShader, 'differentiate', { ...work, buffers: { ...inputs, dlogprob: of.dlogprob, dentropy: of.dentropy } }),
  ];
}

/** Rewards [G n] -> advantages of the same shape. */
export function groupAdvantage(of: {
  readonly rewards: BufferView;
  readonly advantage: BufferView;
  readonly groups: number;
  readonly groupSize: number;
  readonly kind: AdvantageKind;
}): Work {
  return workOf(advantageShader, 'forward', {
    buffers: { rewards: of.rewards, advantage: of.advantage },
    params: advantageParams(of),
    groups: Math.ceil(of.groups / lanes),
  });
}
