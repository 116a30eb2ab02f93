/** Kernels whose lanes come in subgroups, where the adapter has subgroups: the same numbers as without, in all sizes that it has. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleTokens, samplerPieces } from '../../src/engine/fused/kernels/decode.ts';
import { tokenLogprobForward } from '../../src/engine/fused/kernels/head.ts';
import { matmul } from '../../src/engine/fused/kernels/matmul.ts';
import { squaredSum } from '../../src/engine/fused/kernels/optimiser.ts';
import { thin } from '../../src/engine/fused/kernels/tuning.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { alone, giveSubgroups, subgroupsOf, withSubgroups, type Subgroups } from '../../src/engine/gpu/subgroups.ts';
import { WorkBench } from '../helpers/gpu-work.ts';
import { expectClose, integers, normals } from '../helpers/numbers.ts';
import norm from '../../shaders/optim/norm.wgsl';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
  bench = new WorkBench(gpu.device);
});
afterEach(() => {
  gpu.check();
  giveSubgroups(gpu.device, alone);
});
afterAll(() => {
  bench.dispose();
  gpu.release();
});

/** What this adapter would have if it were no software, and the same asked for where that can be. */
function offered(): Subgroups[] {
  const { device, adapterInfo } = gpu;
  const subgroups = subgroupsOf(adapterInfo, device.features);
  if (subgroups.size === 1) return [];
  return device.features.has('subgroup-size-control') ? [subgroups, { ...subgroups, asked: true }] : [subgroups];
}

/** The numbers of `compute` without subgroups, and with each of those offered. */
async function compared<T>(compute: () => Promise<T>): Promise<{ readonly plain: T; readonly grouped: readonly T[] }> {
  giveSubgroups(gpu.device, alone);
  const plain = await compute();
  const grouped: T[] = [];
  for (const subgroups of offered()) {
    giveSubgroups(gpu.device, subgroups);
    grouped.push(await compute());
  }
  return { plain, grouped };
}

it('a software adapter is given none, and this one has some to test with', () => {
  expect(gpu.software).toBe(true);
  expect(offered().length).toBeGreaterThan(0);
});

it.each([
  [1, 20, 300],
  [6, 12, 53],
  [3, 9, 8],
])('products of few rows, to the bit: %i x %i from %i', async (m, n, k) => {
  const [a, b] = [bench.input(normals(m * k, 1)), bench.input(normals(n * k, 2))];
  const { plain, grouped } = await compared(async () => {
    const c = bench.output(m * n);
    await bench.run(matmul({ kind: 'nt', m, n, k, a, b, c }, { matmul: thin }));
    return bench.read(c);
  });
  for (const numbers of grouped) expect(numbers).toEqual(plain);
});

it('sums of squares, log-probs and entropies', async () => {
  const [rows, vocabulary] = [3, 211];
  const g = bench.input(normals(1000, 1));
  const logits = bench.input(normals(rows * vocabulary, 2).map((x) => 4 * x));
  const targets = bench.input(Int32Array.from(integers(rows, 3, 0, vocabulary - 1)));
  const { plain, grouped } = await compared(async () => {
    const [partials, logprob, entropy, stats] = [bench.output(4), bench.output(rows), bench.output(rows), bench.output(2 * rows)];
    await bench.run([
      squaredSum({ g, partials }),
      tokenLogprobForward({ logits, targets, logprob, entropy, stats, rows, vocabulary, temperature: 0.7 }),
    ]);
    return { norm: (await bench.read(partials)).slice(0, 1), logprob: await bench.read(logprob), entropy: await bench.read(entropy) };
  });
  for (const numbers of grouped) {
    expectClose(numbers.norm, plain.norm, 'squares', { relative: 1e-6, absolute: 0 });
    expectClose(numbers.logprob, plain.logprob, 'log-probs', { relative: 0, absolute: 2e-6 });
    expectClose(numbers.entropy, plain.entropy, 'entropies', { relative: 0, absolute: 4e-6 });
  }
});

describe('the sampler', () => {
  const sampling = { temperature: 0.9, topK: 20, topP: 0.9, minP: 0, seed: 5, step: 2, firstRow: 0 };

  it.each([true, false])('of one workgroup a row: %s', async (single) => {
    const [rows, vocabulary] = [4, 533];
    const logits = bench.input(normals(rows * vocabulary, 4).map((x) => 3 * x));
    const { plain, grouped } = await compared(async () => {
      const state = bench.input(Int32Array.of(rows, 0));
      const of = {
        logits,
        active: bench.input(Int32Array.of(0, 1, 2, 3)),
        sampled: bench.output(3 * rows),
        state,
        rows,
        vocabulary,
        sampling,
      };
      const pieces = samplerPieces({ view: (_, length) => bench.output(length) }, { ...of, software: false });
      await bench.run(sampleTokens(single ? of : { ...of, pieces }));
      return bench.read(of.sampled);
    });
    const column = (numbers: Float32Array, at: number) => numbers.filter((_, i) => i % 3 === at);
    expect(new Set(column(plain, 0)).size).toBeGreaterThan(1);
    for (const numbers of grouped) {
      expect(column(numbers, 0)).toEqual(column(plain, 0));
      for (const at of [1, 2]) expectClose(column(numbers, at), column(plain, at), 'log-probs, entropies', { relative: 0, absolute: 4e-6 });
    }
  });
});

it('only a size that stays is taken', () => {
  const of = (least: number, most: number, ...features: string[]) =>
    subgroupsOf({ subgroupMinSize: least, subgroupMaxSize: most }, new Set(features));
  expect(of(32, 32, 'subgroups')).toEqual({ size: 32, asked: false });
  expect(of(64, 64, 'subgroups')).toEqual({ size: 64, asked: false });
  expect(of(8, 32, 'subgroups')).toBe(alone);
  expect(of(8, 32, 'subgroups', 'subgroup-size-control')).toEqual({ size: 32, asked: true });
  expect(of(32, 64, 'subgroups', 'subgroup-size-control')).toEqual({ size: 32, asked: true });
  expect(of(128, 128, 'subgroups')).toBe(alone);
  expect(of(32, 32)).toBe(alone);
  expect(subgroupsOf({}, new Set(['subgroups']))).toBe(alone);
  expect(withSubgroups(norm.code, alone)).toBe(norm.code);
  // All three instructions, or a sum over subgroups would be one lane's.
  const grouped = withSubgroups(norm.code, { size: 8, asked: true });
  for (const word of ['subgroupAdd(value)', 'subgroupMax(value)', 'subgroupShuffleXor(value, distance)', '@subgroup_size(8u)']) {
    expect(grouped).toContain(word);
  }
});
