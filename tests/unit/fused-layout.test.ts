/** Where parameters lie in the fused engine's arenas, places and cells of a pass; no GPU is touched. */
import { describe, expect, it } from 'vitest';
import { bucket, passOf, placeBucket, regrid, tablesOfRows } from '../../src/engine/fused/batch.ts';
import { cellBucket } from '../../src/engine/fused/head.ts';
import { adapterLayout, checkSources, policyLayout } from '../../src/engine/fused/layout.ts';
import { policyPieces } from '../../src/engine/pieces.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import { labErrorCode } from '../../src/errors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { packArena, unpackArena } from '../helpers/arena.ts';
import { variants } from '../helpers/engine-suite.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

describe.each(Object.entries({ ...variants, tiny: tinyConfig }))('the arena of: %s', (_, config: PolicyConfig) => {
  it.each([2 ** 30, 4096])('gives back what it was given, with buffers of at most %d bytes', (maxBytes) => {
    const most = Math.max(...parameterShapes(config).map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1)));
    const layout = policyLayout(config, Math.max(maxBytes, 3 * most));
    const weights = initialWeights(config, 1);
    const parts = packArena(layout, weights);
    expect(unpackArena(layout, parts, weights)).toEqual(weights);
    // The same in ranges that end within rows and cover gaps.
    for (const range of [37, 1000]) {
      expect(packArena(layout, weights, range)).toEqual(parts);
      expect(unpackArena(layout, parts, weights, range)).toEqual(weights);
    }
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBeGreaterThanOrEqual(
      Object.values(weights).reduce((n, w) => n + w.length, 0),
    );
    for (const { offset, part, shape } of layout.slots.values()) {
      expect(offset % 64).toBe(0);
      expect(offset + shape.reduce((a, b) => a * b, 1)).toBeLessThanOrEqual(layout.parts[part]!.length);
      // weight decay applies to matrices and to nothing else
      expect(offset < layout.parts[part]!.decayed).toBe(shape.length > 1);
    }
  });
});

describe.each(Object.entries({ ...variants, tiny: tinyConfig }))('the arena of: %s, cut', (_, config: PolicyConfig) => {
  it.each([256, 512, 800])('gives back what it was given, with buffers of at most %d bytes', (maxBytes) => {
    const layout = policyLayout(config, maxBytes);
    expect(layout.shards.size).toBeGreaterThan(0);
    for (const { length } of layout.parts) expect(4 * length).toBeLessThanOrEqual(maxBytes);
    const weights = initialWeights(config, 1);
    checkSources(layout, weights);
    for (const range of [Infinity, 37, 1000]) {
      expect(unpackArena(layout, packArena(layout, weights, range), weights, range)).toEqual(weights);
    }
    const pieces = new Map(policyPieces(config).map((piece) => [piece.name, piece]));
    for (const [name, shards] of layout.shards) {
      expect(layout.slots.has(name)).toBe(false);
      expect(shards.map((shard) => layout.slots.get(shard.name))).toEqual(shards);
      expect([shards.reduce((rows, { shape }) => rows + shape[0]!, 0), shards[0]!.shape[1]]).toEqual(pieces.get(name)!.shape);
    }
    const [name, { length }] = Object.entries(weights)[0]!;
    expect(() => checkSources(layout, { ...weights, [name]: new Float32Array(length + 1) })).toThrow(name);
  });
});

it('cuts what is too large to be bound, a shard near what is bound, and nothing else', () => {
  // Qwen2.5-0.5B as it is trained, where WebGPU promises no more than 128 MiB
  const config: PolicyConfig = { ...tinyConfig, vocabSize: 151_936, hiddenSize: 896, intermediateSize: 4864, tied: true };
  const { shards, parts } = policyLayout(config, 2 ** 27);
  expect([...shards].map(([name, of]) => [name, of.map(({ shape }) => shape[0])])).toEqual([
    ['embedding', [30400, 30400, 30400, 30400, 30336]],
  ]);
  for (const { length } of parts) expect(4 * length).toBeLessThanOrEqual(2 ** 27);
  expect(policyLayout(config, 2 ** 30).shards.size).toBe(0);
});

