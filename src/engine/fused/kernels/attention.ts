/** Attention over segments, forward and backward, and of one new token per running row, as dispatches. What they compute is in the shaders. */
import halfShader from '../../../../shaders/decode/attention-half.wgsl';
import decodeShader from '../../../../shaders/decode/attention.wgsl';
import teamShader from '../../../../shaders/nn/attention-teams.wgsl';
import shader from '../../../../shaders/nn/attention.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { quads } from './quads.ts';

export interface AttentionShape {
  /** N */
  readonly places: number;
  /** W: no text has more places. */
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Places that a query looks at, its own included; absent: all before it. */
  readonly window?: number;
  /** What scores are multiplied by; absent: 1 / sqrt(hd). */
  readonly scale?: number;
  /** Lanes that share a query or a key, as `attentionTeam` says; absent: 1. */
  readonly team?: number;
}

/** Numbers of a head from which on a lane would have more of it than a GPU's registers hold well, in the keys' backward four vectors. */
const wideHead = 64;

/** Lanes that share a query or a key: 1 where registers do not matter and barriers do, and of heads that cannot be parted so. */
export function attentionTeam(headDim: number, software: boolean): number {
  const team = headDim > 128 ? 8 : 4;
  return software || headDim < wideHead || headDim % (4 * team) !== 0 ? 1 : team;
}

interface Segments {
  /** [N, Q] turned queries and keys, values */
  readonly turned: BufferView;
  /** [N] i32 and [S, 4] i32, as `tablesOf` makes them */
  readonly segmentOf: BufferView;
  readonly segments: BufferView;
  /** [N, H hd] */
  readonly out: BufferView;
  /** [N, H] */
  readonly lse: BufferView;
}

const params = ({ places, width, heads, kvHeads, headDim, window = Infinity, scale = 1 / Math.sqrt(headDim) }: AttentionShape) => ({
  ...{ places, heads, kv_heads: kvHeads },
  window: Math.min(window, width),
  scale,
});

/** A shader, its constants, and the workgroups of so many heads. */
function formOf({ headDim, places, team = 1 }: AttentionShape) {
  const PARTS = headDim % 4 === 0 ? headDim / 4 : headDim / 2;
  const head = { HEAD_DIM: headDim, PARTS, ...(headDim % 4 === 0 ? {} : { Part: 'vec2f' }) };
  if (team === 1) return { of: shader, constants: head, groups: (heads: number) => Math.ceil((places * heads) / lanes) };
  if (PARTS % team !== 0) throw new Error(`${team} lanes cannot share a head of ${headDim} numbers`);
  // Of keys and values that are staged, 4 KB of each at most.
  const constants = { ...head, TEAM: team, TILE: Math.min(8, 256 / PARTS) };
  return { of: teamShader, constants, groups: (heads: number) => Math.ceil((places * team) / lanes) * heads };
}

/** Of products over the places before, of which a place has at most a whole text, or a window: a prompt's has few, and there is one for all that follow it. */
const operations = ({ places, width, heads, headDim, window = Infinity }: AttentionShape, products: number) =>
  2 * places * heads * Math.min(width, window) * headDim * products;

/** Writes out and lse. */
export function attentionForward(of: AttentionShape & Segments): Work {
  const { turned, segmentOf, segments, out, lse } = of;
  const form = formOf(of);
  return workOf<typeof shader | typeof teamShader, 'forward'>(form.of, 'forward', {
    constants: form.constants,
    buffers: { turned, segment_of: segmentOf, segments, out, lse },
    params: params(of),
    groups: form.groups(of.heads),
    operations: operations(of, 2),
  });
}

/** d out [N, H hd] -> dTurned [N, Q], all of it; `delta` [N, H] is scratch. */
export function attentionBackward(
  of: AttentionShape & Segments & { readonly dOut: BufferView; readonly delta: BufferView; readonly dTurned: BufferView },
): Work[] {
  const { turned, segmentOf, segments, out, lse, dOut, delta, dTurned } = of;
  const form = formOf(of);
  const work = { constants: form.constants, params: params(of) };
  const read = { turned, segment_of: segmentOf, segments, row_lse: lse, dout: dOut, dturned: dTurned };
  return [
    workOf<typeof shader | typeof teamShader, 'backward_queries'>(form.of, 'backward_queries', {
      ...work,
      buffers: { ...read, mixed_out: out, delta },
      groups: form.groups(of.heads),
      operations: operations(of, 3),
    }),
    workOf<typeof shader | typeof teamShader, 'backward_keys'>(form.of, 'backward_keys', {
      ...work,
      buffers: { ...read, row_delta: delta },
      groups: form.groups(of.kvHeads),
      operations: operations(of, 4),
    }),
  ];
}

