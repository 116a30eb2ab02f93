/**
 * What a run will need on the GPU, said before it starts: bytes by purpose, how many tokens a pass and how many prompts a generation takes, whether the backward
 * pass keeps what the forward pass made or makes it again, and a refusal with the dial to turn. The sizes are not estimates: the same
 * builders that make the plans are asked what buffers they would take. It cannot know how much memory the GPU has left: what may be taken is
 * a setting, and what is refused at allocation is halved (`engine.ts`). The same settings always give the same answer, whatever ran before.
 */
import type { CellShape, Machine, ParameterViews } from './machine.ts';
import { LabError } from '../../errors.ts';
import type { MemoryPlan, ObjectiveSpec, Sampling, TrainingShape } from '../engine.ts';
import { align } from '../gpu/work.ts';
import { bucket, mostSegments, placeBucket } from './batch.ts';
import { cellBucket } from './head.ts';
import { wordsOf, type ArenaLayout } from './layout.ts';
import type { Gradients, PolicyViews } from './linear.ts';
import { scorePass, trainPass } from './passes.ts';
import { sizesOf } from './plans.ts';
import { generationSizes, rolloutShape, type CacheFormat } from './rollouts.ts';
import { updateBuffers } from './update.ts';

/** Places of one pass, unless the limits ask for fewer. */
export const maxPlaces = 8192;
/** A pass of fewer leaves a GPU half idle; rather than that, what can be made again is not kept. */
const enoughPlaces = 1024;
/** Bytes that an engine takes where nobody says how much it may. */
export const defaultBudget = 4 * 2 ** 30;

export interface Limits {
  /** Bytes of one buffer and of one binding. */
  readonly bindable: number;
  /** Bytes of everything together. */
  readonly budget: number;
}

/** Where what computes lies, and where its adapters do; null: all parameters are trained. */
export interface Layouts {
  readonly layout: ArenaLayout;
  readonly adapters: ArenaLayout | null;
}

/** What is to go through passes. */
export interface BatchShape {
  readonly rows: number;
  /** A prompt counts once for all rows after one another that begin with it. */
  readonly tokens: number;
  /** Of a row, and of its completion. */
  readonly width: number;
  readonly completionWidth: number;
}

export interface PassFit {
  /** Of prompts, each once, and completions: no pass of so many has more places, or more cells. */
  readonly tokens: number;
  /** What a backward pass finds: all that the forward pass made, or the inputs of the layers. */
  readonly keep: 'all' | 'inputs';
}

export interface GenerationFit {
  /** Prompts, each with all its repeats. */
  readonly groups: number;
  readonly cache: CacheFormat;
}

/** A layout without memory, for asking builders what they need. */
export function imagined(layout: ArenaLayout): ParameterViews {
  return {
    layout,
    view(name) {
      return { buffer: null!, offset: 0, size: wordsOf(layout.slots.get(name)!) * 4 };
    },
    part: (index) => ({ buffer: null!, offset: 0, size: layout.parts[index]!.length * 4 }),
  };
}

function imaginedPolicy({ layout, adapters }: Layouts): PolicyViews {
  return { parameters: imagined(layout), adapters: adapters && { views: imagined(adapters), scale: 1 } };
}

/** Numbers of four bytes by buffer. */
type Sizes = Readonly<Record<string, number>>;

function passSizes(machine: Machine, layouts: Layouts, shape: CellShape, kind: 'train' | 'score', keep: PassFit['keep']): Sizes {
  const policy = imaginedPolicy(layouts);
  if (kind === 'score') return sizesOf(scorePass(machine, policy, shape, 1));
  const objective: ObjectiveSpec = {
    term: 'clip',
    ratio: 'token',
    epsilonLow: 0,
    epsilonHigh: 0,
    beta: 0,
    kl: 'none',
    entropyCoef: 0,
    temperature: 1,
  };
  const { parameters, adapters } = policy;
  const gradients: Gradients = adapters ? { of: 'adapters', views: adapters.views } : { of: 'parameters', views: parameters };
  return sizesOf(trainPass(machine, policy, gradients, shape, { objective, old: 'ratio', ref: true, stepTokens: 1, keep }));
}

/** A buffer that several use is there once, as large as the largest needs it. */
function together(...all: readonly Sizes[]): Sizes {
  const names = new Set(all.flatMap((sizes) => Object.keys(sizes)));
  return Object.fromEntries([...names].map((name) => [name, Math.max(...all.map((sizes) => sizes[name] ?? 0))]));
}

