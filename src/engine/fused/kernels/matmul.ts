/**
 * Matrix products as dispatches: linear layers forward (nt), their input gradients (nn) and weight gradients (tn), and the
 * two products that the gated unit is fused into. Formulas and numerics are in shaders/nn/matmul*.wgsl, the choice of tiles in tuning.ts.
 */
import swigluShader from '../../../../shaders/nn/swiglu.wgsl';
import direct from '../../../../shaders/nn/matmul-direct.wgsl';
import thin from '../../../../shaders/nn/matmul-thin.wgsl';
import staged from '../../../../shaders/nn/matmul.wgsl';
import type { Activation } from '../../../policy/families.ts';
import type { BufferOf, ConstantsOf, EntryOf, ParamOf } from '../../gpu/shader.ts';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { quads } from './quads.ts';
import type { MatmulForm, MatmulKind, MatmulTuning, Tuning } from './tuning.ts';

/** How a weight is stored; 16-bit ones two in a word, row-major, rows of an even width. */
export type WeightFormat = 'f32' | 'bf16' | 'f16';

export const formatCodes: Readonly<Record<WeightFormat, number>> = {
  f32: direct.constants.FORMAT_F32,
  bf16: direct.constants.FORMAT_BF16,
  f16: direct.constants.FORMAT_F16,
};

/** Of a wider matrix: its numbers before the first of them in every row, and the length of its rows. */
export interface Columns {
  readonly first: number;
  readonly of: number;
}

export interface MatmulOptions {
  /** nt: C = A Bᵀ, B [n, k] · nn: C = A B, B [k, n] · tn: C = Aᵀ B, A [k, m], B [k, n] */
  readonly kind: MatmulKind;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** [m, k]; tn: [k, m] */
  readonly a: BufferView;
  /** Those that are meant, where a has more of them. */
  readonly aColumns?: Columns;
  readonly b: BufferView;
  /** [m, n], written; another range than all the others. */
  readonly c: BufferView;
  /** Those that are written, where c has more of them. bias and residual are then as wide as c. */
  readonly cColumns?: Columns;
  /** [n], added to every row. */
  readonly bias?: BufferView;
  /** [m, n], added. */
  readonly residual?: BufferView;
  /** c += instead of c =. */
  readonly accumulate?: boolean;
  /** Of the product, before anything is added; 1 unless said otherwise. */
  readonly scale?: number;
  /** [1] i32: rows of c at or beyond it are left as they are. */
  readonly rows?: BufferView;
  /** Scratch for sums over parts of k, joined in a fixed order; as many parts as it holds [m, n] matrices, at most. */
  readonly partials?: BufferView;
  /** At least so many parts of k, where there is room: no sum runs over more of it. */
  readonly parts?: number;
  readonly weightFormat?: WeightFormat;
}

/** One product, as one dispatch, or two where k is parted and the parts are joined. */
export function matmul(o: MatmulOptions, tuning: Tuning): Work[] {
  const { m, n, k, c, bias, residual, accumulate = false, scale = 1 } = o;
  const all = { first: 0, of: n };
  const columns = o.cColumns ?? all;
  const room = o.partials ? Math.max(1, Math.floor(o.partials.size / (4 * m * n))) : 1;
  const tile = tuning.matmul({ kind: o.kind, m, n, k, room });
  const span = spanOf(k, Math.min(Math.max(tile.splits, o.parts ?? 1), room), tile);
  const splits = Math.ceil(k / span);
  // b is at least as long as a quad of C wherever one is read
  const ends = { bias: bias ?? o.b, residual: residual ?? o.b };
  const additions = { ADD_BIAS: !!bias, ADD_RESIDUAL: !!residual, ACCUMULATE: accumulate };
  if (splits === 1) return [product('multiply', o, tile, { ...ends, c }, { span, splits, scale }, additions, columns)];
  const partials = o.partials!;
  return [
    product('multiply', o, tile, { ...ends, c: partials }, { span, splits, scale: 1 }),
    workOf(direct, 'join', {
      constants: { ...additions, ...resultConstants(n, columns) },
      buffers: { ...ends, partials, c, row_limit: o.rows ?? o.a },
      params: { m, n, k, limited: Number(!!o.rows), span, splits, scale, ...places(all, columns) },
      groups: Math.ceil((m * n) / (inQuads(n, columns) ? 4 : 1) / lanes),
    }),
  ];
}

