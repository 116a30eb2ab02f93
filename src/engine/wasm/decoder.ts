/**
 * The decoder over the places of a pass, forward and backward. It reads as the architecture; what each call computes is in kernels/. It knows no
 * losses, no optimiser and no cache: how places look at each other is handed in.
 * Shapes: N places, D hidden, H query and K key/value heads of hd, Q = (H + 2K)·hd, F intermediate.
 */
import type { PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import { attentionScale, embeddingScale, isSliding, windowOf } from '../../policy/layers.ts';
import type { SegmentTable } from './batch.ts';
import type { Take } from './buffers.ts';
import { upTo } from './layout.ts';
import { linearForward, linearGradient, linearInput, scratchBytes, type Gradients, type LinearScratch, type Policy } from './linear.ts';
import type { Kernels } from './module.ts';

export const widths = (config: PolicyConfig) => ({
  d: config.hiddenSize,
  q: (config.heads + 2 * config.kvHeads) * config.headDim,
  mixed: config.heads * config.headDim,
  f: config.intermediateSize,
});

/** Nothing is further away. */
const everything = 2 ** 30;

/** What a layer leaves behind; addresses. */
export interface LayerBuffers {
  /** [N, D] the residual stream */
  readonly x: number;
  /** [N, Q] before the turn; the same as `turned` where the turn alone can be undone */
  readonly raw: number;
  readonly turned: number;
  /** [N, H·hd] */
  readonly mixed: number;
  /** [N, H] */
  readonly lse: number;
  /** [N, D] what the projection says before it is normed; 0: it is added as it is */
  readonly attentionSaid: number;
  /** [N, D] the stream after attention */
  readonly h: number;
  /** [N, 2F] */
  readonly gateUp: number;
  readonly mlpSaid: number;
}

export interface ForwardBuffers {
  readonly tokens: number;
  readonly positions: number;
  readonly layers: readonly LayerBuffers[];
  /** [N, D] the stream after the last layer */
  readonly last: number;
  readonly normed: number;
  readonly act: number;
  readonly linear: LinearScratch;
}

/** Numbers of a place in each of a layer's buffers; 0: there is none of its own. */
export function layerWidths(config: PolicyConfig, lse: boolean): Readonly<Record<keyof LayerBuffers, number>> {
  const { d, q, mixed, f } = widths(config);
  const { norms } = families[config.family];
  return {
    x: d,
    raw: config.qkNorm ? q : 0,
    turned: q,
    mixed,
    lse: lse ? config.heads : 0,
    attentionSaid: norms.attention.after === null ? 0 : d,
    h: d,
    gateUp: 2 * f,
    mlpSaid: norms.mlp.after === null ? 0 : d,
  };
}

/** @param at where the buffer of so many numbers a place is; never asked for one of none */
export function layerBuffers(of: ReturnType<typeof layerWidths>, at: (width: number, name: keyof LayerBuffers) => number): LayerBuffers {
  const there = (name: keyof LayerBuffers) => (of[name] === 0 ? 0 : at(of[name], name));
  const turned = there('turned');
  return {
    x: there('x'),
    raw: of.raw === 0 ? turned : there('raw'),
    turned,
    mixed: there('mixed'),
    lse: there('lse'),
    attentionSaid: there('attentionSaid'),
    h: there('h'),
    gateUp: there('gateUp'),
    mlpSaid: there('mlpSaid'),
  };
}

/** Which layers leave behind what the backward pass needs: all; one at a time, which is put there for it; or none. */
export type Left = 'all' | 'one' | 'none';

/** @param rank the largest stack of adapters */
export function forwardBuffers(take: Take, config: PolicyConfig, n: number, left: Left, rank: number): ForwardBuffers {
  const { d, mixed, f } = widths(config);
  const of = layerWidths(config, left !== 'none');
  const layer = () => layerBuffers(of, (width) => take(n * width));
  const shared = left === 'all' ? null : layer();
  const layers = Array.from({ length: config.layers }, () => shared ?? layer());
  return {
    tokens: take(n),
    positions: take(n),
    layers,
    last: left === 'none' ? layers[0]!.x : take(n * d),
    normed: take(n * Math.max(d, mixed)),
    act: take(n * f),
    linear: linearBuffers(take, config, n, rank),
  };
}

/** The widest second factor is a layer's own: the head's is as wide as the stream. */
function linearBuffers(take: Take, config: PolicyConfig, n: number, rank: number): LinearScratch {
  const { d, mixed, f } = widths(config);
  const { first, second } = scratchBytes(Math.max(d, mixed, f, rank));
  return { first: take(first / 4), second: take(second / 4), inner: take(n * rank), dInner: take(n * rank) };
}

/** From turned q|k|v [N, Q] to mixed values [N, H·hd]. */
export type Attend = (layer: number, turned: number, mixed: number, lse: number) => void;

/** What is the same for every pass of a policy. */
export interface Machine {
  readonly config: PolicyConfig;
  readonly kernels: Kernels;
  /** The rotary table of a layer [positions, hd]. */
  readonly table: (layer: number) => number;
}

export const normOffset = ({ family }: PolicyConfig): 0 | 1 => families[family].normOffset;
const activationCode = ({ family }: PolicyConfig): number => (families[family].activation === 'silu' ? 0 : 1);
export const windowNumber = (config: PolicyConfig, layer: number): number => Math.min(windowOf(config, layer), everything);
/** Two tables at most: layers that slide have their own. */
export const tableName = (config: PolicyConfig, layer: number): 'sliding' | 'full' => (isSliding(config, layer) ? 'sliding' : 'full');

/** tokens and positions [N] -> the residual stream after the last layer. @param breathe lets messages in between layers */
export async function decoderForward(
  machine: Machine,
  policy: Policy,
  b: ForwardBuffers,
  n: number,
  attend: Attend,
  breathe: () => Promise<void>,
): Promise<void> {
  const { config, kernels } = machine;
  const { d } = widths(config);
  const embedding = policy.parameters.matrix('embedding');
  kernels.embed(n, d, b.tokens, embedding.at, b.layers[0]!.x, embeddingScale(config), embedding.kind);
  for (let layer = 0; layer < config.layers; layer++) {
    layerForward(machine, policy, b, n, layer, attend);
    await breathe();
  }
}

function layerForward(
  { config, kernels, table }: Machine,
  policy: Policy,
  b: ForwardBuffers,
  n: number,
  layer: number,
  attend: Attend,
): void {
  const { d, q, mixed, f } = widths(config);
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const offset = normOffset(config);
  const own = b.layers[layer]!;
  const next = b.layers[layer + 1]?.x ?? b.last;
  const p = (name: string) => policy.parameters.address(`${layer}.${name}`);
  const norm = (name: string, x: number, y: number, residual = 0) =>
    kernels.rmsNorm(n, d, x, 4 * d, p(name), y, 4 * d, residual, eps, offset);
  /** A projection back into the stream, normed on the way where the family does. */
  const added = (name: string, after: string, inside: number, x: number, said: number, residual: number, y: number) => {
    const of = { name: `${layer}.${name}`, rows: n, out: d, in: inside, x };
    linearForward(kernels, b.linear, policy, said === 0 ? { ...of, y, residual } : { ...of, y: said });
    if (said !== 0) norm(after, said, y, residual);
  };
  norm('attentionNorm', own.x, b.normed);
  const bias = config.qkvBias ? { bias: p('qkvBias') } : {};
  linearForward(kernels, b.linear, policy, { name: `${layer}.qkv`, rows: n, out: q, in: d, x: b.normed, y: own.raw, ...bias });
  const norms = config.qkNorm ? p('headNorms') : 0;
  kernels.turn(n, heads, kvHeads, headDim, own.raw, own.turned, table(layer), b.positions, norms, eps, offset);
  attend(layer, own.turned, own.mixed, own.lse);
  added('output', 'attentionAfter', mixed, own.mixed, own.attentionSaid, own.x, own.h);
  norm('mlpNorm', own.h, b.normed);
  linearForward(kernels, b.linear, policy, { name: `${layer}.gateUp`, rows: n, out: 2 * f, in: d, x: b.normed, y: own.gateUp });
  kernels.gated(n, f, own.gateUp, b.act, activationCode(config));
  added('down', 'mlpAfter', f, b.act, own.mlpSaid, own.h, next);
}

/** What attention over whole segments needs beside them; addresses. */
export interface AttentionBuffers {
  readonly segments: number;
  readonly keys: number;
  readonly values: number;
  readonly scores: number;
}

/** @param cached whether keys and values lie elsewhere */
export function attentionBuffers(take: Take, config: PolicyConfig, segments: SegmentTable, cached = false): AttentionBuffers {
  const { kvHeads, headDim } = config;
  const { columns } = segments;
  return {
    segments: take(5 * segments.count),
    keys: cached ? 0 : take(kvHeads * columns * headDim),
    values: cached ? 0 : take(kvHeads * columns * upTo(headDim, 8)),
    scores: take(4 * segments.widest),
  };
}

/** Attention over the segments of a pass, whose keys and values are put where `a` says. */
export function attendSegments({ config, kernels }: Machine, segments: SegmentTable, a: (layer: number) => AttentionBuffers): Attend {
  const { heads, kvHeads, headDim: hd } = config;
  const { count, columns } = segments;
  const row = 4 * widths(config).q;
  return (layer, turned, mixed, lse) => {
    const { segments: table, keys, values, scores } = a(layer);
    kernels.packKeys(table, count, columns, kvHeads, hd, turned + 4 * heads * hd, row, keys);
    kernels.packValues(table, count, columns, kvHeads, hd, turned + 4 * (heads + kvHeads) * hd, row, values);
    const [window, scale] = [windowNumber(config, layer), attentionScale(config)];
    kernels.attend(table, count, columns, heads, kvHeads, hd, window, scale, turned, keys, values, scores, mixed, lse);
  };
}

export interface BackwardBuffers {
  /** [N, D] gradient of the residual stream */
  readonly dx: number;
  readonly dNormed: number;
  /** [N, H·hd] */
  readonly dMixed: number;
  /** [N, Q] */
  readonly dQkv: number;
  readonly valuePanels: number;
  readonly keyRows: number;
  readonly weights: number;
  readonly slopes: number;
  readonly queries: number;
  readonly dQueries: number;
  readonly dOuts: number;
}

export function backwardBuffers(take: Take, config: PolicyConfig, n: number, { columns, longest, widest }: SegmentTable): BackwardBuffers {
  const { d, q, mixed } = widths(config);
  const { kvHeads, headDim } = config;
  const wide = upTo(headDim, 8);
  const rows = upTo(longest, 4);
  return {
    dx: take(n * d),
    dNormed: take(n * d),
    dMixed: take(n * mixed),
    dQkv: take(n * q),
    valuePanels: take(kvHeads * columns * headDim),
    keyRows: take(kvHeads * columns * wide),
    weights: take(rows * widest),
    slopes: take(rows * widest),
    queries: take(rows * wide),
    dQueries: take(rows * wide),
    dOuts: take(rows * wide),
  };
}

/**
 * d loss / d residual stream, in `dx` [N, D], -> the gradients of what is learned, added to `gradients`. After `decoderForward` with buffers
 * that keep every layer, or @param restore puts there what a layer left behind
 */
export async function decoderBackward(
  machine: Machine,
  policy: Policy,
  gradients: Gradients,
  segments: SegmentTable,
  b: ForwardBuffers & { readonly attention: AttentionBuffers; readonly backward: BackwardBuffers },
  n: number,
  breathe: () => Promise<void>,
  restore: (layer: number) => void = () => {},
): Promise<void> {
  const { config, kernels } = machine;
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    restore(layer);
    layerBackward(machine, policy, gradients, segments, b, n, layer);
    await breathe();
  }
  if (gradients.of === 'adapters') return;
  kernels.embedBackward(n, config.hiddenSize, b.tokens, gradients.arena.address('embedding'), b.backward.dx, embeddingScale(config));
}