const bytesOf = (sizes: Sizes) => Object.values(sizes).reduce((total, length) => total + align(length * 4), 0);
const largestOf = (sizes: Sizes) => Object.entries(sizes).reduce((a, b) => (b[1] > a[1] ? b : a), ['nothing', 0] as const);
const bytesIn = ({ parts }: ArenaLayout) => parts.reduce((total, { length }) => total + length * 4, 0);

/** What is there whatever is computed. */
function fixedBytes({ layout, adapters }: Layouts, reference: number) {
  const frozen = adapters ? bytesIn(layout) : 0;
  const trained = bytesIn(adapters ?? layout);
  // Of adapters the reference is the base itself, without them.
  return { frozen, trained, reference: adapters ? 0 : reference, total: frozen + 4 * trained + (adapters ? 0 : reference) };
}

/** Of the room for buffers, which are other ones for the most part. A pass that only scores keeps nothing of a layer. */
const shares = { train: 0.45, generate: 0.45, score: 0.1 };

/** Bytes for the buffers of a pass or of a generation. */
function share(layouts: Layouts, { budget }: Limits, kind: keyof typeof shares): number {
  return shares[kind] * Math.max(budget / 4, budget - fixedBytes(layouts, bytesIn(layouts.layout)).total);
}

/** The largest pass of so many tokens of a batch: the loss's grid may be that of all its rows. */
const passShape = ({ rows, width, completionWidth }: BatchShape, tokens: number): CellShape => ({
  places: placeBucket(tokens),
  segments: mostSegments(rows),
  width,
  rows,
  completionWidth,
  cells: cellBucket(Math.min(tokens, rows * completionWidth)),
});

/**
 * The most tokens of one pass whose buffers the adapter binds and the budget holds, within `maxPlaces`, but no fewer than a row's.
 * @param batch its widths as buckets  @throws LabError `webgpu` where a single row is more than the adapter binds
 */
export function fitPass(machine: Machine, layouts: Layouts, batch: BatchShape, kind: 'train' | 'score', limits: Limits): PassFit {
  const room = share(layouts, limits, kind);
  const { width } = batch;
  const most = (keep: PassFit['keep']): PassFit => {
    for (let tokens = Math.max(width, Math.min(batch.tokens, maxPlaces)); ; tokens = Math.max(width, Math.ceil(tokens / 2))) {
      const least = tokens === width;
      const sizes = passSizes(machine, layouts, passShape(batch, tokens), kind, keep);
      const [name, length] = largestOf(sizes);
      if (length * 4 <= limits.bindable && (least || bytesOf(sizes) <= room)) return { tokens, keep };
      if (!least) continue;
      throw new LabError(
        'webgpu',
        `A single row of ${width} tokens needs ${mebibytes(length * 4)} MiB for "${name}", this GPU binds at most ${mebibytes(limits.bindable)} MiB at once.`,
        'Use shorter prompts or completions, a policy with a smaller vocabulary, or another device.',
      );
    }
  };
  const whole = most('all');
  if (kind === 'score' || whole.tokens >= Math.min(batch.tokens, enoughPlaces)) return whole;
  return most('inputs');
}

/** The most prompts that are generated for at once, keys and values in float16 where float32 would ask for several turns. */
export function fitGeneration(
  machine: Machine,
  layouts: Layouts,
  of: {
    readonly groups: number;
    readonly longest: number;
    readonly shortest: number;
    readonly repeats: number;
    readonly sampling: Sampling;
  },
  limits: Limits,
): GenerationFit {
  const room = share(layouts, limits, 'generate');
  const policy = imaginedPolicy(layouts);
  const { longest, shortest, repeats, sampling } = of;
  const most = (cache: CacheFormat): GenerationFit => {
    const places = Math.max(1, Math.floor((2 * maxPlaces) / bucket(longest)));
    for (let groups = Math.min(of.groups, places); ; groups = Math.ceil(groups / 2)) {
      const shape = rolloutShape({ groups, longest, shortest, repeats, maxNewTokens: sampling.maxNewTokens }, machine.config.maxPositions);
      const sizes = generationSizes(machine, policy, { ...shape, cache }, sampling);
      if (groups === 1 || (largestOf(sizes)[1] * 4 <= limits.bindable && bytesOf(sizes) <= room)) return { groups, cache };
    }
  };
  const plain = most('f32');
  return plain.groups === of.groups || !halvesCache(machine) ? plain : most('f16');
}

