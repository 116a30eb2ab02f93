/**
 * Generation without a look at the tokens: prompts are read once per group, then every token is the same three dozen
 * dispatches, whose position, active rows and next tokens live on the GPU. The host submits sixteen tokens at a time,
 * hears how many rows are left while the next sixteen run, and reads everything back once at the end.
 * R rows in G groups, P prompt width, C completion width.
 */
import { normOffset, ropeName, type Machine, type Views } from './machine.ts';
import { LabError } from '../../errors.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import { attentionScale, embeddingScale, windowOf } from '../../policy/layers.ts';
import type { GenerateProgress, GenerateRequest, Rollouts, Sampling } from '../engine.ts';
import type { Pace } from '../gpu/pace.ts';
import { submitPaced, type Plan } from '../gpu/plan.ts';
import { part, type BufferView, type Work } from '../gpu/work.ts';
import { bucket, regrid, tablesOfRows, writeTables } from './batch.ts';
import { blockForward, widths } from './block.ts';
import { decoderForward, tablePositions } from './decoder.ts';
import { logitsForward } from './head.ts';
import { decodeAttention, rowsAt } from './kernels/attention.ts';
import { advance, beginRollouts, samplerPieces, sampleTokens } from './kernels/decode.ts';
import { rmsNormForward } from './kernels/rms-norm.ts';
import type { PolicyViews } from './linear.ts';
import { copyInto, mapped, readBuffers, stagingFor, type Pool } from './memory.ts';
import { sizesOf, type Plans } from './plans.ts';
import { tokensForward } from './weight.ts';

/** Tokens per submit: bounds what runs without the host being able to stop it. */
const tokensPerSubmit = 16;
/** A conversation of a few rows is watched as it is written. */
const fewRows = 4;
const fewTokensPerSubmit = 4;
/** Whoever watches hears of the first token at once; then of as many together as are drawn within so long. */
const longLookMs = 1000;

/** Of keys and values: float16 are two in a word, half the memory, and round what was said before a token to three digits. */
export type CacheFormat = 'f32' | 'f16';

export interface RolloutShape {
  readonly groups: number;
  readonly promptWidth: number;
  readonly repeats: number;
  readonly rows: number;
  readonly completionWidth: number;
  readonly cache: CacheFormat;
}

/** What a generation leaves behind. */
export function rolloutBuffers(memory: Views, { groups, rows, completionWidth }: RolloutShape) {
  const grid = rows * completionWidth;
  return {
    promptLengths: memory.view('rollout.promptLengths', groups),
    tokens: memory.view('rollout.tokens', grid),
    logprobs: memory.view('rollout.logprobs', grid),
    entropies: memory.view('rollout.entropies', grid),
    lengths: memory.view('rollout.lengths', rows),
    ended: memory.view('rollout.ended', rows),
  };
}

function stateBuffers(memory: Views, { rows, groups }: RolloutShape, vocabulary: number) {
  // Counters, then the rows, twice: the second half is room to compact the first in.
  const running = memory.view('decode.running', rowsAt + 2 * rows);
  return {
    running,
    state: part(running, 0, 2),
    active: part(running, rowsAt, 2 * rows),
    nextTokens: memory.view('decode.nextTokens', rows),
    sampled: memory.view('decode.sampled', 3 * rows),
    eosIds: memory.view('decode.eosIds', maxEosIds),
    logits: memory.view('decode.logits', Math.max(rows, groups) * vocabulary),
  };
}

const maxEosIds = 64;

function decodeShape({ config }: Machine, { rows, completionWidth, repeats }: RolloutShape, sampling: Sampling) {
  const { maxPositions, padId } = config;
  const { maxNewTokens, eosIds } = sampling;
  return { rows, completionWidth, repeats, maxNewTokens, maxPositions, eosCount: eosIds.length, padId: padId ?? 0 };
}

