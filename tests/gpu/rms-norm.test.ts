/** RMSNorm of the fused engine, and the sums over places that gradients of norms and biases come from, against float64 loops. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { columnPartials, chunksFor, partialsTable, reducePartials, type PartialSection } from '../../src/engine/fused/kernels/columns.ts';
import { rmsNormBackward, rmsNormForward } from '../../src/engine/fused/kernels/rms-norm.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { WorkBench, untouched } from '../helpers/gpu-work.ts';
import { expectClose, grid, integers, normals } from '../helpers/numbers.ts';

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

const eps = 1e-5;
const shapes: [rows: number, width: number][] = [
  [1, 1],
  [3, 5],
  [7, 64],
  [13, 127],
  [9, 20],
  [5, 768],
  [8, 1028],
  [2053, 128],
];

/** Rows of x -> [y, rstd] in float64. */
function normed(x: number[][], weight: number[]): { y: number[][]; rstd: number[] } {
  const rstd = x.map((row) => 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + eps));
  return { y: x.map((row, m) => row.map((value, i) => weight[i]! * value * rstd[m]!)), rstd };
}

/** d sum(y dy) / dx and / dweight in float64. */
function gradients(x: number[][], weight: number[], dy: number[][]): { dx: number[][]; dWeight: number[] } {
  const { rstd } = normed(x, weight);
  const dWeight = weight.map((_, i) => x.reduce((sum, row, n) => sum + dy[n]![i]! * row[i]! * rstd[n]!, 0));
  const dx = x.map((row, n) => {
    const r = rstd[n]!;
    const product = row.reduce((sum, value, i) => sum + weight[i]! * dy[n]![i]! * value, 0) / row.length;
    return row.map((value, i) => r * weight[i]! * dy[n]![i]! - value * r ** 3 * product);
  });
  return { dx, dWeight };
}

/** Adds partials [S, width] up on the GPU, onto ones. */
async function reduced(partials: ReturnType<WorkBench['output']>, chunks: number, width: number): Promise<Float32Array> {
  const sections = [{ first: 0, chunks, width, stride: width, target: 0 }];
  const result = bench.output(width, 1);
  await bench.run([reducePartials({ partials, table: bench.input(partialsTable(sections)), sections, gradients: result })]);
  return bench.read(result);
}

describe('RMSNorm forward', () => {
  it.each(shapes)('%i rows of %i', async (rows, width) => {
    const x = normals(rows * width, 1, 2, 0.1);
    const weight = normals(width, 2, 0.3, 1);
    const [y, rstd] = [bench.output(rows * width), bench.output(rows)];
    await bench.run([rmsNormForward({ x: bench.input(x), weight: bench.input(weight), y, rstd, rows, width, eps })]);
    const expected = normed(grid(x, width), weight);
    expectClose(await bench.read(y), expected.y.flat(), 'y', { relative: 2e-6, absolute: 1e-7 });
    expectClose(await bench.read(rstd), expected.rstd, 'rstd', { relative: 1e-6, absolute: 0 });
  });

  it('by weights that are counted from one, and added to what was there', async () => {
    const [rows, width] = [11, 36];
    const [x, weight, residual] = [normals(rows * width, 3), normals(width, 4, 0.3), normals(rows * width, 5)];
    const [y, rstd] = [bench.output(rows * width), bench.output(rows)];
    const of = { x: bench.input(x), weight: bench.input(weight), residual: bench.input(residual), offset: 1, y, rstd, rows, width, eps };
    await bench.run([rmsNormForward(of)]);
    const expected = normed(grid(x, width), weight.map((w) => 1 + w)); // prettier-ignore
    expectClose(
      await bench.read(y),
      expected.y.flat().map((value, i) => value + residual[i]!),
      'y',
      { relative: 2e-6, absolute: 1e-6 },
    );
  });

  it('of chosen places, and only as many as there are', async () => {
    const [rows, width] = [11, 36];
    const x = normals(23 * width, 3);
    const weight = normals(width, 4);
    const places = integers(rows, 5, 0, 22);
    const [y, rstd] = [bench.output(rows * width), bench.output(rows)];
    const of = { x: bench.input(x), weight: bench.input(weight), y, rstd, rows, width, eps };
    await bench.run([rmsNormForward({ ...of, places: bench.input(Int32Array.from(places)), count: bench.input(Int32Array.of(6)) })]);
    const all = normed(grid(x, width), weight);
    const expected = places.flatMap((place, m) => (m < 6 ? all.y[place]! : new Array<number>(width).fill(untouched)));
    expectClose(await bench.read(y), expected, 'y', { relative: 2e-6, absolute: 1e-7 });
    expect([...(await bench.read(rstd))].slice(6)).toEqual(new Array(5).fill(untouched));
  });
});

