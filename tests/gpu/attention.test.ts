/**
 * Attention of the fused engine: over whole rows and over segments that share their prompt against float64 loops, backward against them and
 * against differences, and of one token at a time against whole rows. Filling holds numbers that would overflow wherever they were read.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tablesOf, tablesOfRows, type PlaceTables } from '../../src/engine/fused/batch.ts';
import { attentionBackward, attentionForward, decodeAttention, rowsAt } from '../../src/engine/fused/kernels/attention.ts';
import { turnForward } from '../../src/engine/fused/kernels/turn.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { ropeTable } from '../../src/engine/rope-table.ts';
import type { Segment } from '../../src/engine/segments.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { WorkBench, untouched } from '../helpers/gpu-work.ts';
import { expectClose, normals } from '../helpers/numbers.ts';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
  bench = new WorkBench(gpu.device);
});
afterEach(() => gpu.check());
afterAll(() => {
  bench.dispose();
  gpu.release();
});

const poison = 3e38;

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Whole rows of one width, right-padded; */
  readonly width?: number;
  readonly lengths?: readonly number[];
  /** or segments one after the other, of so many places after a prefix, and what fills them up. */
  readonly segments?: readonly (readonly [places: number, prefix: number])[];
  readonly filling?: number;
  readonly window?: number;
  readonly scale?: number;
  /** Lanes that share a query or a key. */
  readonly team?: number;
}

const shapes: readonly Shape[] = [
  { width: 1, heads: 1, kvHeads: 1, headDim: 2, lengths: [1] },
  { width: 7, heads: 2, kvHeads: 1, headDim: 6, lengths: [7, 1, 0, 4] },
  { width: 19, heads: 6, kvHeads: 2, headDim: 16, lengths: [13, 19] },
  { width: 65, heads: 3, kvHeads: 3, headDim: 24, lengths: [65, 64, 17] },
  { width: 70, heads: 4, kvHeads: 2, headDim: 32, lengths: [70, 33] },
  { width: 37, heads: 7, kvHeads: 1, headDim: 64, lengths: [37] },
  { width: 21, heads: 2, kvHeads: 1, headDim: 128, lengths: [20, 21] },
  { width: 517, heads: 2, kvHeads: 1, headDim: 16, lengths: [517, 300] },
  // The nearest only: itself, a few, more than there are; and scores scaled otherwise.
  { width: 7, heads: 2, kvHeads: 1, headDim: 6, lengths: [7, 1, 0, 4], window: 1, scale: 0.5 },
  { width: 70, heads: 4, kvHeads: 2, headDim: 32, lengths: [70, 33], window: 9, scale: 0.125 },
  { width: 19, heads: 6, kvHeads: 2, headDim: 16, lengths: [13, 19], window: 64 },
];
const sharing: readonly Shape[] = [
  { heads: 1, kvHeads: 1, headDim: 2, segments: [[1, -1], [1, 0]] },
  { heads: 2, kvHeads: 1, headDim: 6, segments: [[3, -1], [2, 0], [1, 0], [4, 0]], filling: 3 },
  // Prompts without replies of their own, of one and of many; a reply longer than its prompt, and a text alone.
  { heads: 6, kvHeads: 2, headDim: 16, segments: [[5, -1], [1, -1], [13, 1], [2, 1], [7, -1], [9, -1], [3, 5]], filling: 7 },
  { heads: 4, kvHeads: 2, headDim: 32, segments: [[70, -1], [11, 0], [33, 0]], filling: 6 },
  // A window that ends in the reply, in the prompt, between them.
  { heads: 2, kvHeads: 1, headDim: 6, segments: [[4, -1], [6, 0], [5, 0], [2, -1], [1, 3]], filling: 2, window: 3, scale: 0.5 },
  { heads: 4, kvHeads: 2, headDim: 32, segments: [[17, -1], [9, 0], [12, 0], [8, 0]], window: 9, scale: 0.125 },
  { heads: 2, kvHeads: 2, headDim: 16, segments: [[17, -1], [5, 0], [12, 0]], window: 1 },
]; // prettier-ignore
/** Several lanes to a query: texts that begin and end within a workgroup's 16 or 8 places, beyond what is staged at once, under windows. */
const teams: readonly Shape[] = [
  { width: 1, heads: 1, kvHeads: 1, headDim: 32, lengths: [1], team: 4 },
  { width: 19, heads: 4, kvHeads: 2, headDim: 32, lengths: [13, 19, 0], team: 4, scale: 0.125 },
  { heads: 6, kvHeads: 2, headDim: 32, segments: [[5, -1], [1, -1], [13, 1], [2, 1], [7, -1], [9, -1], [3, 5]], filling: 7, team: 4 },
  { heads: 2, kvHeads: 1, headDim: 32, segments: [[17, -1], [9, 0], [12, 0], [8, 0]], filling: 1, window: 9, team: 4 },
  { width: 11, heads: 2, kvHeads: 1, headDim: 64, lengths: [11], team: 8 },
]; // prettier-ignore
const named = (shape: Shape): [string, Shape] => [JSON.stringify(shape), shape];
const cases = [...shapes, ...sharing, ...teams].map(named);

