/**
 * Where every parameter of a policy lies in the fused engine's arenas, and the way there and back. Matrices keep Hugging
 * Face's [out, in]; q|k|v are neighbours and so are gate|up, so each is one product. Matrices come first, vectors (norms,
 * biases) after them, because weight decay stops at that border. Gradients and moments lie the same way.
 * An arena is as few buffers as the adapter's limits allow; a matrix never straddles two. One that is too large to be bound is cut into
 * shards, each some of its rows, which lie as matrices of their own; how they are one in products is `weight.ts`.
 */
import { LabError } from '../../errors.ts';
import { adaptedMatrices, adapterShapes, type LoraSpec } from '../../policy/adapters.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors, Weights } from '../../policy/weights.ts';
import { align, viewAlignment } from '../gpu/work.ts';
import { adapterPieces, policyPieces, type Piece } from '../pieces.ts';
import type { WeightFormat } from './kernels/matmul.ts';

/** A matrix, a shard of one, or a vector: what kernels read as one. */
export interface Slot {
  /** Of a shard: that of the matrix, and which of them it is. */
  readonly name: string;
  /** Which buffer of the arena. */
  readonly part: number;
  /** Words of four bytes from the start of that buffer; a multiple of 64. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** 16-bit ones lie two in a word. */
  readonly format: WeightFormat;
  /** The parameters it is made of, by name; one after the other, or, where they have a stride, side by side. */
  readonly sources: readonly Source[];
  /** Rows of each block on its diagonal, also of one that is of no source and stays 0. */
  readonly blocks?: readonly number[];
}

interface Source {
  readonly name: string;
  /** Numbers of it that lie in shards before. */
  readonly first: number;
  /** Numbers from the start of the slot. */
  readonly offset: number;
  /** Numbers of it that lie here. */
  readonly length: number;
  /** Of rows narrower than the slot's: numbers of a row, and from one row to the next. */
  readonly rows?: { readonly width: number; readonly stride: number };
}

export interface ArenaPart {
  /** Words of four bytes. */
  readonly length: number;
  /** Words from the start that weight decay applies to. */
  readonly decayed: number;
}

export interface ArenaLayout {
  readonly slots: ReadonlyMap<string, Slot>;
  /** Of every matrix that is cut, by its name, which no slot has: its shards, in the order of its rows. */
  readonly shards: ReadonlyMap<string, readonly Slot[]>;
  readonly parts: readonly ArenaPart[];
  /** Bytes that a buffer may have. */
  readonly maxBytes: number;
}

/** A piece, and how it lies. */
interface Placed extends Piece {
  /** Absent: float32. */
  readonly format?: WeightFormat;
}

const product = (shape: readonly number[]) => shape.reduce((total, n) => total * n, 1);

/**
 * All in float32, as what is trained is.
 * @param maxBytes of one buffer and of one binding
 * @throws LabError `webgpu` where a single row of a matrix, or a vector, is larger than that
 */
export function policyLayout(config: PolicyConfig, maxBytes: number): ArenaLayout {
  return layOut(policyPieces(config), lengthsOf(config), maxBytes, inShards);
}

/**
 * Matrices in 16 bits where no number of them is changed by it, or where they were quantised, whose numbers come closest in float16.
 * @returns `plain` itself where everything is float32  @throws LabError as `policyLayout`
 */
export function frozenLayout(config: PolicyConfig, tensors: PolicyTensors, plain: ArenaLayout, maxBytes: number): ArenaLayout {
  const pieces = policyPieces(config).map((piece): Placed => ({ ...piece, format: formatOf(piece, tensors) }));
  return pieces.every(({ format }) => format === 'f32') ? plain : layOut(pieces, lengthsOf(config), maxBytes, inShards);
}

function formatOf({ shape, sources }: Piece, tensors: PolicyTensors): WeightFormat {
  const stored = sources.map((name) => tensors.get(name)!.format);
  // Of two numbers in a word, both are of one row.
  if (shape.length < 2 || shape[1]! % 2 !== 0 || stored.includes('f32')) return 'f32';
  if (stored.every((format) => format === 'bf16')) return 'bf16';
  return stored.includes('bf16') ? 'f32' : 'f16';
}

