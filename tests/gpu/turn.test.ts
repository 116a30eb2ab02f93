/** Head norms and rotary positions of the fused engine against float64 loops, and the table of angles against its definition. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headNormChunks, turnBackward, turnForward } from '../../src/engine/fused/kernels/turn.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { ropeTable } from '../../src/engine/rope-table.ts';
import { WorkBench } from '../helpers/gpu-work.ts';
import { expectClose, grid, normals } from '../helpers/numbers.ts';

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

interface Shape {
  readonly rows: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

const eps = 1e-5;
const theta = 10_000;
const shapes = (
  [
    [1, 1, 1, 1, 2],
    [3, 7, 2, 1, 6],
    [2, 13, 4, 2, 16],
    [5, 3, 3, 1, 24],
    [2, 5, 7, 7, 64],
    [1, 11, 4, 2, 128],
    [1, 3, 2, 1, 140],
    [37, 29, 4, 2, 32],
  ] as const
).map(([rows, width, heads, kvHeads, headDim]): Shape => ({ rows, width, heads, kvHeads, headDim }));
const cases = shapes.flatMap((shape) => [false, true].map((normed): [string, boolean, Shape] => [Object.values(shape).join(' x '), normed, shape])); // prettier-ignore

const tableOf = ({ headDim, width }: Shape) => ropeTable({ headDim, ropeTheta: theta, ropeScaling: null }, width + 3);
/** What the kernels are given of it: positions that neither rise nor are alike from place to place. */
const ofShape = (shape: Shape) => {
  const { rows, width, heads, kvHeads, headDim } = shape;
  const places = rows * width;
  return { places, heads, kvHeads, headDim, positions: bench.input(Int32Array.from({ length: places }, (_, n) => positionOf(n, shape))) };
};
const positionOf = (place: number, { width }: Shape) => (5 * place) % width;
const sizeOf = ({ rows, width, heads, kvHeads, headDim }: Shape) => rows * width * (heads + 2 * kvHeads) * headDim;

/** One head turned by `sign` times the angles of its position. */
function rotated(x: readonly number[], position: number, sign: 1 | -1): number[] {
  const half = x.length / 2;
  return x.map((value, i) => {
    const angle = sign * position * theta ** (-(i % half) / half);
    return value * Math.cos(angle) + (i < half ? -x[i + half]! : x[i - half]!) * Math.sin(angle);
  });
}

const rms = (x: readonly number[]) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + eps);

/** Calls `each` with every head in order; weights are those of its norm, null for values. */
function headsOf(values: ArrayLike<number>, shape: Shape, each: (x: number[], position: number, kind: 0 | 1 | null) => number[]): number[] {
  const { heads, kvHeads, headDim } = shape;
  const all = heads + 2 * kvHeads;
  return grid(values, headDim).flatMap((x, index) => {
    const head = index % all;
    return each(x, positionOf(Math.floor(index / all), shape), head < heads ? 0 : head < heads + kvHeads ? 1 : null);
  });
}

/** raw -> turned in float64. @param norms [2, hd] */
function turned(raw: ArrayLike<number>, norms: ArrayLike<number> | null, shape: Shape): number[] {
  return headsOf(raw, shape, (x, position, kind) => {
    if (kind === null) return x;
    const scale = norms ? 1 / rms(x) : 1;
    return rotated(
      x.map((value, i) => value * scale * (norms ? norms[kind * shape.headDim + i]! : 1)),
      position,
      1,
    );
  });
}

