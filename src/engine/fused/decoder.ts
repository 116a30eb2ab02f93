/**
 * The Llama-family decoder over whole rows as a list of dispatches: forward, and backward beside it. It reads as the
 * architecture; what each dispatch computes is in `kernels/` and `shaders/nn/`. It knows no losses and no optimiser.
 * Shapes: R rows of W places, N = R·W, D hidden, H query and K key/value heads of hd, Q = (H + 2K)·hd, F intermediate.
 */
import type { Machine, RowShape, Views } from './machine.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import { attentionBackward, attentionForward } from './kernels/attention.ts';
import { columnPartials } from './kernels/columns.ts';
import { embedForward } from './kernels/embedding.ts';
import { gateUpMatmul, swigluBackward, swigluBackwardMatmul, swigluForward } from './kernels/matmul.ts';
import { chunksFor, rmsNormBackward, rmsNormForward } from './kernels/rms-norm.ts';
import { headNormChunks, turnBackward, turnForward } from './kernels/turn.ts';
import { linearForward, linearGradient, linearInput, type Gradients, type LinearForward, type PolicyViews } from './linear.ts';
import type { PartialSums } from './partials.ts';

/** What a pass leaves behind: everything for the backward pass, the prompts' keys and values for decoding, or only its result. */
export type Keep = 'all' | 'keys' | 'nothing';

export const widths = (config: PolicyConfig) => ({
  d: config.hiddenSize,
  q: (config.heads + 2 * config.kvHeads) * config.headDim,
  mixed: config.heads * config.headDim,
  f: config.intermediateSize,
});

/** Positions the rotary table is made for: a power of two, so that it seldom changes. */
export const tablePositions = (positions: number) => 2 ** Math.ceil(Math.log2(Math.max(positions, 64)));

/**
 * Buffers of a layer. What the backward pass cannot make again is kept layer by layer; the rest is scratch, shared by all
 * layers and by whatever is never needed at the same time:
 *   scratch.wide     q|k|v before the turn · act · logits of a chunk · dTurned
 *   scratch.normed   inputs of the products, made again from the residual stream in the backward pass · dMixed
 */
function layerBuffers(memory: Views, { config }: Machine, { rows, width }: RowShape, keep: Keep, layer: number) {
  const n = rows * width;
  const { d, q, mixed, f } = widths(config);
  const kept = (name: string, length: number) => memory.view(keep === 'all' ? `${layer}.${name}` : name, length);
  const turned = memory.view(keep === 'nothing' ? 'turned' : `${layer}.turned`, n * q);
  return {
    x: kept('x', n * d),
    normed: memory.view('scratch.normed', n * d),
    attentionRstd: kept('attentionRstd', n),
    // Without head norms the turn alone can be undone, so what came before it need not be kept.
    raw: config.qkNorm ? kept('raw', n * q) : memory.view('scratch.wide', n * q),
    turned,
    mixed: kept('mixed', n * mixed),
    lse: kept('lse', n * config.heads),
    h: kept('h', n * d),
    mlpRstd: kept('mlpRstd', n),
    gateUp: keep === 'all' ? memory.view(`${layer}.gateUp`, n * 2 * f) : undefined,
    act: memory.view('scratch.wide', n * f),
    next:
      keep === 'all' && layer + 1 < config.layers
        ? memory.view(`${layer + 1}.x`, n * d)
        : memory.view(keep === 'all' ? 'last.x' : 'x', n * d),
  };
}

