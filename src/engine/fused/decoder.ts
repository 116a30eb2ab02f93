/**
 * The decoder over the places of segments as a list of dispatches: forward, of layers as `block.ts` has them, and backward. It reads as the
 * architecture; what each dispatch computes is in `kernels/` and `shaders/nn/`. It knows no losses and no optimiser.
 * Shapes: N places of S segments, D hidden, H query and K key/value heads of hd, Q = (H + 2K)·hd, F intermediate.
 */
import { blockForward, widths, type Said } from './block.ts';
import { normOffset, ropeName, type Machine, type ParameterViews, type PlaceShape, type Views } from './machine.ts';
import { families } from '../../policy/families.ts';
import { attentionScale, embeddingScale, windowOf } from '../../policy/layers.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import { attentionBackward, attentionForward, attentionTeam } from './kernels/attention.ts';
import { columnPartials } from './kernels/columns.ts';
import { swigluBackward, swigluBackwardMatmul, swigluForward } from './kernels/matmul.ts';
import { chunksFor, rmsNormBackward, rmsNormForward } from './kernels/rms-norm.ts';
import { headNormChunks, turnBackward, turnForward } from './kernels/turn.ts';
import { isPlain, linearGradient, linearInput, type Gradients, type PolicyViews } from './linear.ts';
import type { PartialSums } from './partials.ts';
import { factor, tokensForward } from './weight.ts';

/**
 * What a pass leaves behind: everything for the backward pass; only the residual stream before every layer, from which it makes the rest
 * again; the prompts' keys and values for decoding; or only its result.
 */
export type Keep = 'all' | 'inputs' | 'keys' | 'nothing';

/** Positions the rotary table is made for: a power of two, so that it seldom changes. */
export const tablePositions = (positions: number) => 2 ** Math.ceil(Math.log2(Math.max(positions, 64)));

/**
 * Buffers of a layer. What the backward pass cannot make again is kept layer by layer; the rest is scratch, shared by all
 * layers and by whatever is never needed at the same time:
 *   scratch.wide     q|k|v before the turn · act · logits of a chunk · dTurned
 *   scratch.normed   inputs of the products, made again from the residual stream in the backward pass · dMixed
 */
function layerBuffers(memory: Views, { config }: Machine, { places: n }: PlaceShape, keep: Keep, layer: number) {
  const { d, q, mixed, f } = widths(config);
  const kept = (name: string, length: number) => memory.view(keep === 'all' ? `${layer}.${name}` : name, length);
  const stream = (of: number) =>
    memory.view(keep === 'all' || keep === 'inputs' ? (of < config.layers ? `${of}.x` : 'last.x') : 'x', n * d);
  const backward = keep === 'all' || keep === 'inputs';
  const { norms } = families[config.family];
  const said = (name: string, after: string | null): Said | null =>
    after === null ? null : { x: kept(name, n * d), rstd: kept(`${name}.rstd`, n) };
  return {
    x: stream(layer),
    normed: memory.view('scratch.normed', n * d),
    attentionRstd: kept('attentionRstd', n),
    // Without head norms the turn alone can be undone, so what came before it need not be kept.
    raw: config.qkNorm ? kept('raw', n * q) : memory.view('scratch.wide', n * q),
    turned: keep === 'keys' ? memory.view(`${layer}.turned`, n * q) : kept('turned', n * q),
    mixed: kept('mixed', n * mixed),
    lse: kept('lse', n * config.heads),
    attentionSaid: said('attentionSaid', norms.attention.after),
    h: kept('h', n * d),
    mlpRstd: kept('mlpRstd', n),
    gateUp: backward ? kept('gateUp', n * 2 * f) : null,
    act: memory.view('scratch.wide', n * f),
    mlpSaid: said('mlpSaid', norms.mlp.after),
    next: stream(layer + 1),
  };
}

/** What is said of places (`batch.ts`): uploaded for each pass. */
const tables = (memory: Views, { places, segments }: PlaceShape) => ({
  positions: memory.view('positions', places),
  segmentOf: memory.view('segmentOf', places),
  segments: memory.view('segments', 4 * segments),
});

/** One layer. @param again its result is known, and what is needed on the way to it is made once more */
function layerForward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  shape: PlaceShape,
  keep: Keep,
  layer: number,
  again = false,
): Work[] {
  const { config } = machine;
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const { places, width } = shape;
  const { positions, segmentOf, segments } = tables(memory, shape);
  const b = layerBuffers(memory, machine, shape, keep, layer);
  const table = memory.view(ropeName(config, layer), tablePositions(width) * headDim);
  const norms = config.qkNorm ? policy.parameters.view(`${layer}.headNorms`) : null;
  const heading = { places, heads, kvHeads, headDim };
  const looking = { width, window: windowOf(config, layer), scale: attentionScale(config), team: attentionTeam(headDim, machine.software) };
  const attention = [
    turnForward({ raw: b.raw, turned: b.turned, positions, table, norms, eps, offset: normOffset(config), ...heading }),
    attentionForward({ turned: b.turned, segmentOf, segments, out: b.mixed, lse: b.lse, ...heading, ...looking }),
  ];
  // What an MLP said is not known, and the stream after it is the same once more.
  const buffers = again && !b.mlpSaid ? { ...b, next: null } : b;
  return blockForward(memory, machine, policy, { layer, rows: places, buffers, attention });
}

/** tokens [N] and what is said of their places -> the residual stream after the last layer [N, D], which it returns. */
export function decoderForward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  shape: PlaceShape,
  keep: Keep,
  works: Work[],
): BufferView {
  const { config } = machine;
  const first = layerBuffers(memory, machine, shape, keep, 0).x;
  works.push(
    ...tokensForward(policy.parameters, {
      tokens: memory.view('tokens', shape.places),
      x: first,
      rows: shape.places,
      width: config.hiddenSize,
      scale: embeddingScale(config),
    }),
  );
  for (let layer = 0; layer < config.layers; layer++) works.push(...layerForward(memory, machine, policy, shape, keep, layer));
  return layerBuffers(memory, machine, shape, keep, config.layers - 1).next;
}

