/** RMSNorm as dispatches, forward and backward. Formulas and numerics are in shaders/nn/rms-norm.wgsl. */
import shader from '../../../../shaders/nn/rms-norm.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { chunkRows, chunksFor } from './columns.ts';
import { quads } from './quads.ts';

export { chunksFor };

/** Lanes that share a row, so that each of them reads at least `least` Quads; a power of two. */
function team(width: number, least: number): number {
  return Math.min(lanes, 2 ** Math.ceil(Math.log2(Math.max(width / least, 1))));
}

/** x [N, D] -> y [M, D] and rstd [M], the inverse root mean squares. */
export function rmsNormForward(of: {
  readonly x: BufferView;
  /** [D] */
  readonly weight: BufferView;
  readonly y: BufferView;
  readonly rstd: BufferView;
  /** [M] i32, rising: row m reads row places[m] of x; absent: row m. */
  readonly places?: BufferView;
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly count?: BufferView;
  /** [M, D], added; another buffer than y. */
  readonly residual?: BufferView;
  /** M */
  readonly rows: number;
  /** D */
  readonly width: number;
  readonly eps: number;
  /** Added to the weights; 0. */
  readonly offset?: number;
}): Work {
  const { x, weight, y, rstd, places, count, residual, rows, eps, offset = 0 } = of;
  const { width, constants } = quads(of.width);
  const TEAM = team(width, 4);
  return workOf(shader, 'forward', {
    constants: { ...constants, TEAM },
    buffers: { x, weight, y, rstd, places: places ?? x, limit: count ?? x, residual: residual ?? x },
    params: {
      rows,
      width,
      numbers: of.width,
      eps,
      placed: Number(!!places),
      limited: Number(!!count),
      chunk_rows: 0,
      accumulate: 0,
      added: Number(!!residual),
      offset,
    },
    groups: Math.ceil((rows * TEAM) / lanes),
  });
}

/** d loss / dy -> dx [N, D], written or added to, and partials [chunksFor(N), D], whose sum is the weight's gradient. */
export function rmsNormBackward(of: {
  /** [N, D] */
  readonly x: BufferView;
  /** [D] */
  readonly weight: BufferView;
  /** [M] */
  readonly rstd: BufferView;
  /** [M, D] */
  readonly dy: BufferView;
  readonly dx: BufferView;
  /** dx += instead of dx =. */
  readonly accumulate: boolean;
  /** [N + 1] i32: the first row of dy and rstd that is of row n of x, and of those after it; absent: row n. */
  readonly starts?: BufferView;
  readonly partials: BufferView;
  /** N */
  readonly rows: number;
  /** D */
  readonly width: number;
  /** As forward. */
  readonly offset?: number;
}): Work {
  const { x, weight, rstd, dy, dx, accumulate, starts, partials, rows, offset = 0 } = of;
  const { width, constants } = quads(of.width);
  const TEAM = team(width, 1);
  return workOf(shader, 'backward', {
    constants: { ...constants, TEAM },
    buffers: { x, weight, row_rstd: rstd, dy, dx, starts: starts ?? x, partials },
    params: {
      rows,
      width,
      numbers: of.width,
      eps: 0,
      placed: Number(!!starts),
      limited: 0,
      chunk_rows: chunkRows(rows),
      accumulate: Number(accumulate),
      added: 0,
      offset,
    },
    groups: Math.ceil((chunksFor(rows) * TEAM) / lanes),
  });
}
