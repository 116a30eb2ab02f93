/**
 * A linear layer, y = W x, whichever way it learns, forward beside backward. Trained: W has a gradient. Adapted (LoRA): W is frozen and
 * y = W x + s B (A x), with A [R, in] and B [out, R]; nothing is merged and no gradient is as large as W. Which layers there are is `decoder.ts`.
 * Rows of x and y lie one after the other; matrices lie in panels.
 */
import type { Arena, Matrix } from './arena.ts';
import { panelBytes, upTo } from './layout.ts';
import type { Kernels } from './module.ts';

/** Low-rank additions, two matrices a layer: `NAME.a` and `NAME.b`. */
export interface Adapters {
  readonly arena: Arena;
  /** s, alpha / rank */
  readonly scale: number;
}

/** What computes. */
export interface Policy {
  readonly parameters: Arena;
  /** Null: none, or they are off. */
  readonly adapters: Adapters | null;
}

/** Where gradients are added: those of all parameters, or those of the adapters alone. */
export interface Gradients {
  readonly of: 'parameters' | 'adapters';
  readonly arena: Arena;
}

/** Scratch of products and adapters; addresses. */
export interface LinearScratch {
  /** Panels made for one product. */
  readonly first: number;
  readonly second: number;
  /** [N, R], of the largest R */
  readonly inner: number;
  readonly dInner: number;
}

/** Rows that a gradient sums over, and rows of a W that is turned, at a time. */
const depth = 256;
/** Columns of dy that are packed at a time. */
const breadth = 2048;

/** Bytes of `first` and `second`, by the widest x of a product. */
export const scratchBytes = (widestIn: number): { first: number; second: number } => ({
  // Fours of x, or a turned W.
  first: 4 * depth * upTo(widestIn, 8),
  second: 4 * Math.max(depth * breadth, 8 * widestIn),
});

interface Product {
  readonly rows: number;
  readonly out: number;
  readonly in: number;
}

interface Layer extends Product {
  readonly name: string;
}

/** Of a layer's adapter; 0 where it has none. */
export const stackedRank = (adapters: Adapters | null, name: string): number =>
  adapters?.arena.layout.slots.get(`${name}.a`)?.shape[0] ?? 0;

/** Numbers of a W that is not of float32 that are unpacked at a time: they stay in the second cache. */
const unpacked = 2 ** 16;

/** y [rows, out] = x [rows, in] Wᵀ, from `init` on: rows `initRow` bytes apart, or 0. */
export function byRows(
  kernels: Kernels,
  scratch: LinearScratch,
  { rows, out, in: k }: Product,
  x: number,
  w: Matrix,
  y: number,
  init = 0,
  initRow = 0,
): void {
  if (rows === 1 && w.kind !== 0 && out % 8 === 0) return kernels.multiplyRowPacked(out, k, x, w.at, y, init, w.kind);
  const some = w.kind === 0 ? out : 8 * Math.max(1, Math.floor(unpacked / (8 * k)));
  for (let first = 0; first < out; first += some) {
    const columns = Math.min(some, out - first);
    let panels = w.at;
    if (w.kind !== 0) {
      kernels.unpackPanels(upTo(columns, 8) * k, w.at + (first / 8) * panelBytes(w.kind, k), scratch.second, w.kind);
      panels = scratch.second;
    }
    const begin = init === 0 ? 0 : init + 4 * first;
    kernels.multiplyRows(rows, columns, k, x, 4 * k, panels, 32, 32 * k, y + 4 * first, 4 * out, 32, begin, initRow, 32);
  }
}

/**
 * dx [rows, in] = dy [rows, out] W, added where `add`. W is turned, some rows of it at a time.
 * @param partial [rows, in] of scratch, for a W of so many rows that one running sum would swallow what each of them adds: the sum over every
 * some of them is made there first
 */