/** What sampling and the limits of a generation make of the dispatches after the logits. */
function sampleAndAdvance(memory: Views, machine: Machine, shape: RolloutShape, sampling: Sampling, first: boolean): Work[] {
  const { config } = machine;
  const s = stateBuffers(memory, shape, config.vocabSize);
  const r = rolloutBuffers(memory, shape);
  return [
    ...sampleTokens({
      pieces: samplerPieces(memory, { rows: shape.rows, vocabulary: config.vocabSize, sampling, software: machine.software }),
      logits: s.logits,
      state: s.state,
      active: s.active,
      sampled: s.sampled,
      rows: shape.rows,
      vocabulary: config.vocabSize,
      sampling,
      logitsRepeats: first ? shape.repeats : 1,
    }),
    ...advance({ ...s, ...r }, decodeShape(machine, shape, sampling)),
  ];
}

/** Prompts are rows of one width, where `decodeAttention` looks for their keys and values. */
const promptShape = ({ groups, promptWidth }: RolloutShape) => ({ places: groups * promptWidth, segments: groups, width: promptWidth });

/** Reads the prompts, and draws and stores the first token of every row. */
function prefillWorks(memory: Views, machine: Machine, policy: PolicyViews, shape: RolloutShape, sampling: Sampling, works: Work[]): void {
  const { config } = machine;
  const { groups, rows } = shape;
  const { hiddenSize: d, vocabSize: v } = config;
  const { parameters } = policy;
  const x = decoderForward(memory, machine, policy, promptShape(shape), 'keys', works);
  const normed = memory.view('decode.normed', Math.max(rows, groups) * d);
  const s = stateBuffers(memory, shape, v);
  const r = rolloutBuffers(memory, shape);
  works.push(
    rmsNormForward({
      x,
      weight: parameters.view('norm'),
      y: normed,
      rstd: memory.view('decode.rstd', Math.max(rows, groups)),
      places: memory.view('decode.ends', groups),
      rows: groups,
      width: d,
      eps: config.rmsNormEps,
      offset: normOffset(config),
    }),
    ...logitsForward(machine, parameters, groups, { x: normed, y: s.logits }),
    beginRollouts({ ...s, ...r }, decodeShape(machine, shape, sampling)),
    ...sampleAndAdvance(memory, machine, shape, sampling, true),
  );
}

/** One token of every active row. */
function decodeWorks(memory: Views, machine: Machine, policy: PolicyViews, shape: RolloutShape, sampling: Sampling, works: Work[]): void {
  const { config } = machine;
  const { parameters } = policy;
  const { rows, repeats, completionWidth, promptWidth, groups, cache } = shape;
  const { d, q, mixed: mixedWidth, f } = widths(config);
  const { heads, kvHeads, headDim, rmsNormEps: eps, vocabSize: v } = config;
  const s = stateBuffers(memory, shape, v);
  const r = rolloutBuffers(memory, shape);
  const x = memory.view('decode.x', rows * d);
  const h = memory.view('decode.h', rows * d);
  const normed = memory.view('decode.normed', Math.max(rows, groups) * d);
  const rstd = memory.view('decode.rstd', Math.max(rows, groups));
  const qkv = memory.view('decode.qkv', rows * q);
  const mixed = memory.view('decode.mixed', rows * mixedWidth);
  const act = memory.view('decode.act', rows * f);
  const offset = normOffset(config);
  const { norms } = families[config.family];
  const said = (after: string | null) => (after === null ? null : { x: memory.view('decode.said', rows * d), rstd });
  const after = { attentionSaid: said(norms.attention.after), mlpSaid: said(norms.mlp.after) };
  const count = s.state;
  const buffers = { x, normed, attentionRstd: rstd, raw: qkv, mixed, h, mlpRstd: rstd, gateUp: null, act, next: x, ...after };
  works.push(...tokensForward(parameters, { tokens: s.nextTokens, x, rows, width: d, scale: embeddingScale(config), count }));
  for (let layer = 0; layer < config.layers; layer++) {
    const attention = [
      decodeAttention({
        qkv,
        running: s.running,
        promptLengths: r.promptLengths,
        promptTurned: memory.view(`${layer}.turned`, groups * promptWidth * q),
        cache: memory.view(`${layer}.cache`, (rows * completionWidth * 2 * kvHeads * headDim) / (cache === 'f16' ? 2 : 1)),
        cacheFormat: cache,
        table: memory.view(ropeName(config, layer), tablePositions(promptWidth + completionWidth) * headDim),
        norms: config.qkNorm ? parameters.view(`${layer}.headNorms`) : null,
        out: mixed,
        rows,
        repeats,
        promptWidth,
        completionWidth,
        heads,
        kvHeads,
        headDim,
        eps,
        offset,
        window: windowOf(config, layer),
        scale: attentionScale(config),
        software: machine.software,
      }),
    ];
    works.push(...blockForward(memory, machine, policy, { layer, rows, buffers, attention, count }));
  }
  works.push(
    rmsNormForward({ x, weight: parameters.view('norm'), y: normed, rstd, rows, width: d, eps, offset, count }),
    ...logitsForward(machine, parameters, rows, { x: normed, y: s.logits, count }),
    ...sampleAndAdvance(memory, machine, shape, sampling, false),
  );
}

