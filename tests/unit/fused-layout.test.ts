/** Where parameters lie in the fused engine's arenas, rows and cells of a pass; no GPU is touched. */
import { describe, expect, it } from 'vitest';
import { bucket, passOf, ranges, regrid } from '../../src/engine/fused/batch.ts';
import { cellBucket } from '../../src/engine/fused/head.ts';
import { packArena, policyLayout, unpackArena } from '../../src/engine/fused/layout.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import { labErrorCode } from '../../src/errors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { variants } from '../helpers/engine-suite.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

describe.each(Object.entries({ ...variants, tiny: tinyConfig }))('the arena of: %s', (_, config: PolicyConfig) => {
  it.each([2 ** 30, 4096])('gives back what it was given, with buffers of at most %d bytes', (maxBytes) => {
    const most = Math.max(...parameterShapes(config).map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1)));
    const layout = policyLayout(config, Math.max(maxBytes, 3 * most));
    const weights = initialWeights(config, 1);
    const names = parameterShapes(config).map(({ name }) => name);
    const parts = packArena(layout, weights);
    expect(unpackArena(layout, parts, names)).toEqual(weights);
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

it('refuses a matrix larger than a buffer may be, by name', () => {
  let error: unknown;
  try {
    policyLayout({ ...tinyConfig, vocabSize: 100_000 }, 2 ** 20);
  } catch (caught) {
    error = caught;
  }
  expect(labErrorCode(error)).toBe('webgpu');
  expect((error as Error).message).toMatch(/embed_tokens.* takes 13 MiB.*at most 1 MiB/);
});

it('lists the cells of a pass with the place before each, and fills up with cells that do not count', () => {
  // two rows: prompts of 2 and 1, completions of 1 and 3
  const batch = {
    rows: 2,
    width: 4,
    completionWidth: 3,
    tokens: Int32Array.of(5, 6, 7, 99, 1, 2, 3, 4),
    promptLengths: Int32Array.of(2, 1),
    lengths: Int32Array.of(3, 4),
  };
  const pass = passOf(batch, 0, 2, 8, 4, Uint8Array.of(1, 0, 0, 1, 0, 1));
  expect(pass.shape).toEqual({ rows: 2, width: 8, cells: 64, completionWidth: 4 });
  expect(pass.counted).toBe(3);
  expect([...pass.tokens]).toEqual([5, 6, 7, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
  expect([...pass.places.slice(0, 4)]).toEqual([1, 8, 10, 0]);
  expect([...pass.targets.slice(0, 4)]).toEqual([7, 2, 4, 0]);
  expect([...pass.cells.slice(0, 4)]).toEqual([0, 4, 6, 8]);
  expect([...pass.inverse]).toEqual([-1, 0, -1, -1, -1, -1, -1, -1, 1, -1, 2, -1, -1, -1, -1, -1]);
  const second = passOf(batch, 1, 2, 8, 4);
  expect([...second.places.slice(0, 3)]).toEqual([0, 1, 2]);
  expect([...second.lengths]).toEqual([4]);
});

it('rounds shapes up so that they repeat', () => {
  expect([0, 1, 8, 9].map(bucket)).toEqual([8, 8, 8, 16]);
  expect([0, 1, 64, 65, 1000, 1025, 5000].map(cellBucket)).toEqual([64, 64, 64, 128, 1024, 1152, 5120]);
  for (let n = 1; n < 20_000; n += 37) expect(cellBucket(n) / Math.max(n, 512)).toBeLessThanOrEqual(1.126);
  expect(new Set(Array.from({ length: 4096 }, (_, n) => cellBucket(4096 + n))).size).toBeLessThanOrEqual(9);
  expect(ranges(5, 2)).toEqual([
    [0, 2],
    [2, 4],
    [4, 5],
  ]);
  expect([...regrid(Float32Array.of(1, 2, 3, 4, 5, 6), 1, 3, 2, 3)]).toEqual([3, 4, 0, 5, 6, 0]);
});