/** Words of four bytes. */
export const wordsOf = ({ shape, format }: Pick<Slot, 'shape' | 'format'>) => product(shape) / (format === 'f32' ? 1 : 2);

const lengthsOf = (config: PolicyConfig) => new Map(parameterShapes(config).map(({ name, shape }) => [name, product(shape)]));

/**
 * Where the adapters of a policy lie: those of `adapterPieces`, of which only what is adapted has a source. They are never cut.
 * @throws LabError `webgpu` where one is larger than the GPU binds
 */
export function adapterLayout(config: PolicyConfig, lora: Omit<LoraSpec, 'alpha'>, maxBytes: number): ArenaLayout {
  const { rank } = lora;
  const adapted = new Set(adaptedMatrices(config, lora).flatMap(({ a, b }) => [a, b]));
  const pieces = adapterPieces(config, lora);
  const lengths = new Map(adapterShapes(config, { rank }).map(({ name, shape }) => [name, product(shape)]));
  const { slots, ...layout } = layOut(pieces, lengths, maxBytes, inOnePiece);
  const kept = [...slots].map(
    ([name, slot]) => [name, { ...slot, sources: slot.sources.filter((source) => adapted.has(source.name)) }] as const,
  );
  return { ...layout, slots: new Map(kept) };
}

/** What becomes of a matrix that is too large to be bound: it is cut, or refused. */
interface Cutting {
  readonly cut: boolean;
  readonly advice: string;
}
const inShards: Cutting = { cut: true, advice: 'Choose a policy with a smaller width, or another device.' };
const inOnePiece: Cutting = { cut: false, advice: 'Use adapters of a smaller rank, or another device.' };

/** @param lengths of the sources, in numbers */
function layOut(pieces: readonly Placed[], lengths: ReadonlyMap<string, number>, maxBytes: number, cutting: Cutting): ArenaLayout {
  const slots = new Map<string, Slot>();
  const shards = new Map<string, readonly Slot[]>();
  const parts: { length: number; decayed: number }[] = [{ length: 0, decayed: 0 }];
  const place = (of: Omit<Slot, 'part' | 'offset'>): Slot => {
    const words = align(wordsOf(of) * 4) / 4;
    let current = parts.at(-1)!;
    if ((current.length + words) * 4 > maxBytes) parts.push((current = { length: 0, decayed: 0 }));
    const slot = { ...of, part: parts.length - 1, offset: current.length };
    slots.set(of.name, slot);
    current.length += words;
    if (of.shape.length > 1) current.decayed = current.length;
    return slot;
  };
  for (const piece of pieces) {
    const { name, shape, format = 'f32', diagonal } = piece;
    const sources = sourcesOf(piece, lengths);
    const ranges = rowRanges(piece, maxBytes, cutting);
    if (ranges.length === 1) {
      const blocks = diagonal === undefined ? {} : { blocks: piece.sources.map((source) => lengths.get(source)! / diagonal) };
      place({ name, shape, format, sources, ...blocks });
      continue;
    }
    const placed = ranges.map(({ first, count }, index) => {
      const width = shape[1]!;
      return place({
        name: `${name}, shard ${index}`,
        shape: [count, width],
        format,
        sources: within(sources, first * width, count * width),
      });
    });
    shards.set(name, placed);
  }
  return { slots, shards, parts, maxBytes };
}

function sourcesOf({ shape, sources, diagonal }: Piece, lengths: ReadonlyMap<string, number>): Source[] {
  let inside = 0;
  return sources.map((name, block): Source => {
    const length = lengths.get(name)!;
    if (diagonal === undefined) {
      inside += length;
      return { name, first: 0, offset: inside - length, length };
    }
    const offset = inside + block * diagonal;
    const stride = shape[1]!;
    inside += (length / diagonal) * stride;
    return { name, first: 0, offset, length, rows: { width: diagonal, stride } };
  });
}