/** Whether keys and values of this policy can lie two in a word as the kernel reads them: by fours of half a head. */
const halvesCache = ({ config }: Machine) => config.headDim % 8 === 0;

/** @param reference bytes of a copy of the policy  @throws LabError `webgpu` or `memory` naming what does not fit and the dial */
export function planMemory(
  machine: Machine,
  layouts: Layouts,
  shape: TrainingShape,
  limits: Limits,
  reference = bytesIn(layouts.layout),
): MemoryPlan {
  const fixed = fixedBytes(layouts, shape.withReference ? reference : 0);
  const width = bucket(shape.width);
  const completionWidth = bucket(shape.completionWidth);
  const { groups = shape.rows } = shape;
  const repeats = Math.max(1, Math.ceil(shape.rows / groups));
  const longest = Math.max(1, shape.width - shape.completionWidth);
  /** Of so many rows at most, each with the longest prompt and completion. */
  const tokensOf = (rows: number) => Math.ceil(rows / repeats) * longest + rows * shape.completionWidth;
  const batch = { rows: shape.rows, tokens: tokensOf(shape.rows), width, completionWidth };
  const fit = fitPass(machine, layouts, batch, 'train', limits);
  let rows = shape.microBatchRows > 0 ? Math.min(shape.microBatchRows, shape.rows) : shape.rows;
  while (rows > 1 && tokensOf(rows) > fit.tokens) rows--;
  const keep = shape.recompute === undefined ? fit.keep : shape.recompute ? 'inputs' : 'all';
  const sizes = (tokens: number, kind: 'train' | 'score') => passSizes(machine, layouts, passShape(batch, tokens), kind, keep);
  const update = sizesOf((memory) => updateBuffers(memory, (layouts.adapters ?? layouts.layout).parts.length, shape.rows));
  // What scores has buffers of its own, and is the reference's.
  const scored = () => sizes(fitPass(machine, layouts, batch, 'score', limits).tokens, 'score');
  const pass = together(sizes(Math.min(fit.tokens, tokensOf(rows)), 'train'), shape.withReference ? scored() : {}, update);
  const sampling = { ...greedy, maxNewTokens: shape.completionWidth };
  const asked = { groups, longest, shortest: longest, repeats, sampling };
  const planned = fitGeneration(machine, layouts, asked, limits);
  const generation = shape.cache ? { ...planned, cache: shape.cache } : planned;
  const drawn = rolloutShape({ ...asked, groups: generation.groups, maxNewTokens: shape.completionWidth }, machine.config.maxPositions);
  const decode = generationSizes(machine, imaginedPolicy(layouts), { ...drawn, cache: generation.cache }, sampling);
  const passes = Object.entries(pass)
    .map(([name, length]) => ({ name, bytes: align(length * 4) }))
    .sort((a, b) => b.bytes - a.bytes);
  const drawing = bytesOf(together(pass, decode)) - bytesOf(pass);
  const total = fixed.total + bytesOf(pass) + drawing;
  const plan: MemoryPlan = {
    weights: fixed.frozen + fixed.trained,
    gradients: fixed.trained,
    moments: 2 * fixed.trained,
    reference: fixed.reference,
    passes,
    generation: drawing,
    total,
    budget: limits.budget,
    rowsPerPass: rows,
    recomputed: keep === 'inputs',
    promptsPerGeneration: generation.groups,
    cache: generation.cache,
  };
  if (total > limits.budget) throw tooMuch(plan, layouts);
  return plan;
}

const greedy: Sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: 1, eosIds: [], seed: 0, step: 0, firstRow: 0 };

function tooMuch({ total, budget, weights, gradients, moments, reference }: MemoryPlan, { adapters }: Layouts): LabError {
  const rest = total - weights - gradients - moments - reference;
  const parts = `weights ${mebibytes(weights)}, gradients and moments ${mebibytes(gradients + moments)}, reference ${mebibytes(reference)}, rows ${mebibytes(rest)}`;
  const dials = [
    ...(adapters ? [] : ['train adapters instead of all parameters (lora)']),
    ...(rest > weights ? ['use fewer or shorter replies'] : []),
    'choose a smaller policy',
  ];
  return new LabError(
    'memory',
    `This run needs about ${mebibytes(total)} MiB on the GPU and may take ${mebibytes(budget)} MiB (in MiB: ${parts}).`,
    `${capital(dials.join(', '))}, or let it take more: --gpu-memory GIB on the command line, ?gpuMemory=GIB in the page's address.`,
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
