/**
 * Rollouts: every prompt is read once, its keys and values are shared by the rollouts of its group, then all rows that still run go on token by
 * token. What is drawn for a row depends on (seed, step, row, position) and its own logits alone, whose bits do not depend on the rows beside it.
 */
import { LabError } from '../../errors.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import { attentionScale } from '../../policy/layers.ts';
import { counterUniform } from '../../random/counter.ts';
import { breathe } from '../breathe.ts';
import type { GenerateProgress, GenerateRequest, Rollouts, Sampling } from '../engine.ts';
import { passOfTexts, type Pass } from '../segments.ts';
import { tabled } from './batch.ts';
import type { Frame, Take } from './buffers.ts';
import {
  attendSegments,
  attentionBuffers,
  decoderForward,
  forwardBuffers,
  windowNumber,
  type Attend,
  type AttentionBuffers,
  type Machine,
} from './decoder.ts';
import { chunkCells, headBuffers, headInput, headLogits } from './head.ts';
import type { Heap } from './heap.ts';
import type { Kept } from './kept.ts';
import { upTo } from './layout.ts';
import type { Policy } from './linear.ts';

/** A row being written. */
export interface Row {
  /** In this generation. */
  readonly id: number;
  readonly prompt: Int32Array;
  /** Where its prompt's keys begin. */
  readonly column: number;
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly entropies: number[];
  /** Of its own tokens that were read, where they are kept. */
  readonly places: number[];
  ended: boolean;
}

export interface GenerateContext {
  readonly machine: Machine;
  readonly heap: Heap;
  readonly frame: Frame;
  readonly policy: Policy;
  readonly rank: number;
  /** Tokens of one pass over prompts. */
  readonly maxPlaces: number;
  /** Where all that is computed stays for a step; null: nowhere. */
  readonly kept: Kept | null;
}

/** Tokens that a row may get at most. */
export const longestReply = (config: PolicyConfig, prompts: readonly Int32Array[], { maxNewTokens }: Sampling): number => {
  const shortest = prompts.reduce((least, { length }) => Math.min(least, length), config.maxPositions);
  return Math.max(0, Math.min(maxNewTokens, config.maxPositions - shortest));
};

/** What a generation takes. @param n places of the largest pass  @param columns of all prompts  @param room columns of a row's own keys */
export function generationBuffers(
  take: Take,
  config: PolicyConfig,
  of: {
    readonly n: number;
    readonly rank: number;
    readonly rows: number;
    readonly prompts: number;
    readonly columns: number;
    readonly room: number;
    readonly widest: number;
  },
) {
  const { layers, kvHeads, headDim, vocabSize } = config;
  const { n, rank, rows, prompts, columns, room, widest } = of;
  const each = (numbers: number) => Array.from({ length: layers }, () => take(numbers));
  const wide = upTo(headDim, 8);
  return {
    forward: forwardBuffers(take, config, Math.max(n, rows), 'none', rank),
    attention: attentionBuffers(take, config, { count: prompts, table: new Int32Array(0), columns: 0, longest: 0, widest }, true),
    head: headBuffers(take, config, Math.max(rows, prompts), false),
    keys: each(kvHeads * columns * headDim),
    values: each(kvHeads * columns * wide),
    ownKeys: each(rows * kvHeads * room * headDim),
    ownValues: each(rows * kvHeads * room * wide),
    table: take(5 * rows),
    weights: take(vocabSize + 4),
    order: take(vocabSize + 4),
    said: take(2),
  };
}

type Buffers = ReturnType<typeof generationBuffers>;

/** The shape of a generation, for `generationBuffers`. @param maxPlaces tokens of one pass over prompts */
export function generationShape(
  config: PolicyConfig,
  prompts: readonly Int32Array[],
  repeats: number,
  sampling: Sampling,
  maxPlaces: number,
  rank: number,
) {
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0);
  const all = prompts.reduce((sum, { length }) => sum + length, 0);
  const room = upTo(longestReply(config, prompts, sampling), 8);
  return {
    n: Math.max(longest, Math.min(all, maxPlaces)),
    rank,
    rows: prompts.length * repeats,
    prompts: prompts.length,
    columns: prompts.reduce((sum, { length }) => sum + upTo(length, 8), 0),
    room,
    widest: upTo(longest, 8) + room,
  };
}

/**
 * @param request some of the prompts of a whole request, with `sampling.firstRow` of the first of them
 * @param firstRow @param allRows where these rows lie among all, for progress
 */