/** Where the places of a shape are, N of them, and what the kernels are told of them. */
function laidOut({ width, lengths, segments, filling = 0 }: Shape) {
  if (lengths) {
    const of = lengths.map((places, row): Segment => ({ first: row * width!, places, prefix: -1 }));
    return { segments: of, places: lengths.length * width!, width: width!, tables: tablesOfRows(lengths, width!) };
  }
  let first = 0;
  const of = segments!.map(([places, prefix]): Segment => ({ first: (first += places) - places, places, prefix }));
  const longest = Math.max(...of.map(({ places, prefix }) => places + (of[prefix]?.places ?? 0)));
  return { segments: of, places: first + filling, width: longest, tables: tablesOf(of, first + filling) };
}

/** The places of a segment and, before them, those of its prefix. */
const textOf = (segments: readonly Segment[], { first, places, prefix }: Segment): number[] => [
  ...(prefix < 0 ? [] : textOf(segments, segments[prefix]!)),
  ...Array.from({ length: places }, (_, i) => first + i),
];

/** [N, columns] with poison at filling. */
function poisoned(values: number[], shape: Shape): number[] {
  const { tables, places } = laidOut(shape);
  const columns = values.length / places;
  return values.map((value, i) => (tables.segmentOf[Math.floor(i / columns)]! >= 0 ? value : poison));
}

const columnsOf = ({ heads, kvHeads, headDim }: Shape) => (heads + 2 * kvHeads) * headDim;

const inputsOf = (shape: Shape) => {
  const { places } = laidOut(shape);
  return {
    turned: poisoned(normals(places * columnsOf(shape), 1, 1.5), shape),
    dOut: poisoned(normals(places * shape.heads * shape.headDim, 2), shape),
  };
};

/** Calls `each` for every query of every head with where its numbers begin, and the keys it sees. */
function queries(shape: Shape, each: (query: number, out: number, cell: number, keys: number[], values: number[]) => void): void {
  const { heads, kvHeads, headDim, window = Infinity } = shape;
  const { segments } = laidOut(shape);
  for (const segment of segments) {
    const text = textOf(segments, segment);
    for (let i = text.length - segment.places; i < text.length; i++) {
      for (let head = 0; head < heads; head++) {
        const place = text[i]!;
        const at = (other: number, of: number) => (other * (heads + 2 * kvHeads) + of) * headDim;
        const kv = Math.floor((head * kvHeads) / heads);
        const seen = text.slice(Math.max(0, i + 1 - window), i + 1);
        const cell = place * heads + head;
        each(
          at(place, head),
          cell * headDim,
          cell,
          seen.map((other) => at(other, heads + kv)),
          seen.map((other) => at(other, heads + kvHeads + kv)),
        );
      }
    }
  }
}

function dot(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number, count: number): number {
  let sum = 0;
  for (let c = 0; c < count; c++) sum += a[i + c]! * b[j + c]!;
  return sum;
}

/** Softmax weights of one query, and their log-sum-exp. */
function weightsOf(turned: ArrayLike<number>, query: number, keys: number[], { headDim, scale = 1 / Math.sqrt(headDim) }: Shape) {
  const scores = keys.map((key) => scale * dot(turned, query, turned, key, headDim));
  const most = Math.max(...scores);
  const lse = most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
  return { p: scores.map((score) => Math.exp(score - lse)), lse };
}