/** What lies in `count` numbers from number `from` on. */
function within(sources: readonly Source[], from: number, count: number): Source[] {
  return sources.flatMap(({ name, offset, length }): Source[] => {
    const [start, end] = [Math.max(offset, from), Math.min(offset + length, from + count)];
    return start < end ? [{ name, first: start - offset, offset: start - from, length: end - start }] : [];
  });
}

/** Rows of a piece that lie together: all, or even parts of which each can be bound. */
function rowRanges(
  { shape, sources, format = 'f32' }: Placed,
  maxBytes: number,
  { cut, advice }: Cutting,
): { readonly first: number; readonly count: number }[] {
  const rows = shape[0]!;
  // A slot ends where the next may begin.
  const most = Number.isFinite(maxBytes) ? maxBytes - (maxBytes % viewAlignment) : maxBytes;
  const bytes = wordsOf({ shape, format }) * 4;
  if (bytes <= most) return [{ first: 0, count: rows }];
  const cuttable = cut && shape.length > 1;
  const fit = cuttable ? Math.floor(most / (bytes / rows)) : 0;
  if (fit < 1) {
    const [what, size] = cuttable ? ['A row of', bytes / rows] : ['All of', bytes];
    throw new LabError(
      'webgpu',
      `${what} ${sources[0]} takes ${Math.ceil(size / 2 ** 20)} MiB, this GPU binds at most ${Math.floor(maxBytes / 2 ** 20)} MiB at once.`,
      advice,
    );
  }
  const even = Math.ceil(rows / Math.ceil(rows / fit));
  // Whole tiles of products fill a shard, or at least begin and end at quads, where that makes no more of them.
  const count = [64, 4, 1].map((step) => Math.ceil(even / step) * step).find((some) => some <= fit)!;
  return Array.from({ length: Math.ceil(rows / count) }, (_, i) => ({ first: i * count, count: Math.min(count, rows - i * count) }));
}

/** @throws Error where a source of the layout has no numbers, or not so many */
export function checkSources(layout: ArenaLayout, weights: Weights): void {
  const lengths = new Map<string, number>();
  for (const { sources } of layout.slots.values()) {
    for (const { name, first, length } of sources) lengths.set(name, first + length);
  }
  for (const [name, length] of lengths) {
    if (weights[name]?.length !== length) throw new Error(`${name} has ${weights[name]?.length} numbers, not ${length}`);
  }
}

/**
 * Host weights (or moments) as an arena in float32 holds them.
 * @param out the words of a part from `first` on; what is of no source is left as it is
 */
export function packRange(layout: ArenaLayout, part: number, first: number, out: Float32Array, weights: Weights): void {
  for (const run of runsIn(layout, part, first, out.length)) {
    out.set(weights[run.name]!.subarray(run.from, run.from + run.length), run.at);
  }
}

/** The inverse of `packRange`. @param into by name, to be filled */
export function unpackRange(
  layout: ArenaLayout,
  part: number,
  first: number,
  words: Float32Array,
  into: ReadonlyMap<string, Float32Array>,
): void {
  for (const run of runsIn(layout, part, first, words.length)) {
    into.get(run.name)!.set(words.subarray(run.at, run.at + run.length), run.from);
  }
}

/** Numbers `from` … of a source that lie one after the other from word `at` of the range on. */
interface Run {
  readonly name: string;
  readonly from: number;
  readonly at: number;
  readonly length: number;
}

function* runsIn(layout: ArenaLayout, part: number, first: number, length: number): Generator<Run> {
  const end = first + length;
  for (const slot of layout.slots.values()) {
    if (slot.part !== part || slot.offset >= end || slot.offset + wordsOf(slot) <= first) continue;
    for (const source of slot.sources) {
      const { width, stride } = source.rows ?? { width: source.length, stride: source.length };
      const start = slot.offset + source.offset;
      const rows = source.length / width;
      for (let row = Math.max(0, Math.floor((first - start) / stride)); row < rows && start + row * stride < end; row++) {
        const begin = start + row * stride;
        const [from, to] = [Math.max(begin, first), Math.min(begin + width, end)];
        if (from < to) yield { name: source.name, from: source.first + row * width + from - begin, at: from - first, length: to - from };
      }
    }
  }
}
