/**
 * A linear layer as dispatches, y = W x, whichever way it learns. Trained: W has a gradient. Adapted (LoRA): W is frozen and
 * y = W x + s B (A x), with A [R, in] and B [out, R]; nothing is merged and no gradient is as large as W. Projections that are one
 * product (q|k|v, gate|up) keep one A, stacked, and one B, which is block-diagonal: R is rank times projections. Which layers there
 * are is `decoder.ts`. N rows of x.
 */
import type { Machine, ParameterViews, Views } from './machine.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import { matmul } from './kernels/matmul.ts';
import { isWhole, weightForward, weightGradient, weightInput } from './weight.ts';

/** Low-rank additions, two matrices a layer: `NAME.a` and `NAME.b`. */
export interface AdapterViews {
  readonly views: ParameterViews;
  /** s, alpha / rank */
  readonly scale: number;
}

/** What computes. */
export interface PolicyViews {
  readonly parameters: ParameterViews;
  /** Null: none, or they are off. */
  readonly adapters: AdapterViews | null;
}

/** Where gradients are added: those of all parameters, or those of the adapters alone. */
export interface Gradients {
  readonly of: 'parameters' | 'adapters';
  readonly views: ParameterViews;
}

interface Layer {
  readonly name: string;
  readonly rows: number;
  readonly out: number;
  readonly in: number;
}

/** Of a layer's adapter; 0 where it has none. */
const stackedRank = (adapters: AdapterViews | null, name: string): number => adapters?.views.layout.slots.get(`${name}.a`)?.shape[0] ?? 0;

/** Whether a layer is W alone and in one piece, as kernels want it that do more than the product. */
export const isPlain = ({ parameters, adapters }: PolicyViews, name: string): boolean =>
  stackedRank(adapters, name) === 0 && isWhole(parameters, name);

/** s A x [N, R], and s Bt dy. */
const inner = (memory: Views, rows: number, rank: number) => memory.view('lora.inner', rows * rank);
const dInner = (memory: Views, rows: number, rank: number) => memory.view('lora.dInner', rows * rank);

export interface LinearForward extends Layer {
  readonly x: BufferView;
  readonly y: BufferView;
  readonly bias?: BufferView;
  readonly residual?: BufferView;
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly count?: BufferView;
}

export function linearForward(memory: Views, { tuning }: Machine, policy: PolicyViews, layer: LinearForward): Work[] {
  const { name, rows, out, in: inside, x, y, count } = layer;
  const { parameters, adapters } = policy;
  const limit = count ? { rows: count } : {};
  const works = weightForward({ parameters, ...layer }, layer, tuning);
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return works;
  const u = inner(memory, rows, rank);
  const { views, scale } = adapters;
  return [
    ...works,
    ...matmul({ kind: 'nt', m: rows, n: rank, k: inside, a: x, b: views.view(`${name}.a`), c: u, scale, ...limit }, tuning),
    ...matmul({ kind: 'nt', m: rows, n: out, k: rank, a: u, b: views.view(`${name}.b`), c: y, accumulate: true, ...limit }, tuning),
  ];
}

export interface LinearGradient extends Layer {
  readonly dy: BufferView;
  readonly x: BufferView;
  /** Scratch for sums over parts of the rows. */
  readonly partials: BufferView;
}

/** dW += dyᵀ x; or dB += dyᵀ s A x and dA += (s Bᵀ dy)ᵀ x. Before `linearInput`, which reads what it leaves of the adapter. */
export function linearGradient(
  memory: Views,
  { tuning }: Machine,
  { adapters }: PolicyViews,
  gradients: Gradients,
  layer: LinearGradient,
): Work[] {
  const { name, rows, out, in: inside, dy, x, partials } = layer;
  const add = { kind: 'tn', k: rows, accumulate: true, partials } as const;
  if (gradients.of === 'parameters') return weightGradient({ parameters: gradients.views, ...layer }, layer, tuning);
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return [];
  const { views, scale } = adapters;
  const [u, du] = [inner(memory, rows, rank), dInner(memory, rows, rank)];
  return [
    ...matmul({ kind: 'nt', m: rows, n: rank, k: inside, a: x, b: views.view(`${name}.a`), c: u, scale }, tuning),
    ...matmul({ kind: 'nn', m: rows, n: rank, k: out, a: dy, b: views.view(`${name}.b`), c: du, scale }, tuning),
    ...matmul({ ...add, m: out, n: rank, a: dy, b: u, c: gradients.views.view(`${name}.b`) }, tuning),
    ...matmul({ ...add, m: rank, n: inside, a: du, b: x, c: gradients.views.view(`${name}.a`) }, tuning),
  ];
}

export interface LinearInput extends Layer {
  readonly dy: BufferView;
  readonly dx: BufferView;
}

/** dx = Wᵀ dy (+ Aᵀ s Bᵀ dy). After `linearGradient` of the same layer. */
export function linearInput(memory: Views, { tuning }: Machine, { parameters, adapters }: PolicyViews, layer: LinearInput): Work[] {
  const { name, rows, in: inside, dx } = layer;
  const works = weightInput({ parameters, ...layer }, layer, tuning);
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return works;
  const du = dInner(memory, rows, rank);
  const add = { m: rows, n: inside, k: rank, a: du, b: adapters.views.view(`${name}.a`), c: dx, accumulate: true } as const;
  return [...works, ...matmul({ kind: 'nn', ...add }, tuning)];
}