describe('RMSNorm backward', () => {
  it('by weights that are counted from one', async () => {
    const [rows, width] = [13, 36];
    const [x, weight, dy] = [normals(rows * width, 1, 2, 0.1), normals(width, 2, 0.3), normals(rows * width, 3)];
    const whole = weight.map((w) => 1 + w);
    const [result, partials] = [bench.output(rows * width), bench.output(chunksFor(rows) * width)];
    const rstd = bench.input(normed(grid(x, width), whole).rstd);
    const of = { x: bench.input(x), weight: bench.input(weight), rstd, dy: bench.input(dy), rows, width, offset: 1 };
    await bench.run([rmsNormBackward({ ...of, dx: result, accumulate: false, partials })]);
    const expected = gradients(grid(x, width), whole, grid(dy, width));
    expectClose(await bench.read(result), expected.dx.flat(), 'dx', { relative: 1e-5, absolute: 2e-6 });
    const dWeight = expected.dWeight.map((value) => value + 1);
    expectClose(await reduced(partials, chunksFor(rows), width), dWeight, 'dweight', { relative: 1e-5, absolute: 1e-5 });
  });

  it.each(shapes)('%i rows of %i, written and added', async (rows, width) => {
    const x = normals(rows * width, 1, 2, 0.1);
    const weight = normals(width, 2, 0.3, 1);
    const dy = normals(rows * width, 3);
    const { dx, dWeight } = gradients(grid(x, width), weight, grid(dy, width));
    const chunks = chunksFor(rows);
    const of = {
      x: bench.input(x),
      weight: bench.input(weight),
      rstd: bench.input(normed(grid(x, width), weight).rstd),
      dy: bench.input(dy),
      rows,
      width,
    };
    const runs: Float32Array[] = [];
    for (const accumulate of [false, true]) {
      const [result, partials] = [bench.output(rows * width), bench.output(chunks * width)];
      await bench.run([rmsNormBackward({ ...of, dx: result, accumulate, partials })]);
      const shift = accumulate ? untouched : 0;
      const tolerance = { relative: 1e-5, absolute: accumulate ? 1e-4 : 2e-6 };
      expectClose(
        await bench.read(result),
        dx.flat().map((value) => value + shift),
        'dx',
        tolerance,
      );
      runs.push(await reduced(partials, chunks, width));
    }
    expectClose(
      runs[0]!,
      dWeight.map((value) => value + 1),
      'dweight',
      { relative: 1e-5, absolute: 1e-6 * Math.sqrt(rows) + 1e-6 },
    );
    expect(runs[1]).toEqual(runs[0]); // the same bits twice
  });

  it.each([9, 32])('of normed places only, rows of %i', async (width) => {
    const [rows, cells] = [41, 13];
    const x = normals(rows * width, 6);
    const weight = normals(width, 7);
    // Some of them more than once.
    const places = Array.from({ length: cells }, (_, m) => ((m % 8) * 29) % rows).sort((a, b) => a - b);
    expect(new Set(places).size).toBeLessThan(cells);
    const dy = normals(cells * width, 8);
    const starts = Int32Array.from({ length: rows + 1 }, (_, n) => places.filter((place) => place < n).length);
    const xs = grid(x, width);
    const chosen = places.map((place) => xs[place]!);
    const { dx, dWeight } = gradients(chosen, weight, grid(dy, width));
    for (const accumulate of [false, true]) {
      const [result, partials] = [bench.output(rows * width), bench.output(chunksFor(rows) * width)];
      await bench.run([
        rmsNormBackward({
          x: bench.input(x),
          weight: bench.input(weight),
          rstd: bench.input(normed(chosen, weight).rstd),
          dy: bench.input(dy),
          dx: result,
          accumulate,
          starts: bench.input(starts),
          partials,
          rows,
          width,
        }),
      ]);
      const shift = accumulate ? untouched : 0;
      const mine = (n: number) => dx.slice(starts[n]!, starts[n + 1]!);
      const expected = xs.map((row, n) => row.map((_, i) => mine(n).reduce((sum, of) => sum + of[i]!, shift)));
      const actual = await bench.read(result);
      expectClose(actual, expected.flat(), 'dx', { relative: 1e-5, absolute: accumulate ? 1e-4 : 2e-6 });
      xs.forEach((_, n) => {
        if (mine(n).length === 0) expect(new Set(actual.slice(n * width, (n + 1) * width))).toEqual(new Set([shift]));
      });
      expectClose(
        await reduced(partials, chunksFor(rows), width),
        dWeight.map((value) => value + 1),
        'dweight',
      );
    }
  });

  it('is the slope of the forward pass', async () => {
    const [rows, width] = [3, 12];
    const x = normals(rows * width, 9);
    const weight = normals(width, 10);
    const dy = normals(rows * width, 11);
    const forward = async (x: number[], weight: number[]) => {
      const [y, rstd] = [bench.output(rows * width), bench.output(rows)];
      await bench.run([rmsNormForward({ x: bench.input(x), weight: bench.input(weight), y, rstd, rows, width, eps })]);
      return { rstd, loss: (await bench.read(y)).reduce((sum, value, i) => sum + value * dy[i]!, 0) };
    };
    const { rstd } = await forward(x, weight);
    const [dx, partials] = [bench.output(rows * width), bench.output(chunksFor(rows) * width)];
    await bench.run([
      rmsNormBackward({
        x: bench.input(x),
        weight: bench.input(weight),
        rstd,
        dy: bench.input(dy),
        dx,
        accumulate: false,
        partials,
        rows,
        width,
      }),
    ]);
    const step = 1 / 64;
    const slope = async (values: number[], i: number, at: (moved: number[]) => Promise<{ loss: number }>) => {
      const moved = (by: number) => values.map((value, j) => (j === i ? value + by : value));
      return ((await at(moved(step))).loss - (await at(moved(-step))).loss) / (2 * step);
    };
    const [gx, gw] = [await bench.read(dx), await reduced(partials, chunksFor(rows), width)];
    for (const i of [0, 7, 13, 35]) expect(gx[i]).toBeCloseTo(await slope(x, i, (moved) => forward(moved, weight)), 2);
    for (const i of [0, 5, 11]) expect(gw[i]! - 1).toBeCloseTo(await slope(weight, i, (moved) => forward(x, moved)), 3);
  });
});

