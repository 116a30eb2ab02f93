/**
 * The embedding as dispatches, forward and backward, and the lists by which the backward pass adds up the places of each
 * token. What they compute is in shaders/nn/embedding.wgsl.
 */
import shader from '../../../../shaders/nn/embedding.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { formatCodes, type WeightFormat } from './matmul.ts';
import { quads } from './quads.ts';

/** Quads of one token that a workgroup adds up. */
const columnsPerGroup = shader.constants.COLUMNS;

/** Which tokens a table has rows for. */
export interface TokenRows {
  readonly first: number;
  readonly count: number;
}

/** Whatever is asked for. */
const allTokens: TokenRows = { first: 0, count: 2 ** 32 - 1 };

/** x[n] = scale · table[tokens[n]] */
export function embedForward(of: {
  /** [N] i32 */
  readonly tokens: BufferView;
  /** [V, D], or the rows of some tokens. */
  readonly table: BufferView;
  /** Those; x of others is left as it is. Absent: all. */
  readonly has?: TokenRows;
  /** Of the table; 16-bit ones have rows of an even width. */
  readonly format?: WeightFormat;
  /** [N, D] */
  readonly x: BufferView;
  /** N */
  readonly rows: number;
  /** D */
  readonly width: number;
  /** 1 */
  readonly scale?: number;
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly count?: BufferView;
}): Work {
  const { tokens, table, has = allTokens, format = 'f32', x, rows, count, scale = 1 } = of;
  const here = { first_token: has.first, tokens_here: has.count };
  const limit = count ?? tokens;
  const limited = Number(!!count);
  if (format !== 'f32') {
    return workOf(shader, 'forward_packed', {
      constants: { FORMAT: formatCodes[format] },
      buffers: { tokens, table_packed: table, x_numbers: x, limit },
      params: { rows, width: of.width, limited, scale, ...here },
      groups: Math.ceil((rows * of.width) / lanes),
    });
  }
  const { width, constants } = quads(of.width);
  return workOf(shader, 'forward', {
    constants,
    buffers: { tokens, table, x, limit },
    params: { rows, width, limited, scale, ...here },
    groups: Math.ceil((rows * width) / lanes),
  });
}

/**
 * dTable[ids[k]] += scale · the dx of its places. A plan made for more distinct tokens serves fewer: give it the `params` of the
 * work with the right number.
 */
export function embedBackward(of: {
  /** As `embeddingLists` makes them. */
  readonly order: BufferView;
  readonly starts: BufferView;
  readonly ids: BufferView;
  /** [N, D] */
  readonly dx: BufferView;
  /** [V, D], or the rows of some tokens. */
  readonly dTable: BufferView;
  /** Those; absent: all. */
  readonly has?: TokenRows;
  /** K */
  readonly distinct: number;
  /** D */
  readonly width: number;
  /** 1 */
  readonly scale?: number;
}): Work {
  const { order, starts, ids, dx, dTable, has = allTokens, distinct, scale = 1 } = of;
  const { width, constants } = quads(of.width);
  return workOf(shader, 'backward', {
    constants,
    buffers: { order, starts, ids, dx, dtable: dTable },
    params: { rows: distinct, width, limited: 0, scale, first_token: has.first, tokens_here: has.count },
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

/** @param tokens [at least N']: what lies beyond is not counted */
export function embeddingLists(tokens: ArrayLike<number>, real: number): EmbeddingLists {
  const places = Math.max(tokens.length, 1);
  const sorted = Float64Array.from({ length: real }, (_, place) => tokens[place]! * places + place).sort();
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