/** tokens [N], lengths [R] -> the residual stream after the last layer [N, D], which it returns. */
export function decoderForward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  shape: RowShape,
  keep: Keep,
  works: Work[],
): BufferView {
  const { config } = machine;
  const { parameters } = policy;
  const { rows, width } = shape;
  const n = rows * width;
  const { d, q, mixed, f } = widths(config);
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const lengths = memory.view('lengths', rows);
  const table = memory.view('rope', tablePositions(width) * headDim);
  const linear = (name: string, layer: Omit<LinearForward, 'name' | 'rows'>) =>
    linearForward(memory, machine, policy, { name, rows: n, ...layer });
  let out = layerBuffers(memory, machine, shape, keep, 0).x;
  works.push(embedForward({ tokens: memory.view('tokens', n), table: parameters.view('embedding'), x: out, rows: n, width: d }));
  for (let layer = 0; layer < config.layers; layer++) {
    const b = layerBuffers(memory, machine, shape, keep, layer);
    const p = (name: string) => parameters.view(`${layer}.${name}`);
    const bias = config.qkvBias ? { bias: p('qkvBias') } : {};
    works.push(
      rmsNormForward({ x: b.x, weight: p('attentionNorm'), y: b.normed, rstd: b.attentionRstd, rows: n, width: d, eps }),
      ...linear(`${layer}.qkv`, { out: q, in: d, x: b.normed, y: b.raw, ...bias }),
      turnForward({
        raw: b.raw,
        turned: b.turned,
        table,
        norms: config.qkNorm ? p('headNorms') : null,
        eps,
        rows,
        width,
        heads,
        kvHeads,
        headDim,
      }),
      attentionForward({
        turned: b.turned,
        lengths,
        out: b.mixed,
        lse: b.lse,
        rows,
        width,
        heads,
        kvHeads,
        headDim,
      }),
      ...linear(`${layer}.output`, { out: d, in: mixed, x: b.mixed, y: b.h, residual: b.x }),
      rmsNormForward({ x: b.h, weight: p('mlpNorm'), y: b.normed, rstd: b.mlpRstd, rows: n, width: d, eps }),
      ...gatedForward(memory, machine, policy, { layer, rows: n, x: b.normed, act: b.act, gateUp: b.gateUp ?? null }),
      ...linear(`${layer}.down`, { out: d, in: f, x: b.act, y: b.next, residual: b.h }),
    );
    out = b.next;
  }
  return out;
}

export interface Gated {
  readonly layer: number;
  readonly rows: number;
  /** [rows, D] */
  readonly x: BufferView;
  /** [rows, F] silu(gate) · up */
  readonly act: BufferView;
  /** [rows, 2F]; null: nobody asks for it afterwards. */
  readonly gateUp: BufferView | null;
  /** [1] i32: rows at or beyond it need not be right. */
  readonly count?: BufferView;
}

/** gate, up and SwiGLU: one dispatch, unless an adapter adds to gate and up before they meet. */
export function gatedForward(memory: Views, machine: Machine, policy: PolicyViews, gated: Gated): Work[] {
  const { layer, rows, x, act, gateUp, count } = gated;
  const { d, f } = widths(machine.config);
  const name = `${layer}.gateUp`;
  if (!policy.adapters) {
    const saved = gateUp ? { gateUp } : {};
    const limit = count ? { rows: count } : {};
    return gateUpMatmul({ m: rows, f, k: d, a: x, b: policy.parameters.view(name), act, ...saved, ...limit }, machine.tuning);
  }
  const both = gateUp ?? memory.view('lora.gateUp', rows * 2 * f);
  const limit = count ? { count } : {};
  return [
    ...linearForward(memory, machine, policy, { name, rows, out: 2 * f, in: d, x, y: both, ...limit }),
    swigluForward({ gateUp: both, act, rows, f }),
  ];
}

/**
 * d loss / d residual stream, in the buffer `dx` [N, D], -> the gradients of what the layers learn, added to `gradients`.
 * Norms and biases leave sums over chunks of places in `partials`. Afterwards `dx` is the gradient of the embedded tokens.
 */
