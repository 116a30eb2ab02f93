/**
 * The end of an optimiser step on the GPU: norms against float64, AdamW against the formula in float64 and against the
 * portable engine's, steps that are skipped.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OptimSpec } from '../../src/engine/engine.ts';
import { adamW, finishNorm, squaredSum, squaredSumParts } from '../../src/engine/fused/kernels/optimiser.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { part, type BufferView, type Work } from '../../src/engine/gpu/work.ts';
import { adamW as portableAdamW, zeroMoments } from '../../src/engine/portable/adamw.ts';
import { rowColumns } from '../../src/engine/step-metrics.ts';
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

const optim: OptimSpec = {
  learningRate: 3e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.1,
  maxGradNorm: 1,
  microBatchRows: 0,
};

const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

/** [rows, 10] with these losses. */
function lossRows(losses: readonly number[]): BufferView {
  return bench.input(losses.flatMap((loss) => rowColumns.map((column) => (column === 'loss' ? loss : 3))));
}

/** Norm of the gradients in all parts and the decision; state and result are written. */
function decide(
  parts: readonly BufferView[],
  losses: readonly number[],
  state: BufferView,
  result: BufferView,
  maxGradNorm: number,
): Work[] {
  const count = parts.length * squaredSumParts;
  const partials = bench.output(count);
  return [
    ...parts.map((g, i) => squaredSum({ g, partials: part(partials, i * squaredSumParts, squaredSumParts) })),
    finishNorm({ partials, count, rows: lossRows(losses), stepRows: losses.length, state, result, maxGradNorm }),
  ];
}

describe('the norm of the gradients', () => {
  it.each([
    ['4 numbers', [4], 1, 0],
    ['odd parts', [64, 4 * 2053, 320], 1, 0],
    ['a million numbers', [2 ** 20 + 64], 0.01, 0],
    ['two million numbers that are almost alike', [2 ** 21], 1e-4, 0.1],
  ] as const)('of %s', async (_, lengths, scale, shift) => {
    const values = lengths.map((length, i) => {
      // a short period keeps the test quick; sums do not notice
      const some = normals(Math.min(length, 4099), 10 + i, scale, shift);
      return Float32Array.from({ length }, (_, j) => some[j % some.length]!);
    });
    const expected = Math.sqrt(values.reduce((sum, part) => sum + norm(part) ** 2, 0));
    const parts = values.map((part) => bench.input(part));
    const runs: Float32Array[] = [];
    for (const maxGradNorm of [0, expected / 2, expected * 2, expected / 2]) {
      const [state, result] = [bench.input(Int32Array.of(7, 3)), bench.output(4)];
      await bench.run(decide(parts, [1, -2], state, result, maxGradNorm));
      const [gradNorm, skipped, scale] = await bench.read(result);
      expect(Math.abs(gradNorm! / expected - 1)).toBeLessThan(1e-6);
      expect(skipped).toBe(0);
      const wanted = maxGradNorm > 0 ? Math.min(1, maxGradNorm / (expected + 1e-6)) : 1;
      expect(Math.abs(scale! / wanted - 1)).toBeLessThan(2e-6);
      expect([...(await bench.readIntegers(state))]).toEqual([8, 3]);
      runs.push(await bench.read(result));
    }
    expect(runs[3]).toEqual(runs[1]);
  });

  it('takes views of one buffer', async () => {
    const values = normals(256, 1);
    const [state, result] = [bench.input(Int32Array.of(0, 0)), bench.output(4)];
    await bench.run(decide([part(bench.input(values), 64, 128)], [0], state, result, 0));
    expectClose([(await bench.read(result))[0]!], [norm(values.slice(64, 192))], 'norm');
  });
});

