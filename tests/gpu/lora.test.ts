/** LoRA of the fused engine: a layer with an adapter, forward and backward, against float64 loops; what a block-diagonal gradient keeps. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { keepBlocks } from '../../src/engine/fused/kernels/lora.ts';
import { swigluBackward } from '../../src/engine/fused/kernels/matmul.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import { adapterLayout, type ArenaLayout } from '../../src/engine/fused/layout.ts';
import { linearForward, linearGradient, linearInput, type PolicyViews } from '../../src/engine/fused/linear.ts';
import type { Machine, ParameterViews, Views } from '../../src/engine/fused/machine.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import type { BufferView } from '../../src/engine/gpu/work.ts';
import { initialAdapters } from '../../src/policy/adapters.ts';
import { packArena, unpackArena } from '../helpers/arena.ts';
import { WorkBench } from '../helpers/gpu-work.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { activated } from '../helpers/reference-decoder.ts';

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

type Numbers = ArrayLike<number>;

/** a [m, k] b [n, k] transposed, a [m, k] b [k, n], a [k, m] transposed b [k, n] */
const product = (m: number, n: number, k: number, a: (i: number, l: number) => number, b: (l: number, j: number) => number): number[] =>
  Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a(i, l) * b(l, j);
    return sum;
  });
const sum = (a: Numbers, b: Numbers, factor = 1): number[] => Array.from(a, (value, i) => value + factor * b[i]!);

/** Matrices by name, each in a buffer of its own. */
function viewsOf(matrices: Readonly<Record<string, { view: BufferView; shape: readonly number[] }>>): ParameterViews {
  const slots = new Map(
    Object.entries(matrices).map(([name, { shape }]) => [name, { name, part: 0, offset: 0, shape, format: 'f32' as const, sources: [] }]),
  );
  const layout: ArenaLayout = { slots, shards: new Map(), parts: [], maxBytes: Infinity };
  return { layout, view: (name) => matrices[name]!.view, part: () => expect.fail('no arena') };
}

const shapes: [rows: number, out: number, inside: number, rank: number][] = [
  [1, 1, 1, 1],
  [5, 7, 3, 2],
  [33, 24, 17, 5],
  [70, 96, 36, 8],
  [128, 40, 64, 16],
];

describe.each(shapes)('%i rows, [%i, %i], rank %i', (rows, out, inside, rank) => {
  const scale = 1.5;
  const [w, a, b] = [normals(out * inside, 1), normals(rank * inside, 2), normals(out * rank, 3)];
  const [x, dy] = [normals(rows * inside, 4), normals(rows * out, 5)];
  const tolerance = { relative: 2e-5, absolute: 2e-5 * Math.sqrt(rank * Math.max(inside, out, rows)) * scale };
  const machine = (): Machine => ({ config: tinyConfig, software: false, tuning: tuningFor(gpu) });
  const layer = { name: 'layer', rows, out, in: inside };
  const scratch = (): Views => {
    const made = new Map<string, BufferView>();
    return {
      view(name, length) {
        const view = made.get(name) ?? bench.output(length);
        made.set(name, view);
        return view;
      },
    };
  };
  const policy = (): PolicyViews => ({
    parameters: viewsOf({ layer: { view: bench.input(w), shape: [out, inside] } }),
    adapters: {
      scale,
      views: viewsOf({
        'layer.a': { view: bench.input(a), shape: [rank, inside] },
        'layer.b': { view: bench.input(b), shape: [out, rank] },
      }),
    },
  });
  const u = product(
    rows,
    rank,
    inside,
    (i, l) => x[i * inside + l]!,
    (l, j) => a[j * inside + l]!,
  );
  const du = product(
    rows,
    rank,
    out,
    (i, l) => dy[i * out + l]!,
    (l, j) => b[l * rank + j]!,
  );

  it('is W x + s B (A x), on a residual', async () => {
    const y = bench.output(rows * out);
    const residual = normals(rows * out, 6);
    await bench.run(linearForward(scratch(), machine(), policy(), { ...layer, x: bench.input(x), y, residual: bench.input(residual) }));
    const base = product(
      rows,
      out,
      inside,
      (i, l) => x[i * inside + l]!,
      (l, j) => w[j * inside + l]!,
    );
    const low = product(
      rows,
      out,
      rank,
      (i, l) => u[i * rank + l]!,
      (l, j) => b[j * rank + l]!,
    );
    expectClose(await bench.read(y), sum(sum(base, low, scale), residual), 'y', tolerance);
  });

  it('adds to the gradients of A and B, and sends the whole gradient on', async () => {
    const memory = scratch();
    const [dA, dB] = [normals(rank * inside, 7), normals(out * rank, 8)];
    const of = { a: bench.output(rank * inside), b: bench.output(out * rank) };
    for (const [view, values] of [
      [of.a, dA],
      [of.b, dB],
    ] as const)
      gpu.device.queue.writeBuffer(view.buffer, view.offset, Float32Array.from(values));
    const gradients = viewsOf({ 'layer.a': { view: of.a, shape: [rank, inside] }, 'layer.b': { view: of.b, shape: [out, rank] } });
    const dx = bench.output(rows * inside);
    const from = policy();
    const gradient = { of: 'adapters', views: gradients } as const;
    const [xView, dyView] = [bench.input(x), bench.input(dy)];
    const partials = bench.output(8 * out * Math.max(inside, rank));
    await bench.run([
      ...linearGradient(memory, machine(), from, gradient, { ...layer, dy: dyView, x: xView, partials }),
      ...linearInput(memory, machine(), from, { ...layer, dy: dyView, dx }),
    ]);
    const toB = product(
      out,
      rank,
      rows,
      (i, l) => dy[l * out + i]!,
      (l, j) => u[l * rank + j]!,
    );
    const toA = product(
      rank,
      inside,
      rows,
      (i, l) => du[l * rank + i]!,
      (l, j) => x[l * inside + j]!,
    );
    expectClose(await bench.read(of.b), sum(dB, toB, scale), 'dB', tolerance);
    expectClose(await bench.read(of.a), sum(dA, toA, scale), 'dA', tolerance);
    const base = product(
      rows,
      inside,
      out,
      (i, l) => dy[i * out + l]!,
      (l, j) => w[l * inside + j]!,
    );
    const low = product(
      rows,
      inside,
      rank,
      (i, l) => du[i * rank + l]!,
      (l, j) => a[l * inside + j]!,
    );
    expectClose(await bench.read(dx), sum(base, low, scale), 'dx', tolerance);
  });
});