export function decoderBackward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  gradients: Gradients,
  partials: PartialSums,
  shape: RowShape,
  works: Work[],
): void {
  const { config, tuning } = machine;
  const { parameters } = policy;
  const { rows, width } = shape;
  const n = rows * width;
  const { d, q, mixed, f } = widths(config);
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const lengths = memory.view('lengths', rows);
  const table = memory.view('rope', tablePositions(width) * headDim);
  const dx = memory.view('dx', n * d);
  const dNormed = memory.view('dNormed', n * d);
  const dMixed = memory.view('scratch.normed', n * mixed);
  const delta = memory.view('delta', n * heads);
  const dTurned = memory.view('scratch.wide', n * q);
  const splits = memory.view('splits', splitFloats(machine));
  const gradient = (name: string, dy: BufferView, out: number, x: BufferView, inside: number) =>
    works.push(...linearGradient(memory, machine, policy, gradients, { name, rows: n, out, in: inside, dy, x, partials: splits }));
  const input = (name: string, dy: BufferView, out: number, inputGradient: BufferView, inside: number) =>
    works.push(...linearInput(memory, machine, policy, { name, rows: n, out, in: inside, dy, dx: inputGradient }));
  const normBackward = (name: string, x: BufferView, rstd: BufferView) =>
    works.push(
      rmsNormBackward({
        x,
        weight: parameters.view(name),
        rstd,
        dy: dNormed,
        dx,
        accumulate: true,
        partials: partials.take(name, chunksFor(n), d),
        rows: n,
        width: d,
      }),
    );
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    const b = layerBuffers(memory, machine, shape, 'all', layer);
    const p = (name: string) => parameters.view(`${layer}.${name}`);

    works.push(swigluForward({ gateUp: b.gateUp!, act: b.act, rows: n, f }));
    gradient(`${layer}.down`, dx, d, b.act, f);
    // From here on gateUp is its own gradient.
    if (policy.adapters) {
      const dAct = b.act; // whose activations are not needed again
      input(`${layer}.down`, dx, d, dAct, f);
      works.push(swigluBackward({ gateUp: b.gateUp!, dAct, rows: n, f }));
    } else {
      works.push(...swigluBackwardMatmul({ m: n, f, d, dy: dx, w: p('down'), gateUp: b.gateUp! }, tuning));
    }
    works.push(rmsNormForward({ x: b.h, weight: p('mlpNorm'), y: b.normed, rstd: b.mlpRstd, rows: n, width: d, eps }));
    gradient(`${layer}.gateUp`, b.gateUp!, 2 * f, b.normed, d);
    input(`${layer}.gateUp`, b.gateUp!, 2 * f, dNormed, d);
    normBackward(`${layer}.mlpNorm`, b.h, b.mlpRstd);

    gradient(`${layer}.output`, dx, d, b.mixed, mixed);
    input(`${layer}.output`, dx, d, dMixed, mixed);
    works.push(
      ...attentionBackward({
        turned: b.turned,
        lengths,
        out: b.mixed,
        lse: b.lse,
        dOut: dMixed,
        delta,
        dTurned,
        rows,
        width,
        heads,
        kvHeads,
        headDim,
      }),
      ...turnBackward({
        gradient: dTurned,
        raw: b.raw,
        table,
        norms: config.qkNorm ? p('headNorms') : null,
        partials: config.qkNorm ? partials.take(`${layer}.headNorms`, headNormChunks(n), 2 * headDim) : null,
        eps,
        rows,
        width,
        heads,
        kvHeads,
        headDim,
      }),
    );
    if (config.qkvBias)
      works.push(columnPartials({ x: dTurned, partials: partials.take(`${layer}.qkvBias`, chunksFor(n), q), rows: n, width: q }));
    works.push(rmsNormForward({ x: b.x, weight: p('attentionNorm'), y: b.normed, rstd: b.attentionRstd, rows: n, width: d, eps }));
    gradient(`${layer}.qkv`, dTurned, q, b.normed, d);
    input(`${layer}.qkv`, dTurned, q, dNormed, d);
    normBackward(`${layer}.attentionNorm`, b.x, b.attentionRstd);
  }
}

/** Floats that products over many places may split themselves into: eight copies of the largest weight matrix, within reason. */
function splitFloats({ config }: Machine): number {
  const { d, q, f } = widths(config);
  return Math.min(8 * d * Math.max(q, 2 * f), 2 ** 22);
}
