/** Head norms and rotary positions of queries and keys, forward and backward, as dispatches of shaders/nn/turn.wgsl. */
import shader from '../../../../shaders/nn/turn.wgsl';
import { lanes } from '../../gpu/settings.ts';
import type { BufferView, Work } from '../../gpu/work.ts';
import { chunkRows, chunksFor } from './columns.ts';

export interface TurnShape {
  /** R */
  readonly rows: number;
  /** W */
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
}

/** Chunks that the sums for the norms' weights come in. */
export const headNormChunks = chunksFor;

const params = ({ rows, width, heads, kvHeads, eps }: TurnShape) => ({
  places: rows * width,
  width,
  heads,
  kv_heads: kvHeads,
  chunk_rows: chunkRows(rows * width),
  eps,
});

/** raw [N, Q] -> turned [N, Q]. */
export function turnForward(
  of: TurnShape & {
    readonly raw: BufferView;
    readonly turned: BufferView;
    /** [at least W, hd] of `ropeTable` */
    readonly table: BufferView;
    /** [2, hd] weights of query and key norms; null: heads are not normed. */
    readonly norms: BufferView | null;
  },
): Work {
  const { raw, turned, table, norms, headDim } = of;
  const heads = of.heads + 2 * of.kvHeads;
  return {
    shader,
    entry: 'forward',
    constants: { HEAD_DIM: headDim, NORMED: norms !== null },
    buffers: { raw, table, norms: norms ?? table, turned },
    params: params(of),
    groups: Math.ceil((of.rows * of.width * heads) / lanes),
  };
}

/** dTurned [N, Q] -> the gradient of raw, in place; with norms also sums for their weights, [chunks, 2 hd]. */
export function turnBackward(
  of: TurnShape & {
    readonly gradient: BufferView;
    readonly raw: BufferView;
    readonly table: BufferView;
    readonly norms: BufferView | null;
    /** [headNormChunks(N), 2 hd]; with norms */
    readonly partials: BufferView | null;
  },
): Work[] {
  const { gradient, raw, table, norms, partials, headDim } = of;
  const places = of.rows * of.width;
  const work = { shader, constants: { HEAD_DIM: headDim, NORMED: norms !== null }, params: params(of) };
  const groups = Math.ceil((places * (of.heads + of.kvHeads)) / lanes);
  if (!norms || !partials) return [{ ...work, entry: 'backward', buffers: { table, gradient }, groups }];
  return [
    {
      ...work,
      entry: 'norm_partials',
      buffers: { raw, table, dturned: gradient, partials },
      groups: Math.ceil((headNormChunks(places) * 2 * headDim) / lanes),
    },
    { ...work, entry: 'backward_norms', buffers: { raw, table, norms, gradient }, groups },
  ];
}
