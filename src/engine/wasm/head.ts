/**
 * From the residual stream to log-probs and back, in chunks of cells so that no [N, V] ever exists. A cell is a completion token that is needed:
 * the head reads the place before it. With one chunk the logits are still there when the loss is known; with more they are computed a second time.
 * M cells, V vocabulary.
 */
import type { PolicyConfig } from '../../policy/config.ts';
import type { CellPass } from '../segments.ts';
import type { Take } from './buffers.ts';
import { normOffset, type Machine } from './decoder.ts';
import { upTo } from './layout.ts';
import { byColumns, byRows, outer, type Gradients, type LinearScratch, type Policy } from './linear.ts';
import type { LossGradient } from './loss.ts';
import type { Heap } from './heap.ts';

/** Logits of a chunk, unless so few cells would read the head too often. */
const logitsNumbers = 2 ** 20;
const leastCells = 64;

export const chunkCells = (cells: number, vocabulary: number): number =>
  Math.min(cells, upTo(Math.max(leastCells, Math.floor(logitsNumbers / vocabulary)), 4));

const headName = ({ tied }: PolicyConfig) => (tied ? 'embedding' : 'head');

export interface HeadBuffers {
  readonly places: number;
  readonly targets: number;
  /** [M, D] */
  readonly x: number;
  readonly normed: number;
  /** [chunk, V] */
  readonly logits: number;
  /** [M] */
  readonly logprob: number;
  readonly entropy: number;
  /** [M, 2] */
  readonly stats: number;
  readonly dLogprob: number;
  readonly dEntropy: number;
  /** [M, D] */
  readonly dNormed: number;
  /** [chunk, D] */
  readonly partial: number;
}

/** @param backward whether there is a way back */
export function headBuffers(take: Take, { hiddenSize: d, vocabSize: v }: PolicyConfig, cells: number, backward: boolean): HeadBuffers {
  return {
    places: take(cells),
    targets: take(cells),
    x: take(cells * d),
    normed: take(cells * d),
    logits: take(chunkCells(cells, v) * v),
    logprob: take(cells),
    entropy: take(cells),
    stats: take(2 * cells),
    dLogprob: backward ? take(cells) : 0,
    dEntropy: backward ? take(cells) : 0,
    dNormed: backward ? take(cells * d) : 0,
    partial: backward ? take(chunkCells(cells, v) * d) : 0,
  };
}

/** The rows `places` [M] of the stream, normed. */
export function headInput({ config, kernels }: Machine, policy: Policy, b: HeadBuffers, cells: number, stream: number): void {
  const { hiddenSize: d, rmsNormEps: eps } = config;
  kernels.gatherRows(cells, d, b.places, stream, b.x);
  kernels.rmsNorm(cells, d, b.x, 4 * d, policy.parameters.address('norm'), b.normed, 4 * d, 0, eps, normOffset(config));
}

/** Logits of `count` cells from `first` on. */
export function headLogits(
  { config, kernels }: Machine,
  policy: Policy,
  b: HeadBuffers,
  scratch: LinearScratch,
  first: number,
  count: number,
): void {
  const { hiddenSize: d, vocabSize: v } = config;
  const w = policy.parameters.matrix(headName(config));
  byRows(kernels, scratch, { rows: count, out: v, in: d }, b.normed + 4 * first * d, w, b.logits);
}

function chunks(cells: number, vocabulary: number): { first: number; count: number }[] {
  const size = chunkCells(cells, vocabulary);
  return Array.from({ length: Math.ceil(cells / size) }, (_, i) => ({ first: i * size, count: Math.min(size, cells - i * size) }));
}

/** The stream [N, D] -> log-probs and entropies of the cells, in their buffers. */
export async function headForward(
  machine: Machine,
  heap: Heap,
  policy: Policy,
  b: HeadBuffers,
  scratch: LinearScratch,
  { cellPlaces, targets }: Pick<CellPass, 'cellPlaces' | 'targets'>,
  stream: number,
  temperature: number,
  breathe: () => Promise<void>,
): Promise<void> {
  const cells = targets.length;
  heap.integers(b.places, cells).set(cellPlaces);
  heap.integers(b.targets, cells).set(targets);
  headInput(machine, policy, b, cells, stream);
  const { kernels, config } = machine;
  for (const { first, count } of chunks(cells, config.vocabSize)) {
    headLogits(machine, policy, b, scratch, first, count);
    const of = [b.logprob + 4 * first, b.entropy + 4 * first, b.stats + 8 * first] as const;
    kernels.tokenLogprob(count, config.vocabSize, b.logits, b.targets + 4 * first, 1 / temperature, ...of);
    await breathe();
  }
}

/** The gradient of the cells -> that of the stream, in `dx` [N, D], and of norm and head where they learn. After `headForward`. */
export async function headBackward(
  machine: Machine,
  heap: Heap,
  policy: Policy,
  gradients: Gradients,
  b: HeadBuffers,
  scratch: LinearScratch,
  { places, targets }: Pick<CellPass, 'places' | 'targets'>,
  gradient: LossGradient,
  temperature: number,
  dx: number,
  breathe: () => Promise<void>,
): Promise<void> {
  const { config, kernels } = machine;
  const { hiddenSize: d, vocabSize: v, rmsNormEps: eps } = config;
  const cells = targets.length;
  heap.floats(b.dLogprob, cells).set(gradient.dLogprob);
  heap.floats(b.dEntropy, cells).set(gradient.dEntropy);
  const trained = gradients.of === 'parameters';
  const weights = policy.parameters.matrix(headName(config));
  const all = chunks(cells, v);
  for (const { first, count } of all) {
    if (all.length > 1) headLogits(machine, policy, b, scratch, first, count);
    const at = 4 * first;
    const of = [b.entropy + at, b.stats + 2 * at, b.dLogprob + at, b.dEntropy + at] as const;
    kernels.tokenLogprobBackward(count, v, b.logits, b.targets + at, 1 / temperature, ...of);
    const product = { rows: count, out: v, in: d };
    byColumns(kernels, scratch, product, b.logits, weights, b.dNormed + at * d, false, b.partial);
    // A head that is frozen has no gradient.
    if (trained) outer(kernels, scratch, product, b.logits, b.normed + at * d, gradients.arena.address(headName(config)));
    await breathe();
  }
  const dWeight = trained ? gradients.arena.address('norm') : 0;
  const norm = policy.parameters.address('norm');
  kernels.rmsNormBackward(cells, d, b.x, 4 * d, norm, b.dNormed, b.dNormed, 4 * d, 0, dWeight, eps, normOffset(config));
  kernels.fill(4 * places * d, dx);
  kernels.addRows(cells, d, b.places, dx, b.dNormed);
}