/** Numbers of four bytes that a generation needs, by buffer name. */
export function generationSizes(machine: Machine, policy: PolicyViews, shape: RolloutShape, sampling: Sampling): Record<string, number> {
  return sizesOf((memory, works) => {
    prefillWorks(memory, machine, policy, shape, sampling, works);
    decodeWorks(memory, machine, policy, shape, sampling, works);
  });
}

/** What a generation works with. */
export interface RolloutContext {
  readonly device: GPUDevice;
  readonly machine: Machine;
  readonly policy: PolicyViews;
  readonly pool: Pool;
  readonly plans: Plans;
  readonly pace: Pace;
  /** Fills the rotary table where it is new. */
  writeRope(): void;
}

/** Both plans in the same memory: whichever grows a buffer invalidates the other, so they are asked for until neither does. */
async function rolloutPlans(context: RolloutContext, shape: RolloutShape, sampling: Sampling): Promise<{ prefill: Plan; decode: Plan }> {
  const { machine, policy, plans } = context;
  const fixed = { ...sampling, seed: 0, step: 0, firstRow: 0 };
  const key = `${JSON.stringify(shape)} ${JSON.stringify(fixed)}`;
  const dial = 'Generate fewer rows at once, or shorter completions.';
  const prefillPlan = () =>
    plans.get(`prefill ${key}`, dial, (memory, works) => prefillWorks(memory, machine, policy, shape, sampling, works));
  for (;;) {
    const { plan: prefill } = await prefillPlan();
    const { plan: decode } = await plans.get(`decode ${key}`, dial, (memory, works) =>
      decodeWorks(memory, machine, policy, shape, sampling, works),
    );
    if ((await prefillPlan()).plan === prefill) return { prefill, decode };
  }
}

/**
 * Generates for prompts that fit in memory at once.
 * @param firstRow of these rows among `allRows` of the request, for the progress
 */