export function byColumns(
  kernels: Kernels,
  scratch: LinearScratch,
  { rows, out, in: n }: Product,
  dy: number,
  w: Matrix,
  dx: number,
  add = false,
  partial = 0,
): void {
  for (let first = 0; first < out; first += depth) {
    const some = Math.min(depth, out - first);
    const count = Math.ceil(some / 8);
    kernels.turnPanels(count, n, w.at + (first / 8) * panelBytes(w.kind, n), scratch.first, w.kind);
    const more = add || first > 0;
    const [to, init] = more && partial !== 0 ? [partial, 0] : [dx, more ? dx : 0];
    kernels.multiplyRows(rows, n, some, dy + 4 * first, 4 * out, scratch.first, 32, 256 * count, to, 4 * n, 32, init, 4 * n, 32);
    if (to === partial) kernels.add(rows * n, dx, partial);
  }
}

/** dW [out, in] += dyᵀ x, in panels. */
export function outer(kernels: Kernels, scratch: LinearScratch, { rows, out, in: n }: Product, dy: number, x: number, dw: number): void {
  for (let row = 0; row < rows; row += depth) {
    const some = Math.min(depth, rows - row);
    kernels.packFours(some, n, x + 4 * row * n, 4 * n, scratch.first);
    for (let left = 0; left < out; left += breadth) {
      const columns = Math.min(breadth, out - left);
      kernels.packColumns(some, columns, dy + 4 * (row * out + left), 4 * out, scratch.second);
      const c = dw + 4 * left * n;
      kernels.multiplyColumns(n, columns, some, scratch.first, 16, 16 * some, scratch.second, 32, 32 * some, c, 32, 32 * n, 1);
    }
  }
}

export interface LinearForward extends Layer {
  readonly x: number;
  readonly y: number;
  /** What y begins with; at most one of the two. */
  readonly bias?: number;
  readonly residual?: number;
}

export function linearForward(kernels: Kernels, scratch: LinearScratch, { parameters, adapters }: Policy, layer: LinearForward): void {
  const { name, rows, out, x, y, bias, residual } = layer;
  byRows(kernels, scratch, layer, x, parameters.matrix(name), y, bias ?? residual ?? 0, residual === undefined ? 0 : 4 * out);
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return;
  const { arena, scale } = adapters;
  byRows(kernels, scratch, { ...layer, out: rank }, x, arena.matrix(`${name}.a`), scratch.inner);
  kernels.scale(rows * rank, scratch.inner, scale);
  byRows(kernels, scratch, { ...layer, in: rank }, scratch.inner, arena.matrix(`${name}.b`), y, y, 4 * out);
}

export interface LinearBackward extends Layer {
  readonly dy: number;
  readonly x: number;
}

/** dW += dyᵀ x; or dB += dyᵀ s A x and dA += (s Bᵀ dy)ᵀ x. Before `linearInput`, which reads what it leaves of the adapter. */
export function linearGradient(
  kernels: Kernels,
  scratch: LinearScratch,
  { adapters }: Policy,
  gradients: Gradients,
  layer: LinearBackward,
): void {
  const { name, rows, dy, x } = layer;
  if (gradients.of === 'parameters') return outer(kernels, scratch, layer, dy, x, gradients.arena.address(name));
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return;
  const { arena, scale } = adapters;
  const { inner, dInner } = scratch;
  byRows(kernels, scratch, { ...layer, out: rank }, x, arena.matrix(`${name}.a`), inner);
  kernels.scale(rows * rank, inner, scale);
  byColumns(kernels, scratch, { ...layer, in: rank }, dy, arena.matrix(`${name}.b`), dInner);
  kernels.scale(rows * rank, dInner, scale);
  outer(kernels, scratch, { ...layer, in: rank }, dy, inner, gradients.arena.address(`${name}.b`));
  outer(kernels, scratch, { ...layer, out: rank }, dInner, x, gradients.arena.address(`${name}.a`));
}

/** dx = Wᵀ dy (+ Aᵀ s Bᵀ dy). After `linearGradient` of the same layer. @param layer its `x` is where dx goes */
export function linearInput(kernels: Kernels, scratch: LinearScratch, { parameters, adapters }: Policy, layer: LinearBackward): void {
  const { name, dy, x: dx } = layer;
  byColumns(kernels, scratch, layer, dy, parameters.matrix(name), dx);
  const rank = stackedRank(adapters, name);
  if (!adapters || rank === 0) return;
  byColumns(kernels, scratch, { ...layer, out: rank }, scratch.dInner, adapters.arena.matrix(`${name}.a`), dx, true);
}