/** d turned -> d raw and d norms in float64. */
function turnedBack(dTurned: ArrayLike<number>, raw: ArrayLike<number>, norms: ArrayLike<number> | null, shape: Shape) {
  const { headDim } = shape;
  const inputs = grid(raw, headDim);
  const dNorms = new Array<number>(2 * headDim).fill(0);
  let index = 0;
  const dRaw = headsOf(dTurned, shape, (dy, position, kind) => {
    const x = inputs[index++]!;
    if (kind === null) return dy;
    const dn = rotated(dy, position, -1);
    if (!norms) return dn;
    const r = 1 / rms(x);
    const weighted = dn.map((value, i) => value * norms[kind * headDim + i]!);
    dn.forEach((value, i) => (dNorms[kind * headDim + i]! += value * x[i]! * r));
    const along = weighted.reduce((sum, value, i) => sum + value * x[i]!, 0) / headDim;
    return weighted.map((value, i) => r * value - x[i]! * r ** 3 * along);
  });
  return { dRaw, dNorms };
}

async function forward(raw: number[], norms: number[] | null, shape: Shape): Promise<Float32Array> {
  const result = bench.output(raw.length);
  const table = bench.input(tableOf(shape));
  const weights = norms && bench.input(norms);
  await bench.run([turnForward({ ...ofShape(shape), eps, raw: bench.input(raw), turned: result, table, norms: weights })]);
  return bench.read(result);
}

/** @returns d raw, and with norms the gradient of their weights, its chunks added up here */
async function backward(dTurned: number[], raw: number[], norms: number[] | null, shape: Shape) {
  const gradient = bench.input(dTurned);
  const chunks = headNormChunks(shape.rows * shape.width);
  const partials = norms && bench.output(chunks * 2 * shape.headDim);
  const table = bench.input(tableOf(shape));
  await bench.run(
    turnBackward({ ...ofShape(shape), eps, gradient, raw: bench.input(raw), table, norms: norms && bench.input(norms), partials }),
  );
  const dNorms = new Array<number>(2 * shape.headDim).fill(0);
  if (partials) (await bench.read(partials)).forEach((value, i) => (dNorms[i % dNorms.length]! += value));
  return { dRaw: await bench.read(gradient), dNorms };
}

const inputsOf = (shape: Shape, normed: boolean) => ({
  raw: normals(sizeOf(shape), 1, 2, 0.1),
  norms: normed ? normals(2 * shape.headDim, 2, 0.3, 1) : null,
  dTurned: normals(sizeOf(shape), 3),
});