function reference(turned: ArrayLike<number>, dOut: ArrayLike<number>, shape: Shape) {
  const { headDim, heads, scale = 1 / Math.sqrt(headDim) } = shape;
  const cells = laidOut(shape).places * heads;
  const [out, lse, dTurned] = [new Float64Array(cells * headDim), new Float64Array(cells), new Float64Array(turned.length)];
  queries(shape, (query, first, cell, keys, values) => {
    const { p, lse: own } = weightsOf(turned, query, keys, shape);
    lse[cell] = own;
    for (let j = 0; j < p.length; j++) for (let c = 0; c < headDim; c++) out[first + c]! += p[j]! * turned[values[j]! + c]!;
    const delta = dot(dOut, first, out, first, headDim);
    p.forEach((weight, j) => {
      const ds = scale * weight * (dot(dOut, first, turned, values[j]!, headDim) - delta);
      for (let c = 0; c < headDim; c++) {
        dTurned[query + c]! += ds * turned[keys[j]! + c]!;
        dTurned[keys[j]! + c]! += ds * turned[query + c]!;
        dTurned[values[j]! + c]! += weight * dOut[first + c]!;
      }
    });
  });
  return { out, lse, dTurned };
}

/** Tables where the kernels read them. */
const given = ({ positions, segmentOf, segments }: PlaceTables) => ({
  positions: bench.input(positions),
  segmentOf: bench.input(segmentOf),
  segments: bench.input(segments),
});

async function whole(turned: ArrayLike<number>, dOut: ArrayLike<number>, shape: Shape, dTurnedFill = untouched) {
  const { heads, kvHeads, headDim, window, scale, team = 1 } = shape;
  const { places, width, tables } = laidOut(shape);
  const cells = places * heads;
  const views = {
    turned: bench.input(Float32Array.from(turned)),
    segmentOf: bench.input(tables.segmentOf),
    segments: bench.input(tables.segments),
    out: bench.output(cells * headDim),
    lse: bench.output(cells),
    dOut: bench.input(Float32Array.from(dOut)),
    delta: bench.output(cells),
    dTurned: bench.output(turned.length, dTurnedFill),
  };
  const of = { ...views, places, width, heads, kvHeads, headDim, team, ...(window ? { window } : {}), ...(scale ? { scale } : {}) };
  await bench.run([attentionForward(of), ...attentionBackward(of)]);
  return { out: await bench.read(views.out), lse: await bench.read(views.lse), dTurned: await bench.read(views.dTurned) };
}

describe('attention over segments', () => {
  it.each(cases)('%s, forward and backward', async (_, shape) => {
    const { turned, dOut } = inputsOf(shape);
    const expected = reference(turned, dOut, shape);
    const actual = await whole(turned, dOut, shape);
    // filling: exactly 0 everywhere, which the references are too
    const tolerance = { relative: 1e-5, absolute: 4e-6 };
    expectClose(actual.out, expected.out, 'out', tolerance);
    expectClose(actual.lse, expected.lse, 'lse', tolerance);
    expectClose(actual.dTurned, expected.dTurned, 'dTurned', { relative: 2e-5, absolute: 2e-5 });
    for (const [values, columns] of [
      [actual.out, shape.heads * shape.headDim],
      [actual.lse, shape.heads],
      [actual.dTurned, columnsOf(shape)],
    ] as const)
      // prettier-ignore
      laidOut(shape).tables.segmentOf.forEach((segment, place) => {
        if (segment < 0) expect(values.slice(place * columns, (place + 1) * columns).every((value) => value === 0)).toBe(true);
      });
    expect(await whole(turned, dOut, shape, -1)).toEqual(actual); // the same bits twice, whatever was there
  });

  it('scores far apart neither overflow nor vanish', async () => {
    const shape: Shape = { width: 40, heads: 2, kvHeads: 1, headDim: 16, lengths: [40] };
    const turned = normals(40 * columnsOf(shape), 3, 12);
    const dOut = normals(40 * 32, 4);
    const expected = reference(turned, dOut, shape);
    const actual = await whole(turned, dOut, shape);
    // A score of hundreds is known to 2e-5, and so is the logarithm of its weight.
    expectClose(actual.out, expected.out, 'out', { relative: 1e-4, absolute: 2e-3 });
    expectClose(actual.lse, expected.lse, 'lse', { relative: 1e-6, absolute: 1e-4 });
    expect(actual.dTurned.every(Number.isFinite)).toBe(true);
  });

  it.each([
    ['whole rows', { width: 5, heads: 4, kvHeads: 2, headDim: 6, lengths: [5, 3] }],
    [
      'a prompt and two replies',
      {
        heads: 4,
        kvHeads: 2,
        headDim: 6,
        segments: [
          [4, -1],
          [2, 0],
          [3, 0],
        ],
      },
    ],
    [
      'a prompt, two replies and a window',
      {
        heads: 4,
        kvHeads: 2,
        headDim: 6,
        segments: [
          [4, -1],
          [2, 0],
          [3, 0],
        ],
        window: 4,
      },
    ],
    [
      'a prompt and two replies, four lanes to a query',
      {
        heads: 4,
        kvHeads: 2,
        headDim: 32,
        segments: [
          [4, -1],
          [2, 0],
          [3, 0],
        ],
        team: 4,
      },
    ],
  ] satisfies [string, Shape][])('backward is the slope of forward: %s', async (_, shape: Shape) => {
    const { turned, dOut } = inputsOf(shape);
    const { dTurned } = await whole(turned, dOut, shape);
    const step = 1 / 64;
    const columns = columnsOf(shape);
    // a query, a key and a value: of the first, a middle and the last place
    for (const i of [
      0,
      24,
      36,
      2 * columns + 7,
      2 * columns + 31,
      2 * columns + 47,
      7 * columns + 20,
      7 * columns + 30,
      7 * columns + 41,
    ]) {
      const at = async (by: number) =>
        (
          await whole(
            turned.map((value, j) => (j === i ? value + by : value)),
            dOut,
            shape,
          )
        ).out;
      const [above, below] = [await at(step), await at(-step)];
      const slope = above.reduce((sum, value, j) => (value === below[j] ? sum : sum + (value - below[j]!) * dOut[j]!), 0) / (2 * step);
      expect(Math.abs(dTurned[i]! - slope)).toBeLessThan(5e-3);
    }
  });
});

