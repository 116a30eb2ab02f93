/** LoRA of the fused engine: adapters merged into a base, and their gradients, against float64 loops. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loraTable, loraGradients, loraMerge, type LoraMatrix } from '../../src/engine/fused/kernels/lora.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
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

const padded = (n: number) => Math.ceil(n / 64) * 64;

/** Matrices of these shapes one after the other with gaps, as the arenas have them; the first two are neighbours. */
function place(shapes: readonly (readonly [out: number, inside: number])[], rank: number) {
  const matrices: LoraMatrix[] = [];
  let [dense, adapters] = [64, 0];
  shapes.forEach(([out, inside], index) => {
    const a = adapters;
    const b = a + padded(rank * inside);
    matrices.push({ offset: dense, out, in: inside, a, b });
    dense += index === 0 ? out * inside : padded(out * inside) + 64;
    adapters = b + padded(out * rank);
  });
  return { matrices, dense, adapters };
}

type Numbers = ArrayLike<number>;

function merged(base: Numbers, adapters: Numbers, matrices: readonly LoraMatrix[], rank: number, scale: number): number[] {
  const result = new Array<number>(base.length).fill(untouched);
  for (const { offset, out, in: inside, a, b } of matrices) {
    for (let o = 0; o < out; o++) {
      for (let i = 0; i < inside; i++) {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += adapters[b + o * rank + k]! * adapters[a + k * inside + i]!;
        result[offset + o * inside + i] = base[offset + o * inside + i]! + scale * sum;
      }
    }
  }
  return result;
}

function gradients(dense: Numbers, adapters: Numbers, matrices: readonly LoraMatrix[], rank: number, scale: number): number[] {
  const result = new Array<number>(adapters.length).fill(untouched);
  for (const { offset, out, in: inside, a, b } of matrices) {
    for (let k = 0; k < rank; k++) {
      for (let i = 0; i < inside; i++) {
        let sum = 0;
        for (let o = 0; o < out; o++) sum += adapters[b + o * rank + k]! * dense[offset + o * inside + i]!;
        result[a + k * inside + i] = scale * sum;
      }
      for (let o = 0; o < out; o++) {
        let sum = 0;
        for (let i = 0; i < inside; i++) sum += dense[offset + o * inside + i]! * adapters[a + k * inside + i]!;
        result[b + o * rank + k] = scale * sum;
      }
    }
  }
  return result;
}

const cases: [rank: number, shapes: [number, number][]][] = [
  [1, [[1, 1]]],
  [
    3,
    [
      [5, 7],
      [11, 7],
      [33, 35],
    ],
  ],
  [
    8,
    [
      [64, 64],
      [32, 64],
      [64, 128],
      [17, 4],
    ],
  ],
  [
    13,
    [
      [40, 36],
      [70, 36],
      [9, 260],
    ],
  ],
  [
    64,
    [
      [96, 48],
      [48, 96],
      [31, 68],
    ],
  ],
  [
    16,
    [
      [384, 128],
      [128, 384],
      [128, 128],
    ],
  ],
];

describe.each(cases)('LoRA of rank %i on %j', (rank, shapes) => {
  const { matrices, dense, adapters } = place(shapes, rank);
  const scale = 32 / rank;
  const factors = normals(adapters, 1, 0.3);
  const of = () => ({
    matrices,
    rank,
    scale,
    table: bench.input(loraTable(matrices, rank)),
    adapters: bench.input(factors),
  });
  const tolerance = { relative: 1e-5, absolute: 3e-6 * scale * Math.sqrt(rank) };

  it('merges, and leaves the rest alone', async () => {
    const base = normals(dense, 2);
    const result = bench.output(dense);
    await bench.run([loraMerge({ ...of(), base: bench.input(base), merged: result })]);
    const actual = await bench.read(result);
    expectClose(actual, merged(base, factors, matrices, rank, scale), 'merged', tolerance);
  });

  it('makes the gradients of the adapters, the same bits twice', async () => {
    const dW = normals(dense, 3);
    const runs: Float32Array[] = [];
    for (let i = 0; i < 2; i++) {
      const result = bench.output(adapters);
      await bench.run(loraGradients({ ...of(), gradients: bench.input(dW), dAdapters: result }));
      runs.push(await bench.read(result));
    }
    const longest = Math.max(...shapes.flat());
    expectClose(runs[0]!, gradients(dW, factors, matrices, rank, scale), 'gradients', {
      relative: 1e-5,
      absolute: 1e-6 * scale * Math.sqrt(longest),
    });
    expect(runs[1]).toEqual(runs[0]);
  });
});

describe('LoRA', () => {
  it('of no product changes nothing', async () => {
    const { matrices, dense, adapters } = place([[19, 24]], 4);
    const base = normals(dense, 2);
    const factors = normals(adapters, 1);
    factors.fill(0, matrices[0]!.b);
    const result = bench.output(dense);
    await bench.run([
      loraMerge({
        matrices,
        rank: 4,
        scale: 8,
        table: bench.input(loraTable(matrices, 4)),
        adapters: bench.input(factors),
        base: bench.input(base),
        merged: result,
      }),
    ]);
    const { offset } = matrices[0]!;
    expect((await bench.read(result)).slice(offset, offset + 19 * 24)).toEqual(Float32Array.from(base.slice(offset, offset + 19 * 24)));
  });

  it('has gradients that are the slopes of the merge', async () => {
    const rank = 5;
    const { matrices, dense, adapters } = place(
      [
        [6, 8],
        [3, 8],
        [9, 4],
      ],
      rank,
    );
    const [base, dW, factors] = [normals(dense, 1), normals(dense, 2), normals(adapters, 3)];
    const of = { matrices, rank, scale: 0.75, table: bench.input(loraTable(matrices, rank)) };
    const loss = async (values: number[]) => {
      const result = bench.output(dense, 0);
      await bench.run([loraMerge({ ...of, adapters: bench.input(values), base: bench.input(base), merged: result })]);
      return (await bench.read(result)).reduce((sum, value, i) => sum + value * dW[i]!, 0);
    };
    const result = bench.output(adapters);
    await bench.run(loraGradients({ ...of, adapters: bench.input(factors), gradients: bench.input(dW), dAdapters: result }));
    const slopes = await bench.read(result);
    for (const { a, b, in: inside, out } of matrices) {
      for (const at of [a, a + rank * inside - 1, b + 2, b + out * rank - 1]) {
        const moved = (by: number) => factors.map((value, i) => (i === at ? value + by : value));
        // the merge is linear in each factor, so a large step costs no accuracy
        expect(slopes[at]).toBeCloseTo(((await loss(moved(1))) - (await loss(moved(-1)))) / 2, 4);
      }
    }
  });
});