/**
 * d loss / d residual stream, in the buffer `dx` [N, D], -> the gradients of what the layers learn, added to `gradients`.
 * Norms and biases leave sums over chunks of places in `partials`. Afterwards `dx` is the gradient of the embedded tokens.
 * @param keep what the forward pass left behind
 */
export function decoderBackward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  gradients: Gradients,
  partials: PartialSums,
  shape: PlaceShape,
  keep: 'all' | 'inputs',
  works: Work[],
): void {
  const { config, tuning } = machine;
  const { parameters } = policy;
  const { places: n, width } = shape;
  const { positions, segmentOf, segments } = tables(memory, shape);
  const { d, q, mixed, f } = widths(config);
  const { heads, kvHeads, headDim, rmsNormEps: eps } = config;
  const offset = normOffset(config);
  const { activation } = families[config.family];
  const dx = memory.view('dx', n * d);
  const dNormed = memory.view('dNormed', n * d);
  const dMixed = memory.view('scratch.normed', n * mixed);
  const delta = memory.view('delta', n * heads);
  const dTurned = memory.view('scratch.wide', n * q);
  const splits = splitSums(memory, machine, parameters);
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
        offset,
      }),
    );
  /** The gradient of what a block said, from that of the stream; its room is free until the gradient of the block's input is made. */
  const saidBackward = (name: string, said: Said | null): BufferView => {
    if (!said) return dx;
    const sums = partials.take(name, chunksFor(n), d);
    const of = { weight: parameters.view(name), dy: dx, dx: dNormed, accumulate: false, partials: sums, rows: n, width: d, offset };
    works.push(rmsNormBackward({ ...said, ...of }));
    return dNormed;
  };
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    const b = layerBuffers(memory, machine, shape, keep, layer);
    const p = (name: string) => parameters.view(`${layer}.${name}`);
    // The last layer's is still there.
    if (keep === 'inputs' && layer < config.layers - 1) works.push(...layerForward(memory, machine, policy, shape, keep, layer, true));

    const gateUp = b.gateUp!;
    const dMlp = saidBackward(`${layer}.mlpAfter`, b.mlpSaid);
    works.push(swigluForward({ gateUp, act: b.act, rows: n, f, activation }));
    gradient(`${layer}.down`, dMlp, d, b.act, f);
    // From here on gateUp is its own gradient.
    if (isPlain(policy, `${layer}.down`)) {
      const { b: w, weightFormat } = factor(parameters, `${layer}.down`);
      works.push(...swigluBackwardMatmul({ m: n, f, d, dy: dMlp, w, weightFormat, gateUp, activation }, tuning));
    } else {
      const dAct = b.act; // whose activations are not needed again
      input(`${layer}.down`, dMlp, d, dAct, f);
      works.push(swigluBackward({ gateUp, dAct, rows: n, f, activation }));
    }
    works.push(rmsNormForward({ x: b.h, weight: p('mlpNorm'), y: b.normed, rstd: b.mlpRstd, rows: n, width: d, eps, offset }));
    gradient(`${layer}.gateUp`, gateUp, 2 * f, b.normed, d);
    input(`${layer}.gateUp`, gateUp, 2 * f, dNormed, d);
    normBackward(`${layer}.mlpNorm`, b.h, b.mlpRstd);

    const dAttention = saidBackward(`${layer}.attentionAfter`, b.attentionSaid);
    gradient(`${layer}.output`, dAttention, d, b.mixed, mixed);
    input(`${layer}.output`, dAttention, d, dMixed, mixed);
    works.push(
      ...attentionBackward({
        turned: b.turned,
        segmentOf,
        segments,
        out: b.mixed,
        lse: b.lse,
        dOut: dMixed,
        delta,
        dTurned,
        places: n,
        width,
        heads,
        kvHeads,
        headDim,
        window: windowOf(config, layer),
        scale: attentionScale(config),
        team: attentionTeam(headDim, machine.software),
      }),
      ...turnBackward({
        gradient: dTurned,
        raw: b.raw,
        positions,
        table: memory.view(ropeName(config, layer), tablePositions(width) * headDim),
        norms: config.qkNorm ? p('headNorms') : null,
        partials: config.qkNorm ? partials.take(`${layer}.headNorms`, headNormChunks(n), 2 * headDim) : null,
        eps,
        offset,
        places: n,
        heads,
        kvHeads,
        headDim,
      }),
    );
    if (config.qkvBias)
      works.push(columnPartials({ x: dTurned, partials: partials.take(`${layer}.qkvBias`, chunksFor(n), q), rows: n, width: q }));
    works.push(rmsNormForward({ x: b.x, weight: p('attentionNorm'), y: b.normed, rstd: b.attentionRstd, rows: n, width: d, eps, offset }));
    gradient(`${layer}.qkv`, dTurned, q, b.normed, d);
    input(`${layer}.qkv`, dTurned, q, dNormed, d);
    normBackward(`${layer}.attentionNorm`, b.x, b.attentionRstd);
  }
}

/** Where products over many places, or over a large vocabulary, may split themselves into: eight copies of the largest weight matrix, within reason and limits. */
export function splitSums(memory: Views, { config }: Machine, { layout }: ParameterViews): BufferView {
  const { d, q, f } = widths(config);
  return memory.view('splits', Math.min(8 * d * Math.max(q, 2 * f), 2 ** 22, Math.floor(layout.maxBytes / 4)));
}