export interface DecodeShape {
  /** R */
  readonly rows: number;
  readonly repeats: number;
  /** P */
  readonly promptWidth: number;
  /** C */
  readonly completionWidth: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
  /** Tokens that the new one looks at, itself included; absent: all before it. */
  readonly window?: number;
  /** What scores are multiplied by; absent: 1 / sqrt(hd). */
  readonly scale?: number;
  /** Added to the norms' weights; 0. */
  readonly offset?: number;
  /** Software rasterisers get short workgroups. */
  readonly software: boolean;
}

/** Where the list of running rows begins in the buffer `running`. */
export const rowsAt = decodeShader.constants.ROWS_AT;

/** Query heads of a workgroup, which share what it reads; more would be too much for a lane's registers. */
const mostShared = 4;
/** Workgroups that are enough for a large GPU. */
const busy = 256;
/** Weights that a workgroup keeps at once: a quarter of the memory that every GPU has. */
const weightsKept = 1024;

/** Attention of the newest token of every running row; its key and value join the cache. */
export function decodeAttention(
  of: DecodeShape & {
    /** [A, Q], neither normed nor turned */
    readonly qkv: BufferView;
    /** i32: A, t, and from `rowsAt` on the rows */
    readonly running: BufferView;
    /** [G] i32 */
    readonly promptLengths: BufferView;
    /** [G P, Q] */
    readonly promptTurned: BufferView;
    /** [R, C, 2 K hd] */
    readonly cache: BufferView;
    /** f16 for heads of a width that eight divides. */
    readonly cacheFormat?: 'f32' | 'f16';
    readonly table: BufferView;
    /** [2, hd]; null: heads are not normed. */
    readonly norms: BufferView | null;
    /** [A, H hd] */
    readonly out: BufferView;
  },
): Work {
  const { headDim, rows, heads, kvHeads, norms, window = Infinity } = of;
  const longest = of.promptWidth + of.completionWidth;
  const { width: half, constants } = quads(headDim / 2);
  const WIDE = 2 * half;
  // A barrier is dear where lanes are run one after the other, so there are few of them.
  const LANES = of.software ? 8 : lanes;
  let SHARE = Math.min(heads / kvHeads, mostShared);
  // Few rows would leave a GPU idle: one of SmolLM2's is three workgroups of three heads each, or nine of one.
  const idle = () => !of.software && SHARE > 1 && (rows * heads) / SHARE < busy;
  while ((heads / kvHeads) % SHARE !== 0 || idle()) SHARE--;
  const CHUNK = LANES * Math.floor(weightsKept / SHARE / LANES);
  if (of.cacheFormat === 'f16' && headDim % 8 !== 0) throw new Error(`heads of ${headDim} numbers are not kept in float16`);
  return workOf<typeof decodeShader | typeof halfShader, 'attend'>(of.cacheFormat === 'f16' ? halfShader : decodeShader, 'attend', {
    constants: { ...constants, LANES, WIDE, SHARE, CHUNK, NORMED: norms !== null },
    buffers: {
      qkv: of.qkv,
      running: of.running,
      prompt_lengths: of.promptLengths,
      prompt_turned: of.promptTurned,
      cache: of.cache,
      table: of.table,
      norms: norms ?? of.table,
      out: of.out,
    },
    params: {
      rows,
      repeats: of.repeats,
      prompt_width: of.promptWidth,
      completion_width: of.completionWidth,
      heads,
      kv_heads: kvHeads,
      wide: WIDE,
      share: SHARE,
      eps: of.eps,
      scale: of.scale ?? 1 / Math.sqrt(headDim),
      offset: of.offset ?? 0,
      window: Math.min(window, longest),
    },
    groups: (rows * heads) / SHARE,
    operations: 4 * rows * heads * headDim * Math.min(longest, window),
  });
}
