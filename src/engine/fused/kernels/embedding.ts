/**
 * The embedding as dispatches, forward and backward, and the lists by which the backward pass adds up the places of each
 * token. What they compute is in shaders/nn/embedding.wgsl.
 */
import shader from '../../../../shaders/nn/embedding.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { quads } from './quads.ts';

/** Quads of one token that a workgroup adds up. */
const columnsPerGroup = shader.constants.COLUMNS;

/** x[n] = table[tokens[n]] */
export function embedForward(of: {
  /** [N] i32 */
  readonly tokens: BufferView;
  /** [V, D] */
  readonly table: BufferView;
  /** [N, D] */
  readonly x: BufferView;
  /** N */
  readonly rows: number;
  /** D */
  readonly width: number;
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly count?: BufferView;
}): Work {
  const { tokens, table, x, rows, count } = of;
  const { width, constants } = quads(of.width);
  return workOf(shader, 'forward', {
    constants,
    buffers: { tokens, table, x, limit: count ?? tokens },
    params: { rows, width, limited: Number(!!count) },
    groups: Math.ceil((rows * width) / lanes),
  });
}

/**
 * dTable[ids[k]] += the dx of its places. A plan made for more distinct tokens serves fewer: give it the `params` of the
 * work with the right number.
 */
export function embedBackward(of: {
  /** As `embeddingLists` makes them. */
  readonly order: BufferView;
  readonly starts: BufferView;
  readonly ids: BufferView;
  /** [N, D] */
  readonly dx: BufferView;
  /** [V, D] */
  readonly dTable: BufferView;
  /** K */
  readonly distinct: number;
  /** D */
  readonly width: number;
}): Work {
  const { order, starts, ids, dx, dTable, distinct } = of;
  const { width, constants } = quads(of.width);
  return workOf(shader, 'backward', {
    constants,
    buffers: { order, starts, ids, dx, dtable: dTable },
    params: { rows: distinct, width, limited: 0 },
    groups: distinct * Math.ceil(width / columnsPerGroup),
  });
}

export interface EmbeddingLists {
  /** [N'] places of real tokens, sorted by token and then by place. */
  readonly order: Int32Array<ArrayBuffer>;
  /** [K + 1] where the places of each distinct token begin in `order`; the last is N'. */
  readonly starts: Int32Array<ArrayBuffer>;
  /** [K] the distinct tokens, ascending. */
  readonly ids: Int32Array<ArrayBuffer>;
}

/** @param tokens [R, width] right-padded  @param lengths [R]: what lies beyond them is not counted */
export function embeddingLists(tokens: ArrayLike<number>, lengths: ArrayLike<number>, width: number): EmbeddingLists {
  const places = Math.max(tokens.length, 1);
  const keys: number[] = [];
  for (let row = 0; row < lengths.length; row++) {
    for (let place = row * width; place < row * width + lengths[row]!; place++) keys.push(tokens[place]! * places + place);
  }
  const sorted = Float64Array.from(keys).sort();
  const starts: number[] = [];
  const ids: number[] = [];
  const order = Int32Array.from(sorted, (key, j) => {
    const token = Math.floor(key / places);
    if (ids.at(-1) !== token) {
      ids.push(token);
      starts.push(j);
    }
    return key % places;
  });
  return { order, starts: Int32Array.from([...starts, order.length]), ids: Int32Array.from(ids) };
}