describe('sums over places', () => {
  it.each([
    [1, 1],
    [17, 7],
    [100, 24],
    [4099, 52],
    [70, 300],
  ])('columns of [%i, %i]', async (rows, width) => {
    const x = normals(rows * width, 1, 1, 0.2);
    const chunks = chunksFor(rows);
    const partials = bench.output(chunks * width);
    await bench.run([columnPartials({ x: bench.input(x), partials, rows, width })]);
    const xs = grid(x, width);
    const expected = xs[0]!.map((_, c) => 1 + xs.reduce((sum, row) => sum + row[c]!, 0));
    expectClose(await reduced(partials, chunks, width), expected, 'sum', { relative: 1e-5, absolute: 1e-4 });
  });

  it('of many parameters in one dispatch', async () => {
    const sections: PartialSection[] = [];
    let [first, target] = [0, 5];
    for (const [chunks, width, gap] of [
      [1, 1, 0],
      [3, 17, 0],
      [256, 16, 0],
      [7, 33, 6],
      [100, 130, 0],
    ] as const) {
      sections.push({ first, chunks, width, stride: width + gap, target });
      first += chunks * (width + gap);
      target += width + 3;
    }
    const values = normals(first, 12);
    const result = bench.output(target, 0.5);
    const table = bench.input(partialsTable(sections));
    await bench.run([reducePartials({ partials: bench.input(values), table, sections, gradients: result })]);
    const expected = new Array<number>(target).fill(0.5);
    for (const { first, chunks, width, stride, target } of sections) {
      for (let c = 0; c < width; c++) {
        for (let s = 0; s < chunks; s++) expected[target + c]! += values[first + s * stride + c]!;
      }
    }
    expectClose(await bench.read(result), expected, 'gradients', { relative: 1e-5, absolute: 1e-5 });
  });
});