describe('attention of one token at a time', () => {
  const promptLengths = [5, 2, 1];
  const repeats = 2;
  const rows = promptLengths.length * repeats;
  const promptWidth = 6;
  const completionWidth = 4;
  const width = 9; // the longest prompt and a whole completion
  const promptOf = (row: number) => promptLengths[Math.floor(row / repeats)]!;
  /** Rows that run at each token: all, then fewer, not always from the front. */
  const running = [[0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 5], [1, 4, 5], [4]]; // prettier-ignore

  it.each([
    [6, 2, 1, false, false, {}],
    [6, 2, 1, true, true, {}],
    [16, 6, 2, true, false, {}],
    [32, 4, 2, false, false, {}],
    [64, 3, 3, true, false, {}],
    [128, 2, 1, false, true, {}],
    [16, 4, 2, true, false, { window: 1, scale: 0.5, offset: 1 }],
    [16, 4, 2, true, true, { window: 3, scale: 0.5, offset: 1 }],
    [6, 2, 1, false, false, { window: 4 }],
  ])(
    'agrees with whole rows: hd %i, H %i, K %i, normed %s, software %s, %j',
    async (headDim, heads, kvHeads, normed, software, special) => {
      const columns = (heads + 2 * kvHeads) * headDim;
      const eps = 1e-5;
      const table = bench.input(ropeTable({ headDim, ropeTheta: 10_000, ropeScaling: null }, 16));
      const norms = normed ? bench.input(normals(2 * headDim, 5, 0.3, 1)) : null;
      const shape = { heads, kvHeads, headDim, eps, ...special };
      const mixed = heads * headDim;
      const place = (row: number, position: number) => row * width + position;

      // Whole rows: a prompt that its group shares, then each row's own completion.
      const raw = Float32Array.from(normals(rows * width * columns, 6));
      for (let row = 1; row < rows; row += repeats) {
        const first = place(row - 1, 0) * columns;
        raw.copyWithin(place(row, 0) * columns, first, first + promptOf(row) * columns);
      }
      const lengths = Array.from({ length: rows }, (_, row) => promptOf(row) + completionWidth);
      const all = given(tablesOfRows(lengths, width));
      const { positions } = given(tablesOfRows(promptLengths, promptWidth));
      const [turned, wholeOut, lse] = [bench.output(raw.length), bench.output(rows * width * mixed), bench.output(rows * width * heads)];
      // The prompts alone, as the prefill has them.
      const prompts = new Float32Array(promptLengths.length * promptWidth * columns).fill(poison);
      promptLengths.forEach((length, group) => {
        const first = place(group * repeats, 0) * columns;
        prompts.set(raw.subarray(first, first + length * columns), group * promptWidth * columns);
      });
      const promptTurned = bench.output(prompts.length);
      await bench.run([
        turnForward({ ...shape, ...all, places: rows * width, raw: bench.input(raw), turned, table, norms }),
        attentionForward({ ...shape, ...all, places: rows * width, width, turned, out: wholeOut, lse }),
        turnForward({ ...shape, positions, places: promptLengths.length * promptWidth, raw: bench.input(prompts), turned: promptTurned, table, norms }), // prettier-ignore
      ]);
      const expected = await bench.read(wholeOut);

      const cache = bench.output(rows * completionWidth * 2 * kvHeads * headDim);
      for (const [t, ids] of running.entries()) {
        const list = new Int32Array(rowsAt + 2 * rows).fill(-1);
        list.set([ids.length, t + 1]);
        list.set(ids, rowsAt);
        const qkv = new Float32Array(rows * columns).fill(poison);
        ids.forEach((row, i) => {
          const first = place(row, promptOf(row) + t) * columns;
          qkv.set(raw.subarray(first, first + columns), i * columns);
        });
        const out = bench.output(rows * mixed);
        await bench.run([
          decodeAttention({
            ...shape,
            qkv: bench.input(qkv),
            running: bench.input(list),
            promptLengths: bench.input(Int32Array.from(promptLengths)),
            promptTurned,
            cache,
            table,
            norms,
            out,
            rows,
            repeats,
            promptWidth,
            completionWidth,
            software,
          }),
        ]);
        const actual = await bench.read(out);
        ids.forEach((row, i) => {
          const first = place(row, promptOf(row) + t) * mixed;
          const [mine, theirs] = [actual.slice(i * mixed, (i + 1) * mixed), expected.slice(first, first + mixed)];
          expectClose(mine, theirs, `row ${row}, token ${t}`, { relative: 1e-5, absolute: 4e-6 });
        });
        expect(new Set(actual.slice(ids.length * mixed))).toEqual(new Set(ids.length < rows ? [untouched] : []));
      }
      // Rows that stopped were not written to afterwards.
      const written = await bench.read(cache);
      const slot = 2 * kvHeads * headDim;
      for (let row = 0; row < rows; row++) {
        running.forEach((ids, t) => {
          const numbers = written.slice((row * completionWidth + t) * slot, (row * completionWidth + t + 1) * slot);
          expect(numbers.every((value) => value === untouched)).toBe(!ids.includes(row));
        });
      }
    },
  );

  it.each([Infinity, 380, 100, 20])('joins shares of long contexts, window %d', async (window) => {
    const [heads, kvHeads, headDim, promptWidth, completionWidth] = [2, 1, 32, 300, 90];
    const shape = { heads, kvHeads, headDim, eps: 1e-5, window };
    const columns = 4 * headDim;
    const table = ropeTable({ headDim, ropeTheta: 10_000, ropeScaling: null }, 512);
    const zeroTurn = { ...shape, places: 391, table: bench.input(table), norms: null };
    const raw = Float32Array.from(normals(391 * columns, 7));
    const [turned, out, lse] = [bench.output(raw.length), bench.output(391 * heads * headDim), bench.output(391 * heads)];
    const tables = given(tablesOfRows([391], 391));
    await bench.run([
      turnForward({ ...zeroTurn, ...tables, raw: bench.input(raw), turned }),
      attentionForward({ ...shape, ...tables, places: 391, width: 391, turned, out, lse }),
    ]);
    const all = await bench.read(turned);
    const cache = new Float32Array(91 * 2 * headDim);
    for (let t = 0; t < 90; t++) cache.set(all.subarray((300 + t) * columns + 2 * headDim, (301 + t) * columns), t * 2 * headDim);
    const running = new Int32Array(rowsAt + 2);
    running.set([1, 91]);
    // Two in a word, as the kernel writes them.
    const halves = encode('f16', cache);
    const packed = bench.input(new Int32Array(halves.buffer, 0, halves.length / 4));
    for (const [software, format] of [
      [false, 'f32'],
      [true, 'f32'],
      [false, 'f16'],
      [true, 'f16'],
    ] as const) {
      const result = bench.output(heads * headDim);
      await bench.run([
        decodeAttention({
          ...shape,
          qkv: bench.input(raw.subarray(390 * columns)),
          running: bench.input(running),
          promptLengths: bench.input(Int32Array.of(300)),
          promptTurned: bench.input(all.subarray(0, 300 * columns)),
          cache: format === 'f16' ? packed : bench.input(cache),
          cacheFormat: format,
          table: bench.input(table),
          norms: null,
          out: result,
          rows: 1,
          repeats: 1,
          promptWidth,
          completionWidth: completionWidth + 1,
          software,
        }),
      ]);
      const expected = (await bench.read(out)).slice(390 * heads * headDim);
      const tolerance = format === 'f16' ? { relative: 1e-3, absolute: 2e-4 } : { relative: 1e-5, absolute: 2e-6 };
      expectClose(await bench.read(result), expected, `out, ${format}`, tolerance);
    }
  });
});