export async function generateGroups(
  context: GenerateContext,
  request: GenerateRequest,
  firstRow: number,
  allRows: number,
  onProgress?: (progress: GenerateProgress) => void,
): Promise<Row[]> {
  const { machine, frame, maxPlaces, rank } = context;
  const { prompts, repeats, sampling } = request;
  const { config } = machine;
  let columns = 0;
  const rows: Row[] = prompts.flatMap((prompt, group) => {
    const column = columns;
    columns += upTo(prompt.length, 8);
    const empty = () => ({ tokens: [], logprobs: [], entropies: [], places: [], ended: false });
    return Array.from({ length: repeats }, (_, i): Row => ({ id: group * repeats + i, prompt, column, ...empty() }));
  });
  if (rows.length === 0 || sampling.maxNewTokens <= 0) return rows;
  const shape = generationShape(config, prompts, repeats, sampling, maxPlaces, rank);
  const b = frame.lay((take) => generationBuffers(take, config, shape));
  const draw = drawer(context, b, sampling);
  let active = rows;
  let promptPlaces: readonly number[] = [];
  for (let position = 0; active.length > 0; position++) {
    stopIfAsked(request);
    if (position === 0) {
      const begin = (group: number, logits: number) =>
        rows.slice(group * repeats, (group + 1) * repeats).forEach((row) => draw(row, logits));
      promptPlaces = await readPrompts(context, b, request, shape.columns, begin);
    } else {
      await readNext(context, b, shape, active, draw);
    }
    const tokens = new Int32Array(allRows).fill(-1);
    for (const row of active) tokens[firstRow + row.id] = row.tokens.at(-1)!;
    active = active.filter((row) => isRunning(row, sampling, config));
    onProgress?.({ position, active: active.length, tokens });
    await breathe();
  }
  rows.forEach(({ prompt, tokens, places: own }, row) => {
    context.kept?.add([...prompt, ...tokens], { prompt: promptPlaces[Math.floor(row / repeats)]!, own });
  });
  return rows;
}

function stopIfAsked({ signal }: GenerateRequest): void {
  if (signal?.aborted) throw new LabError('cancelled', 'Generation was stopped.', 'Nothing was lost.');
}

const isRunning = (row: Row, { maxNewTokens }: Sampling, config: PolicyConfig): boolean =>
  !row.ended && row.tokens.length < maxNewTokens && row.prompt.length + row.tokens.length < config.maxPositions;

type Draw = (row: Row, logits: number) => void;

function drawer({ machine, heap }: GenerateContext, b: Buffers, sampling: Sampling): Draw {
  const { kernels, config } = machine;
  const { temperature, topK, topP, seed, step, firstRow, eosIds } = sampling;
  const greedy = temperature > 0 ? 0 : 1;
  const inverse = Math.fround(temperature > 0 ? 1 / temperature : 1);
  const outside = topP < 1 ? Math.fround(1 - Math.fround(topP)) : 0;
  const minP = Math.fround(sampling.minP);
  return (row, logits) => {
    const uniform = counterUniform(seed, step, firstRow + row.id, row.tokens.length);
    const token = kernels.sample(config.vocabSize, logits, b.weights, b.order, greedy, inverse, topK, outside, minP, uniform, b.said);
    const [logprob, entropy] = heap.floats(b.said, 2);
    row.tokens.push(token);
    row.logprobs.push(logprob!);
    row.entropies.push(entropy!);
    row.ended = eosIds.includes(token);
  };
}

/** Fills the cache, and hands the logits after each prompt on. @returns the first place of each prompt, where they are kept */
async function readPrompts(
  context: GenerateContext,
  b: Buffers,
  request: GenerateRequest,
  columns: number,
  use: (group: number, logits: number) => void,
): Promise<number[]> {
  const { machine, heap, policy, maxPlaces } = context;
  const { prompts } = request;
  let column = 0;
  const promptPlaces: number[] = [];
  for (let first = 0; first < prompts.length;) {
    stopIfAsked(request);
    let last = first;
    for (let places = 0; last < prompts.length; last++) {
      places += prompts[last]!.length;
      if (last > first && places > maxPlaces) break;
    }
    const pass = tabled(passOfTexts(prompts.slice(first, last)));
    const { segments } = pass;
    // Their keys lie after those of the prompts before them.
    const table = segments.table.map((value, i) => (i % 5 === 3 ? value + column : value));
    heap.integers(b.attention.segments, table.length).set(table);
    const attention = (layer: number): AttentionBuffers => ({ ...b.attention, keys: b.keys[layer]!, values: b.values[layer]! });
    const attend = attendSegments(machine, { ...segments, columns }, attention);
    const { place, last: stream } = await forward(context, b, pass, attend);
    for (let i = 0; i < segments.count; i++) promptPlaces.push(place + segments.table[5 * i]!);
    const ends = Int32Array.from({ length: segments.count }, (_, i) => segments.table[5 * i]! + segments.table[5 * i + 1]! - 1);
    heap.integers(b.head.places, ends.length).set(ends);
    headInput(machine, policy, b.head, ends.length, stream);
    const start = first;
    await logitsOf(context, b, ends.length, (i, logits) => use(start + i, logits));
    column += segments.columns;
    first = last;
  }
  return promptPlaces;
}