describe('turning queries and keys', () => {
  it('normed by weights that are counted from one, forward and back', async () => {
    const shape = shapes[3]!;
    const { raw, norms, dTurned } = inputsOf(shape, true);
    const fromOne = norms!.map((w) => w - 1);
    const [result, gradient, table] = [bench.output(raw.length), bench.input(dTurned), bench.input(tableOf(shape))];
    const chunks = headNormChunks(shape.rows * shape.width);
    const partials = bench.output(chunks * 2 * shape.headDim);
    const of = { ...ofShape(shape), eps, offset: 1 as const, raw: bench.input(raw), table, norms: bench.input(fromOne) };
    await bench.run([turnForward({ ...of, turned: result }), ...turnBackward({ ...of, gradient, partials })]);
    expectClose(await bench.read(result), turned(raw, norms, shape), 'turned', { relative: 1e-5, absolute: 1e-5 });
    const expected = turnedBack(dTurned, raw, norms, shape);
    expectClose(await bench.read(gradient), expected.dRaw, 'dRaw', { relative: 1e-5, absolute: 1e-5 });
    const dNorms = new Array<number>(2 * shape.headDim).fill(0);
    (await bench.read(partials)).forEach((value, i) => (dNorms[i % dNorms.length]! += value));
    expectClose(dNorms, expected.dNorms, 'dNorms', { relative: 1e-4, absolute: 1e-4 });
  });

  it.each(cases)('forward %s, normed: %s', async (_, normed, shape) => {
    const { raw, norms } = inputsOf(shape, normed);
    expectClose(await forward(raw, norms, shape), turned(raw, norms, shape), 'turned', { relative: 2e-6, absolute: 2e-6 });
  });

  it.each(cases)('backward %s, normed: %s', async (_, normed, shape) => {
    const { raw, norms, dTurned } = inputsOf(shape, normed);
    const expected = turnedBack(dTurned, raw, norms, shape);
    const actual = await backward(dTurned, raw, norms, shape);
    expectClose(actual.dRaw, expected.dRaw, 'dRaw', { relative: 1e-5, absolute: 4e-6 });
    const places = shape.rows * shape.width * shape.heads;
    expectClose(actual.dNorms, expected.dNorms, 'dNorms', { relative: 1e-5, absolute: 2e-6 * Math.sqrt(places) });
    expect(await backward(dTurned, raw, norms, shape)).toEqual(actual); // the same bits twice
  });

  it('backward is the slope of forward', async () => {
    const shape: Shape = { rows: 2, width: 3, heads: 2, kvHeads: 1, headDim: 6 };
    const { raw, norms, dTurned } = inputsOf(shape, true);
    const { dRaw, dNorms } = await backward(dTurned, raw, norms, shape);
    const step = 1 / 64;
    /** Two outputs differ by little, so they are subtracted number by number. */
    const slope = async (at: (by: number) => Promise<Float32Array>) => {
      const [above, below] = [await at(step), await at(-step)];
      return above.reduce((sum, value, i) => sum + (value - below[i]!) * dTurned[i]!, 0) / (2 * step);
    };
    const moved = (values: number[], i: number, by: number) => values.map((value, j) => (j === i ? value + by : value));
    // of a query, a key and a value of the second place and of the last
    for (const i of [24, 25 + 12, 24 + 19, raw.length - 22, raw.length - 8, raw.length - 1])
      expect(dRaw[i]).toBeCloseTo(await slope((by) => forward(moved(raw, i, by), norms, shape)), 2);
    for (const i of [0, 5, 7, 10]) expect(dNorms[i]).toBeCloseTo(await slope((by) => forward(raw, moved(norms!, i, by), shape)), 3);
  });
});

describe('the table of angles', () => {
  const angles = (scaling: Parameters<typeof ropeTable>[0]['ropeScaling']) => {
    const headDim = 16;
    const table = grid(ropeTable({ headDim, ropeTheta: theta, ropeScaling: scaling }, 5), headDim);
    const frequencies = Array.from({ length: headDim / 2 }, (_, i) => Math.atan2(table[1]![headDim / 2 + i]!, table[1]![i]!));
    return { table, frequencies };
  };
  const plain = angles(null);

  it('holds cosines and sines by position', () => {
    plain.frequencies.forEach((frequency, i) => {
      expect(frequency).toBeCloseTo(theta ** (-i / 8), 6);
      plain.table.forEach((line, position) => {
        expect(line[i]).toBeCloseTo(Math.cos(position * theta ** (-i / 8)), 6);
        expect(line[8 + i]).toBeCloseTo(Math.sin(position * theta ** (-i / 8)), 6);
      });
    });
  });

  it('scales linearly', () => {
    angles({ type: 'linear', factor: 4 }).frequencies.forEach((frequency, i) =>
      expect(frequency).toBeCloseTo(plain.frequencies[i]! / 4, 6),
    );
  });

  it('scales as llama3 does: short waves not, long waves fully, between them by how often they fit', () => {
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 1024 } as const;
    const seen = new Set<string>();
    angles(scaling).frequencies.forEach((frequency, i) => {
      const base = theta ** (-i / 8);
      const turns = (scaling.originalMaxPositions * base) / (2 * Math.PI);
      const kept = Math.min(1, Math.max(0, (turns - 1) / (4 - 1)));
      seen.add(kept === 1 ? 'short' : kept === 0 ? 'long' : 'between');
      expect(Math.abs(frequency / (base * (kept + (1 - kept) / 8)) - 1)).toBeLessThan(1e-6);
    });
    expect([...seen].sort()).toEqual(['between', 'long', 'short']);
  });
});