export interface GateUpOptions {
  readonly m: number;
  readonly f: number;
  readonly k: number;
  /** [m, k] */
  readonly a: BufferView;
  /** [2f, k], the rows of gate, then those of up. */
  readonly b: BufferView;
  /** Of the gate; SiLU. */
  readonly activation?: Activation;
  /** [m, f] act(gate) · up, written. */
  readonly act: BufferView;
  /** [m, 2f] (gate | up), written where given: the backward needs it. */
  readonly gateUp?: BufferView;
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly rows?: BufferView;
  readonly weightFormat?: WeightFormat;
}

const gate = (activation: Activation = 'silu') => ({ GELU: activation === 'gelu_pytorch_tanh' });

/** Both projections into the gated unit, and the unit. */
export function gateUpMatmul(o: GateUpOptions, tuning: Tuning): Work[] {
  const shape = { ...o, kind: 'nt', n: o.f, paired: true } as const;
  const tile = tuning.matmul(shape);
  if (tile.blocksN % 2 !== 0) throw new Error('gate and up need an even number of blocks along n');
  const whole = { span: spanOf(o.k, 1, tile), splits: 1, scale: 1 };
  if (!o.gateUp) return [product('gate_up', shape, tile, { act: o.act }, whole, gate(o.activation))];
  return [product('gate_up_saving', shape, tile, { act: o.act, gate_up_out: o.gateUp }, whole, gate(o.activation))];
}

export interface SwigluBackwardOptions {
  readonly m: number;
  readonly f: number;
  readonly d: number;
  /** [m, d] */
  readonly dy: BufferView;
  /** [d, f], of the projection down. */
  readonly w: BufferView;
  /** [m, 2f] (gate | up), and their gradient afterwards. */
  readonly gateUp: BufferView;
  readonly weightFormat?: WeightFormat;
  /** SiLU */
  readonly activation?: Activation;
}

interface Gated {
  readonly rows: number;
  readonly f: number;
  /** SiLU */
  readonly activation?: Activation;
}

/** gateUp [rows, 2f] -> act [rows, f] = act(gate) · up. */
export function swigluForward({ gateUp, act, rows, f, activation }: Gated & { gateUp: BufferView; act: BufferView }): Work {
  const { width, constants } = quads(f);
  return workOf(swigluShader, 'activate', {
    constants: { ...constants, ...gate(activation) },
    buffers: { gate_up: gateUp, act },
    params: { rows, width },
    groups: Math.ceil((rows * width) / lanes),
  });
}

export interface SwigluBackward extends Gated {
  /** [rows, 2f] (gate | up), and their gradient afterwards. */
  readonly gateUp: BufferView;
  /** [rows, f] */
  readonly dAct: BufferView;
}

/** The gradient of act [rows, f] -> that of gateUp, in its place. */
export function swigluBackward({ gateUp, dAct, rows, f, activation }: SwigluBackward): Work {
  const { width, constants } = quads(f);
  return workOf(swigluShader, 'backward', {
    constants: { ...constants, ...gate(activation) },
    buffers: { gradient: gateUp, d_act: dAct },
    params: { rows, width },
    groups: Math.ceil((rows * width) / lanes),
  });
}

/** Backward through the projection down and the gated unit; the gradient in between is never written. */
export function swigluBackwardMatmul(o: SwigluBackwardOptions, tuning: Tuning): Work[] {
  const shape = { kind: 'nn', m: o.m, n: o.f, k: o.d, a: o.dy, b: o.w, weightFormat: o.weightFormat } as const;
  const tile = tuning.matmul(shape);
  const whole = { span: spanOf(o.d, 1, tile), splits: 1, scale: 1 };
  return [product('swiglu_backward', shape, tile, { gate_up_out: o.gateUp }, whole, gate(o.activation))];
}