/** @returns the first of its places, where they are kept, and where the stream [N, D] after the last layer is */
async function forward(
  { machine, heap, policy, kept }: GenerateContext,
  b: Buffers,
  { places, tokens, positions }: Omit<Pass, 'segments'>,
  attend: Attend,
): Promise<{ readonly place: number; readonly last: number }> {
  heap.integers(b.forward.tokens, places).set(tokens);
  heap.integers(b.forward.positions, places).set(positions);
  const stays = kept?.take(places);
  const buffers = { ...b.forward, ...stays?.buffers };
  await decoderForward(machine, policy, buffers, places, attend, breathe);
  return { place: stays?.first ?? 0, last: buffers.last };
}

/** Logits of the head's first `count` inputs, one row after the other. */
async function logitsOf(
  { machine, policy }: GenerateContext,
  b: Buffers,
  count: number,
  use: (i: number, logits: number) => void,
): Promise<void> {
  const { vocabSize } = machine.config;
  const size = chunkCells(count, vocabSize);
  for (let first = 0; first < count; first += size) {
    const some = Math.min(size, count - first);
    headLogits(machine, policy, b.head, b.forward.linear, first, some);
    for (let i = 0; i < some; i++) use(first + i, b.head.logits + 4 * i * vocabSize);
    await breathe();
  }
}

/** Reads the newest token of each row, and draws the one after it. */
async function readNext(
  context: GenerateContext,
  b: Buffers,
  { columns, room }: { readonly columns: number; readonly room: number },
  active: readonly Row[],
  draw: Draw,
): Promise<void> {
  const { machine, heap, policy } = context;
  const { config, kernels } = machine;
  const { heads, kvHeads, headDim } = config;
  const count = active.length;
  const table = active.flatMap(({ id, prompt, tokens, column }) => [id, column, prompt.length, tokens.length - 1, 0]);
  heap.integers(b.table, 5 * count).set(table);
  const attend: Attend = (layer, turned, mixed, lse) => {
    const cache = [b.keys[layer]!, b.values[layer]!, b.ownKeys[layer]!, b.ownValues[layer]!] as const;
    const [window, scale] = [windowNumber(config, layer), attentionScale(config)];
    kernels.attendNext(
      b.table,
      count,
      columns,
      room,
      heads,
      kvHeads,
      headDim,
      window,
      scale,
      turned,
      ...cache,
      b.attention.scores,
      mixed,
      lse,
    );
  };
  const tokens = Int32Array.from(active, (row) => row.tokens.at(-1)!);
  const positions = Int32Array.from(active, (row) => row.prompt.length + row.tokens.length - 1);
  const { place, last } = await forward(context, b, { places: count, tokens, positions }, attend);
  active.forEach((row, i) => row.places.push(place + i));
  heap.integers(b.head.places, count).set(active.map((_, i) => i));
  headInput(machine, policy, b.head, count, last);
  await logitsOf(context, b, count, (i, logits) => draw(active[i]!, logits));
}

/** Rows of one generation, or of several after one another, as the contract has them. */
export function collect(rows: readonly Row[], config: PolicyConfig): Rollouts {
  const longest = (length: (row: Row) => number) => rows.reduce((most, row) => Math.max(most, length(row)), 0);
  const width = longest((row) => row.prompt.length + row.tokens.length);
  const completionWidth = longest((row) => row.tokens.length);
  const tokens = new Int32Array(rows.length * width).fill(config.padId ?? 0);
  const logprobs = new Float32Array(rows.length * completionWidth);
  const entropies = new Float32Array(rows.length * completionWidth);
  rows.forEach((row, r) => {
    tokens.set(row.prompt, r * width);
    tokens.set(row.tokens, r * width + row.prompt.length);
    logprobs.set(row.logprobs, r * completionWidth);
    entropies.set(row.entropies, r * completionWidth);
  });
  return {
    rows: rows.length,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(rows, (row) => row.prompt.length),
    lengths: Int32Array.from(rows, (row) => row.prompt.length + row.tokens.length),
    logprobs,
    entropies,
    ended: Uint8Array.from(rows, (row) => (row.ended ? 1 : 0)),
  };
}
