/** Head norms and rotary positions of queries and keys, forward and backward, as dispatches of shaders/nn/turn.wgsl. */
import shader from '../../../../shaders/nn/turn.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { chunkRows, chunksFor } from './columns.ts';
import { quads } from './quads.ts';

export interface TurnShape {
  /** N */
  readonly places: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
  /** Added to the norms' weights; 0. */
  readonly offset?: number;
}

/** Chunks that the sums for the norms' weights come in. */
export const headNormChunks = chunksFor;

function shared({ places, heads, kvHeads, headDim, eps, offset = 0 }: TurnShape) {
  const { width: half, constants } = quads(headDim / 2);
  const TEAM = Math.min(lanes, 2 ** Math.ceil(Math.log2(half)));
  return {
    work: {
      constants: { ...constants, TEAM },
      params: { places, heads, kv_heads: kvHeads, half, eps, chunk_rows: chunkRows(places), offset },
    },
    /** Workgroups that have a team for so many heads of every place. */
    groupsFor: (headsOfPlace: number) => Math.ceil((places * headsOfPlace * TEAM) / lanes),
  };
}

/** raw [N, Q] -> turned [N, Q]. */
export function turnForward(
  of: TurnShape & {
    readonly raw: BufferView;
    readonly turned: BufferView;
    /** [N] i32 */
    readonly positions: BufferView;
    /** [more than any position, hd] of `ropeTable` */
    readonly table: BufferView;
    /** [2, hd] weights of query and key norms; null: heads are not normed. */
    readonly norms: BufferView | null;
  },
): Work {
  const { raw, turned, positions, table, norms } = of;
  const { work, groupsFor } = shared(of);
  const groups = groupsFor(of.heads + 2 * of.kvHeads);
  if (!norms) return workOf(shader, 'forward', { ...work, buffers: { raw, positions, table, turned }, groups });
  return workOf(shader, 'forward_normed', { ...work, buffers: { raw, positions, table, norms, turned }, groups });
}

/** dTurned [N, Q] -> the gradient of raw, in place; with norms also sums for their weights. */
export function turnBackward(
  of: TurnShape & {
    readonly gradient: BufferView;
    /** Read only with norms. */
    readonly raw: BufferView;
    readonly positions: BufferView;
    readonly table: BufferView;
    readonly norms: BufferView | null;
    /** [headNormChunks(N), 2, hd]; with norms */
    readonly partials: BufferView | null;
  },
): Work[] {
  const { gradient, raw, positions, table, norms, partials } = of;
  const { work, groupsFor } = shared(of);
  if (!norms || !partials)
    return [workOf(shader, 'backward', { ...work, buffers: { positions, table, gradient }, groups: groupsFor(of.heads + of.kvHeads) })];
  const groups = 2 * headNormChunks(of.places);
  const { constants } = quads(of.headDim / 2);
  return [workOf(shader, 'backward_normed', { ...work, constants, buffers: { raw, positions, table, norms, gradient, partials }, groups })];
}