type Factors = Pick<MatmulOptions, 'kind' | 'm' | 'n' | 'k' | 'a' | 'aColumns' | 'b' | 'rows' | 'weightFormat'> & {
  readonly paired?: boolean;
};

type Products = typeof staged | typeof direct | typeof thin;
const shaders: Readonly<Record<MatmulForm, Products>> = { staged, direct, thin };
/** What every product reads. */
type FactorBuffer = 'a' | 'b' | 'b_packed' | 'row_limit';

function product<E extends EntryOf<Products>>(
  entry: E,
  o: Factors,
  tile: MatmulTuning,
  results: Readonly<Record<Exclude<BufferOf<Products, E>, FactorBuffer>, BufferView>>,
  parts: { readonly span: number; readonly splits: number; readonly scale: number },
  additions: ConstantsOf<Products> = {},
  cColumns: Columns = { first: 0, of: o.n },
): Work {
  const { kind, m, n, k, a, b, rows, weightFormat = 'f32', paired = false } = o;
  const aAlongK = kind !== 'tn';
  const bAlongK = kind === 'nt';
  const aColumns = o.aColumns ?? { first: 0, of: aAlongK ? k : m };
  const bWidth = bAlongK ? k : n;
  if (weightFormat !== 'f32' && bWidth % 2 !== 0) throw new Error(`16-bit weights need an even width, not ${bWidth}`);
  // Read as another format, weights would be numbers that nobody notices.
  const bytes = n * k * (paired ? 2 : 1) * (weightFormat === 'f32' ? 4 : 2);
  if (b.size < bytes) throw new Error(`a factor of ${b.size} bytes is no [${n}, ${k}] of ${weightFormat}`);
  const vector = inQuads(bWidth, aColumns);
  const columns = 4 * tile.lanesX * tile.blocksN;
  const factors: Readonly<Record<FactorBuffer, BufferView>> = { a, b, b_packed: b, row_limit: rows ?? a };
  return workOf<Products, E>(shaders[tile.form], entry, {
    constants: {
      A_ALONG_K: aAlongK,
      B_ALONG_K: bAlongK,
      VECTOR: vector,
      Element: vector ? 'vec4f' : 'f32',
      Packed: vector ? 'vec2u' : 'u32',
      RAGGED: k % 4 !== 0,
      FORMAT: formatCodes[weightFormat],
      PAIRED: paired,
      LANES_X: tile.lanesX,
      LANES_Y: tile.lanesY,
      LANES_Z: tile.lanesZ ?? 1,
      BLOCKS_M: tile.blocksM,
      BLOCKS_N: tile.blocksN,
      ...(tile.form === 'staged' ? { DEPTH: tile.depth } : {}),
      ...additions,
      ...resultConstants(n, cColumns),
    },
    // What the entry point does not use of these still has a place in its layout, and any buffer may take it.
    buffers: { ...factors, ...results } as Readonly<Record<BufferOf<Products, E>, BufferView>>,
    params: { m, n, k, limited: Number(!!rows), ...parts, ...places(aColumns, cColumns) } as Readonly<Record<ParamOf<Products, E>, number>>,
    groups: [Math.ceil((paired ? 2 * n : n) / columns), Math.ceil(m / (4 * tile.lanesY * tile.blocksM)), parts.splits],
    operations: 2 * m * n * k * (paired ? 2 : 1),
  });
}

const places = (a: Columns, c: Columns) => ({ a_line: a.of, a_first: a.first, c_line: c.of, c_first: c.first });

/** Whether quads begin at every line of such columns and end at such a width. */
const inQuads = (width: number, { first, of }: Columns) => [width, first, of].every((numbers) => numbers % 4 === 0);

function resultConstants(n: number, columns: Columns): ConstantsOf<Products> {
  return inQuads(n, columns) ? {} : { WIDTH: 1, Result: 'f32', IS_X: false, IS_Y: false, IS_Z: false };
}

/** k of each split: even parts, in whole steps of the product's loop. */
function spanOf(k: number, splits: number, { form, depth }: MatmulTuning): number {
  const step = 4 * (form === 'staged' ? depth : 1);
  return Math.ceil(k / splits / step) * step;
}