it('refuses a row larger than a buffer may be, and adapters, by name', () => {
  const refusal = (make: () => unknown) => {
    try {
      make();
    } catch (error) {
      expect(labErrorCode(error)).toBe('webgpu');
      return (error as Error).message;
    }
    return null;
  };
  expect(refusal(() => policyLayout({ ...tinyConfig, hiddenSize: 2 ** 19 }, 2 ** 20))).toMatch(
    /^A row of model\.embed_tokens.* takes 2 MiB, this GPU binds at most 1 MiB at once/,
  );
  const wide = { ...tinyConfig, intermediateSize: 2 ** 13 };
  expect(refusal(() => adapterLayout(wide, { rank: 64 }, 2 ** 20))).toMatch(/^All of .*gate_proj.*lora_B.* takes 8 MiB.* smaller rank/);
  expect(refusal(() => adapterLayout(wide, { rank: 4 }, 2 ** 20))).toBeNull();
});

it('lists places and cells of a pass, a prompt once, and fills up with places and cells that are nobody’s', () => {
  // three rows: two of a prompt of 2 with completions of 1 and 3, one of a prompt of 1 with one of 3
  const batch = {
    rows: 3,
    width: 5,
    completionWidth: 3,
    tokens: Int32Array.of(5, 6, 7, 99, 99, 5, 6, 8, 9, 4, 1, 2, 3, 4, 99),
    promptLengths: Int32Array.of(2, 2, 1),
    lengths: Int32Array.of(3, 5, 4),
  };
  const pass = passOf(batch, 0, 3, 8, 4, Uint8Array.of(1, 0, 0, 1, 0, 1, 1, 1, 0));
  expect(pass.shape).toEqual({ places: 8, segments: 6, width: 8, rows: 3, completionWidth: 4, cells: 64 });
  expect([pass.real, pass.counted]).toEqual([6, 5]);
  expect([...pass.tokens]).toEqual([5, 6, 8, 9, 1, 2, 0, 0]);
  expect([...pass.positions]).toEqual([0, 1, 2, 3, 0, 1, 0, 0]);
  expect([...pass.segmentOf]).toEqual([0, 0, 1, 1, 2, 3, -1, -1]);
  expect([...pass.segments]).toEqual([...[0, 2, -1, 1], ...[2, 2, 0, 0], ...[4, 1, -1, 1], ...[5, 1, 2, 0]]);
  // The first tokens of both replies come after the prompt's last place.
  expect([...pass.places.slice(0, 6)]).toEqual([1, 1, 3, 4, 5, 0]);
  expect([...pass.targets.slice(0, 6)]).toEqual([7, 8, 4, 2, 3, 0]);
  expect([...pass.cells.slice(0, 6)]).toEqual([0, 4, 6, 8, 9, 12]);
  expect([...pass.grid]).toEqual([0, 3, 5, 6, 7]);
  expect([...pass.cellStarts]).toEqual([0, 0, 2, 2, 3, 4, 5, 5, 5]);
  const second = passOf(batch, 1, 2, 8, 4);
  expect([...second.places.slice(0, 3)]).toEqual([1, 2, 3]);
  expect([[...second.cells.slice(0, 4)], [...second.grid]]).toEqual([[0, 1, 2, 4], [3, 4, 5]]); // prettier-ignore
});

it('takes rows of one width for segments', () => {
  const { positions, segmentOf, segments } = tablesOfRows([2, 3], 3);
  expect([[...positions], [...segmentOf]]).toEqual([[0, 1, 0, 0, 1, 2], [0, 0, -1, 1, 1, 1]]); // prettier-ignore
  expect([...segments]).toEqual([...[0, 2, -1, 0], ...[3, 3, -1, 0]]);
});

it('rounds shapes up so that they repeat', () => {
  expect([0, 1, 8, 9].map(bucket)).toEqual([8, 8, 8, 16]);
  expect([0, 1, 64, 65, 1000, 1025, 5000].map(cellBucket)).toEqual([64, 64, 64, 128, 1024, 1152, 5120]);
  for (let n = 1; n < 20_000; n += 37) expect(cellBucket(n) / Math.max(n, 512)).toBeLessThanOrEqual(1.126);
  expect(new Set(Array.from({ length: 4096 }, (_, n) => cellBucket(4096 + n))).size).toBeLessThanOrEqual(9);
  for (let n = 1; n < 20_000; n += 37) expect(placeBucket(n) - n).toBeLessThan(Math.max(8, n / 127));
  expect([1, 8, 9, 1024, 2047, 2049].map(placeBucket)).toEqual([8, 8, 16, 1024, 2048, 2064]);
  expect([...regrid(Float32Array.of(1, 2, 3, 4, 5, 6), 1, 3, 2, 3)]).toEqual([3, 4, 0, 5, 6, 0]);
});