describe('a step that is not finite', () => {
  const bits = (pattern: number) => new Float32Array(Uint32Array.of(pattern).buffer)[0]!;
  const rows130 = (loss: number) => [...new Array<number>(129).fill(0), loss];
  it.each([
    ['a NaN gradient', NaN, [1]],
    ['an infinite gradient', Infinity, [1]],
    ['a gradient whose square is infinite', 1e20, [1]],
    ['finite squares whose sum is infinite', 1.5e19, [1]],
    ['a NaN with another payload', bits(0xffc12345), [1]],
    ['a NaN loss in the last of many rows', 0.5, rows130(NaN)],
    ['an infinite loss', 0.5, [0, -Infinity, 0]],
  ])('because of %s leaves all bits and is counted', async (_, worst, losses) => {
    const length = 4 * 777;
    const gradients = normals(length, 1);
    for (const far of [1, length - 2]) gradients[far] = worst;
    const before = [2, 3, 4].map((seed) => Float32Array.from(normals(length, seed)));
    const [p, m, v] = before.map((values) => bench.input(values)) as [BufferView, BufferView, BufferView];
    const [state, result, g] = [bench.input(Int32Array.of(5, 1)), bench.output(4), bench.input(gradients)];
    await bench.run([...decide([g], losses, state, result, 1), adamW({ p, g, m, v, state, result, length, decayed: length, optim })]);
    const [gradNorm, skipped] = await bench.read(result);
    expect(skipped).toBe(1);
    expect(Number.isFinite(gradNorm)).toBe(Number.isFinite(worst) && worst < 1e19);
    expect([...(await bench.readIntegers(state))]).toEqual([5, 2]);
    for (const [i, view] of [p, m, v].entries()) expect(await bench.read(view)).toEqual(before[i]);
  });
});