function layerBackward(
  { config, kernels, table }: Machine,
  policy: Policy,
  gradients: Gradients,
  segments: SegmentTable,
  b: Parameters<typeof decoderBackward>[4],
  n: number,
  layer: number,
): void {
  const { d, q, mixed, f } = widths(config);
  const { heads, kvHeads, headDim: hd, rmsNormEps: eps } = config;
  const offset = normOffset(config);
  const own = b.layers[layer]!;
  const { dx, dNormed, dMixed, dQkv, ...a } = b.backward;
  const p = (name: string) => policy.parameters.address(`${layer}.${name}`);
  /** Of a vector; 0 where it is frozen. */
  const g = (name: string) => (gradients.of === 'parameters' ? gradients.arena.address(`${layer}.${name}`) : 0);
  const norm = (name: string, x: number) => kernels.rmsNorm(n, d, x, 4 * d, p(name), b.normed, 4 * d, 0, eps, offset);
  const normBackward = (name: string, x: number, dy: number, into: number, add: number) =>
    kernels.rmsNormBackward(n, d, x, 4 * d, p(name), dy, into, 4 * d, add, g(name), eps, offset);
  /** The gradient of what a block said, from that of the stream; its room is free until the gradient of the block's input is made. */
  const saidBackward = (name: string, said: number): number => {
    if (said === 0) return dx;
    normBackward(name, said, dx, dNormed, 0);
    return dNormed;
  };
  const linear = (name: string, dy: number, out: number, x: number, inside: number, into: number) => {
    const of = { name: `${layer}.${name}`, rows: n, out, in: inside, dy };
    linearGradient(kernels, b.linear, policy, gradients, { ...of, x });
    linearInput(kernels, b.linear, policy, { ...of, x: into });
  };

  const dMlp = saidBackward('mlpAfter', own.mlpSaid);
  kernels.gated(n, f, own.gateUp, b.act, activationCode(config));
  linear('down', dMlp, d, b.act, f, b.act);
  // From here on gateUp is its own gradient.
  kernels.gatedBackward(n, f, own.gateUp, b.act, activationCode(config));
  norm('mlpNorm', own.h);
  linear('gateUp', own.gateUp, 2 * f, b.normed, d, dNormed);
  normBackward('mlpNorm', own.h, dNormed, dx, 1);

  const dAttention = saidBackward('attentionAfter', own.attentionSaid);
  linear('output', dAttention, d, own.mixed, mixed, dMixed);
  const { count, columns } = segments;
  const { segments: rows, keys } = b.attention;
  const [k, v] = [own.turned + 4 * heads * hd, own.turned + 4 * (heads + kvHeads) * hd];
  kernels.packKeys(rows, count, columns, kvHeads, hd, k, 4 * q, keys);
  kernels.packKeys(rows, count, columns, kvHeads, hd, v, 4 * q, a.valuePanels);
  kernels.packValues(rows, count, columns, kvHeads, hd, k, 4 * q, a.keyRows);
  kernels.fill(4 * n * q, dQkv);
  const [window, scale] = [windowNumber(config, layer), attentionScale(config)];
  kernels.attendBackward(rows, count, columns, heads, kvHeads, hd, window, scale, own.turned, keys, a.valuePanels, a.keyRows, a.weights, a.slopes, a.queries, a.dQueries, a.dOuts, own.mixed, own.lse, dMixed, dQkv); // prettier-ignore
  const [norms, dNorms] = config.qkNorm ? [p('headNorms'), g('headNorms')] : [0, 0];
  kernels.turnBackward(n, heads, kvHeads, hd, dQkv, own.raw, table(layer), b.positions, norms, dNorms, eps, offset);
  if (config.qkvBias && gradients.of === 'parameters') kernels.addColumns(n, q, dQkv, g('qkvBias'));
  norm('attentionNorm', own.x);
  linear('qkv', dQkv, q, b.normed, d, dNormed);
  normBackward('attentionNorm', own.x, dNormed, dx, 1);
}