export async function generateGroups(
  context: RolloutContext,
  request: GenerateRequest,
  cache: CacheFormat,
  firstRow: number,
  allRows: number,
  onProgress?: (progress: GenerateProgress) => void,
): Promise<{ rollouts: Rollouts; shape: RolloutShape }> {
  const { device, machine, pool, pace } = context;
  const { prompts, sampling, signal } = request;
  const { config } = machine;
  const { repeats } = request;
  const of = { groups: prompts.length, ...promptLengths(prompts), repeats, maxNewTokens: sampling.maxNewTokens };
  const shape = { ...rolloutShape(of, config.maxPositions), cache };
  const { rows, groups, promptWidth, completionWidth } = shape;
  const { prefill, decode } = await rolloutPlans(context, shape, sampling);
  const r = rolloutBuffers(pool, shape);
  const { state, eosIds } = stateBuffers(pool, shape, config.vocabSize);

  const padded = new Int32Array(groups * promptWidth);
  prompts.forEach((prompt, group) => padded.set(prompt, group * promptWidth));
  const lengths = Int32Array.from(prompts, (prompt) => prompt.length);
  const write = (view: BufferView, values: Int32Array<ArrayBuffer>) => device.queue.writeBuffer(view.buffer, view.offset, values);
  write(pool.view('tokens', padded.length), padded);
  writeTables(device, pool, tablesOfRows(lengths, promptWidth));
  write(r.promptLengths, lengths);
  write(
    pool.view('decode.ends', groups),
    lengths.map((length, group) => group * promptWidth + length - 1),
  );
  if (sampling.eosIds.length > 0) write(eosIds, Int32Array.from(sampling.eosIds));
  context.writeRope();
  // The draw's counters are the only numbers that differ between generations of one shape.
  for (const [plan, first] of [
    [prefill, true],
    [decode, false],
  ] as const) {
    const works = sampleAndAdvance(pool, machine, shape, sampling, first);
    works.forEach(({ params }, i) => plan.setParams(plan.size - works.length + i, params));
  }

  let reported = 0;
  const look = async (staging: GPUBuffer, decoded: number): Promise<number> => {
    const numbers = new Int32Array(await mapped(staging));
    const running = numbers[0]!;
    if (onProgress) {
      const tokens = numbers.subarray(2, 2 + rows * completionWidth);
      const said = numbers.subarray(2 + rows * completionWidth);
      for (; reported < decoded; reported++) {
        const active = reported + 1 === decoded ? running : said.reduce((count, length) => count + (length > reported + 1 ? 1 : 0), 0);
        const at = new Int32Array(allRows).fill(-1);
        said.forEach((length, row) => {
          if (reported < length) at[firstRow + row] = tokens[row * completionWidth + reported]!;
        });
        if (at.some((token) => token >= 0)) onProgress({ position: reported, active, tokens: at });
      }
    }
    return running;
  };
  const stopIfAsked = () => {
    if (signal?.aborted) throw new LabError('cancelled', 'Generation was stopped.', 'Nothing was lost.');
  };

  const most = onProgress && rows <= fewRows ? fewTokensPerSubmit : tokensPerSubmit;
  let perSubmit = onProgress ? 1 : most;
  let waiting: Promise<number> | null = null;
  let since = performance.now();
  for (let decoded = 0; decoded < completionWidth;) {
    const last = Math.min(decoded + perSubmit, completionWidth);
    const tokens = Array.from({ length: last - decoded }, (_, i) => (decoded + i === 0 ? prefill : decode));
    decoded = last;
    submitPaced(device, pace, tokens);
    const encoder = device.createCommandEncoder();
    const small: BufferView[] = onProgress ? [state, r.tokens, r.lengths] : [state];
    const staging = stagingFor(device, small);
    copyInto(encoder, small, staging);
    device.queue.submit([encoder.finish()]);
    // This chunk runs while the host hears of the one before it.
    const running = await waiting;
    if (onProgress) {
      const now = performance.now();
      perSubmit = now - since > longLookMs ? Math.max(1, perSubmit >> 1) : Math.min(most, 2 * perSubmit);
      since = now;
    }
    waiting = look(staging, decoded);
    if (running === 0 || signal?.aborted) break;
  }
  await waiting;
  stopIfAsked();
  const bytes = await readBuffers(device, [r.tokens, r.logprobs, r.entropies, r.lengths, r.ended]);
  const grid = rows * completionWidth;
  return {
    shape,
    rollouts: collect(config, prompts, shape, {
      tokens: new Int32Array(bytes, 0, grid),
      logprobs: new Float32Array(bytes, grid * 4, grid),
      entropies: new Float32Array(bytes, grid * 8, grid),
      lengths: new Int32Array(bytes, grid * 12, rows),
      ended: new Int32Array(bytes, grid * 12 + rows * 4, rows),
    }),
  };
}