describe('AdamW', () => {
  /** One update of plain numbers; `step` counts from 1. */
  function reference(p: number[], g: number[], m: number[], v: number[], o: OptimSpec, step: number, scale: number, decayed: number): void {
    for (let i = 0; i < p.length; i++) {
      const gradient = g[i]! * scale;
      m[i] = o.beta1 * m[i]! + (1 - o.beta1) * gradient;
      v[i] = o.beta2 * v[i]! + (1 - o.beta2) * gradient ** 2;
      const [mHat, vHat] = [m[i]! / (1 - o.beta1 ** step), v[i]! / (1 - o.beta2 ** step)];
      const kept = i < decayed ? p[i]! * (1 - o.learningRate * o.weightDecay) : p[i]!;
      p[i] = kept - (o.learningRate * mHat) / (Math.sqrt(vHat) + o.eps);
    }
  }

  it.each([
    ['the first step', 1, optim],
    ['the second step', 2, optim],
    ['a late step', 5000, optim],
    ['a very late step', 2_000_000, { ...optim, beta2: 0.99999 }],
    ['no momentum', 3, { ...optim, beta1: 0 }],
    ['other betas', 40, { ...optim, beta1: 0.8, beta2: 0.95, eps: 1e-3, maxGradNorm: 0 }],
  ] as const)('%s', async (_, step, o) => {
    const [length, decayed] = [4 * 1031, 4 * 300 + 2];
    const draw = { p: normals(length, 1), g: normals(length, 2, 0.1), m: normals(length, 3, 0.01), v: normals(length, 4, 0.01) };
    if (step === 1) for (const moments of [draw.m, draw.v]) moments.fill(0);
    draw.v = draw.v.map((value) => value * value);
    const [p, g, m, v] = [draw.p, draw.g, draw.m, draw.v].map((values) => bench.input(values)) as [
      BufferView,
      BufferView,
      BufferView,
      BufferView,
    ];
    const [state, result] = [bench.input(Int32Array.of(step - 1, 0)), bench.output(4)];
    await bench.run([...decide([g], [0], state, result, o.maxGradNorm), adamW({ p, g, m, v, state, result, length, decayed, optim: o })]);
    const old = [...draw.p];
    const scale = o.maxGradNorm > 0 ? Math.min(1, o.maxGradNorm / (norm(draw.g) + 1e-6)) : 1;
    reference(draw.p, draw.g, draw.m, draw.v, o, step, scale, decayed);
    expectClose(await bench.read(m), draw.m, 'm', { relative: 1e-6, absolute: 1e-9 });
    expectClose(await bench.read(v), draw.v, 'v', { relative: 2e-6, absolute: 1e-12 });
    const actual = await bench.read(p);
    const update = draw.p.map((value, i) => value - old[i]!);
    // a last digit of a parameter is large beside one update
    expectClose(actual, draw.p, 'p', { relative: 2e-7, absolute: 2e-6 * Math.max(...update.map(Math.abs)) });
  });

  it('agrees with the portable engine over thirty steps, clipped and skipped ones among them', async () => {
    await tf.setBackend('cpu');
    const shapes: [number, number][] = [
      [16, 24],
      [8, 16],
    ];
    const norms = 64;
    const decayed = 16 * 24 + 8 * 16;
    const length = decayed + norms;
    const start = normals(length, 1, 0.5);
    const g = bench.output(length);
    const [p, m, v] = [bench.input(start), bench.output(length, 0), bench.output(length, 0)];
    const [state, result] = [bench.input(Int32Array.of(0, 0)), bench.output(4)];
    const split = (values: Float32Array) => [
      tf.tensor2d(values.slice(0, 16 * 24), shapes[0]),
      tf.tensor2d(values.slice(16 * 24, decayed), shapes[1]),
      tf.tensor1d(values.slice(decayed)),
    ];
    let parameters: tf.Tensor[] = split(Float32Array.from(start));
    let moments: Parameters<typeof portableAdamW>[2] = zeroMoments(parameters);
    let taken = 0;
    for (let i = 0; i < 30; i++) {
      const gradient = Float32Array.from(normals(length, 100 + i, i % 3 === 0 ? 1 : 0.01));
      const skip = i === 7;
      if (skip) gradient[3] = NaN;
      gpu.device.queue.writeBuffer(g.buffer, 0, gradient);
      await bench.run([
        ...decide([g], [0.5], state, result, optim.maxGradNorm),
        adamW({ p, g, m, v, state, result, length, decayed, optim }),
      ]);
      if (skip) continue;
      const scale = Math.min(1, optim.maxGradNorm / (norm(gradient) + 1e-6));
      const next = portableAdamW(parameters, split(gradient), moments, optim, ++taken, scale);
      ({ parameters, moments } = next);
    }
    expect([...(await bench.readIntegers(state))]).toEqual([29, 1]);
    const expected = (await Promise.all(parameters.map((tensor) => tensor.data()))).flatMap((values) => [...values]);
    const actual = await bench.read(p);
    const difference = norm(expected.map((value, i) => value - actual[i]!)) / norm(expected.map((value, i) => value - start[i]!));
    expect(difference).toBeLessThan(2e-6);
  });

  it('writes nothing beyond its part', async () => {
    const all = [1, 2, 3, 4].map((seed) => bench.input(normals(192, seed).map((value) => value * value)));
    const before = await Promise.all(all.map((view) => bench.read(view)));
    const [p, g, m, v] = all.map((view) => part(view, 64, 64)) as [BufferView, BufferView, BufferView, BufferView];
    const [state, result] = [bench.input(Int32Array.of(0, 0)), bench.output(4, untouched)];
    await bench.run([...decide([g], [0], state, result, 0), adamW({ p, g, m, v, state, result, length: 64, decayed: 0, optim })]);
    for (const [i, view] of all.entries()) {
      const after = await bench.read(view);
      for (const [first, last] of [
        [0, 64],
        [128, 192],
      ] as const)
        expect(after.slice(first, last)).toEqual(before[i]!.slice(first, last));
      if (view !== all[1]) expect(after.slice(64, 128)).not.toEqual(before[i]!.slice(64, 128));
    }
  });
});