describe('a block-diagonal gradient', () => {
  it.each([
    [1, [1, 1]],
    [3, [5, 7]],
    [8, [16, 4, 4]],
    [5, [70, 3, 11]],
  ])('of rank %i and %j rows keeps its blocks', async (rank, blocks) => {
    const width = rank * blocks.length;
    const rows = blocks.reduce((all, block) => all + block, 0);
    const values = normals(rows * width, 3);
    const gradient = bench.output(rows * width);
    gpu.device.queue.writeBuffer(gradient.buffer, gradient.offset, Float32Array.from(values));
    await bench.run([keepBlocks({ gradient, rank, blocks })]);
    const owner = blocks.flatMap((block, i) => new Array<number>(block).fill(i));
    const expected = Float32Array.from(values, (value, at) =>
      owner[Math.floor(at / width)] === Math.floor((at % width) / rank) ? value : 0,
    );
    expect(await bench.read(gradient)).toEqual(expected);
  });

  it('lies in the arena as it is packed, and comes back', () => {
    const rank = 3;
    const layout = adapterLayout(tinyConfig, { rank }, 2 ** 30);
    const adapters = Object.fromEntries(
      Object.entries(initialAdapters(tinyConfig, { rank, alpha: 1, seed: 2 })).map(([name, values], i) => [
        name,
        Float32Array.from(normals(values.length, 10 + i)),
      ]),
    );
    const packed = packArena(layout, adapters);
    expect(unpackArena(layout, packed, adapters)).toEqual(adapters);
    // q's block is at the top left, and what is right of it is zero.
    const { offset, shape, sources } = layout.slots.get('0.qkv.b')!;
    expect([shape[1], sources.map(({ rows }) => rows!.width)]).toEqual([3 * rank, [rank, rank, rank]]);
    const row = packed[0]!.slice(offset, offset + 3 * rank);
    expect([...row.slice(rank)]).toEqual(new Array<number>(2 * rank).fill(0));
    expect([...row.slice(0, rank)]).toEqual([...adapters[sources[0]!.name]!.slice(0, rank)]);
    // Where only keys are adapted, their block is where it is among all, and the others are zero.
    const keys = adapterLayout(tinyConfig, { rank, targets: ['k_proj'] }, 2 ** 30);
    const only = Object.fromEntries(Object.entries(adapters).filter(([name]) => name.includes('k_proj')));
    expect(unpackArena(keys, packArena(keys, only), only)).toEqual(only);
    const zeros = Object.fromEntries(Object.entries(adapters).map(([name, values]) => [name, only[name] ?? values.map(() => 0)]));
    expect(packArena(keys, only)[0]).toEqual(packArena(layout, zeros)[0]!.slice(0, keys.parts[0]!.length));
  });
});

it.each([
  [3, 5, 'silu'],
  [17, 12, 'silu'],
  [3, 5, 'gelu_pytorch_tanh'],
  [17, 12, 'gelu_pytorch_tanh'],
] as const)('the gated unit backward, of %i rows of %i, %s, by slopes too', async (rows, f, activation) => {
  const [gateUp, dAct] = [normals(rows * 2 * f, 1, 2), normals(rows * f, 2)];
  const act = (g: number) => activated(g, activation);
  const expected = Array.from({ length: rows * 2 * f }, (_, at) => {
    const [row, column] = [Math.floor(at / (2 * f)), at % (2 * f)];
    const [g, u] = [gateUp[row * 2 * f + (column % f)]!, gateUp[row * 2 * f + f + (column % f)]!];
    const d = dAct[row * f + (column % f)]!;
    const slope = (act(g + 1e-4) - act(g - 1e-4)) / 2e-4;
    return column < f ? d * u * slope : d * act(g);
  });
  const result = bench.output(rows * 2 * f);
  gpu.device.queue.writeBuffer(result.buffer, result.offset, Float32Array.from(gateUp));
  await bench.run([swigluBackward({ gateUp: result, dAct: bench.input(dAct), rows, f, activation })]);
  expectClose(await bench.read(result), expected, 'gradient', { relative: 1e-4, absolute: 1e-5 });
});