/** The shape of a generation for prompts of these lengths. */
export function rolloutShape(
  of: {
    readonly groups: number;
    readonly longest: number;
    readonly shortest: number;
    readonly repeats: number;
    readonly maxNewTokens: number;
  },
  maxPositions: number,
): Omit<RolloutShape, 'cache'> {
  const { groups, longest, shortest, repeats, maxNewTokens } = of;
  return {
    groups,
    promptWidth: bucket(longest),
    repeats,
    rows: groups * repeats,
    completionWidth: Math.min(maxNewTokens, maxPositions - shortest),
  };
}

/** The longest and the shortest prompt, in tokens. */
export function promptLengths(prompts: readonly Int32Array[]): { readonly longest: number; readonly shortest: number } {
  const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.length), 1);
  return { longest, shortest: prompts.reduce((least, prompt) => Math.min(least, prompt.length), longest) };
}

/** [R, C] of completions, lengths and ends [R], as they were read back. */
interface Said {
  readonly tokens: Int32Array;
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
  readonly lengths: Int32Array;
  readonly ended: Int32Array;
}

/** Rows as wide as the longest of them. */
function collect(
  config: PolicyConfig,
  prompts: readonly Int32Array[],
  { rows, repeats, completionWidth: from }: RolloutShape,
  said: Said,
): Rollouts {
  const promptLengths = Int32Array.from({ length: rows }, (_, row) => prompts[Math.floor(row / repeats)]!.length);
  const lengths = promptLengths.map((length, row) => length + said.lengths[row]!);
  const width = lengths.reduce((most, length) => Math.max(most, length), 0);
  const completionWidth = said.lengths.reduce((most, length) => Math.max(most, length), 0);
  const tokens = new Int32Array(rows * width).fill(config.padId ?? 0);
  for (let row = 0; row < rows; row++) {
    tokens.set(prompts[Math.floor(row / repeats)]!, row * width);
    tokens.set(said.tokens.subarray(row * from, row * from + said.lengths[row]!), row * width + promptLengths[row]!);
  }
  return {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths,
    lengths,
    logprobs: regrid(said.logprobs, 0, rows, from, completionWidth),
    entropies: regrid(said.entropies, 0, rows, from, completionWidth),
    ended: Uint8Array.from(said.ended),
  };
}

/** The prompts alone, where nothing was asked for. */
export function emptyRollouts({ prompts, repeats }: GenerateRequest, config: PolicyConfig): Rollouts {
  const rows = prompts.length * repeats;
  const nothing = { tokens: new Int32Array(0), logprobs: new Float32Array(0), entropies: new Float32Array(0) };
  const shape = { groups: prompts.length, promptWidth: 0, repeats, rows, completionWidth: 0, cache: 'f32' as const };
  return collect(config, prompts, shape, { ...nothing, lengths: new Int32Array(rows), ended: new Int32Array(rows) });
}

/** One after the other, as wide as the widest. */
export function joinRollouts(parts: readonly Rollouts[], config: PolicyConfig): Rollouts {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const width = Math.max(...parts.map((part) => part.width));
  const completionWidth = Math.max(...parts.map((part) => part.completionWidth));
  const joined = {
    rows,
    width,
    completionWidth,
    tokens: new Int32Array(rows * width).fill(config.padId ?? 0),
    promptLengths: new Int32Array(rows),
    lengths: new Int32Array(rows),
    logprobs: new Float32Array(rows * completionWidth),
    entropies: new Float32Array(rows * completionWidth),
    ended: new Uint8Array(rows),
  };
  let first = 0;
  for (const part of parts) {
    for (let row = 0; row < part.rows; row++)
      joined.tokens.set(part.tokens.subarray(row * part.width, row * part.width + part.lengths[row]!), (first + row) * width);
    joined.promptLengths.set(part.promptLengths, first);
    joined.lengths.set(part.lengths, first);
    joined.logprobs.set(regrid(part.logprobs, 0, part.rows, part.completionWidth, completionWidth), first * completionWidth);
    joined.entropies.set(regrid(part.entropies, 0, part.rows, part.completionWidth, completionWidth), first * completionWidth);
    joined.ended.set(part.ended, first);
    first += part.rows;
  }
  return joined;
}
