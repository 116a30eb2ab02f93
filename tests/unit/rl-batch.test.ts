/** Masks, batches, schedule and reward shaping. */
import { describe, expect, it } from 'vitest';
import type { Rollouts } from '../../src/engine/engine.ts';
import { completionLength, completionMask, completionOf, pickRows, policyBatch, supervisedBatch } from '../../src/rl/batch.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { learningRateFactor, optimAt } from '../../src/rl/schedule.ts';
import { sequenceKl, softOverlong } from '../../src/rl/shaping.ts';
import { sharedJson } from '../helpers/shared.ts';

interface Vectors {
  eos_mask: {
    ids: number[][];
    cases: { eos: number[]; mask: number[][]; truncated: boolean[] }[];
    pad_equals_eos: { ids: number[][]; eos: number; right: number[][] };
  };
  reward_shaping: { soft_overlong: { L_max: number; L_cache: number; lengths: number[]; trl_expected: number[] } };
}
const vectors = sharedJson<Vectors>('vectors/rl_vectors.json');

/** Rows `[prompt | completion]` as an engine returns them; log-prob of completion token t of row r is -(r + t/10). */
function rollouts(rows: readonly { prompt: number[]; completion: number[]; ended: boolean }[], pad = 0): Rollouts {
  const width = Math.max(...rows.map(({ prompt, completion }) => prompt.length + completion.length));
  const completionWidth = Math.max(...rows.map(({ completion }) => completion.length));
  const grid = (read: (row: number, t: number) => number) =>
    Float32Array.from(
      rows.flatMap(({ completion }, r) => Array.from({ length: completionWidth }, (_, t) => (t < completion.length ? read(r, t) : 0))),
    );
  return {
    rows: rows.length,
    width,
    completionWidth,
    tokens: Int32Array.from(
      rows.flatMap(({ prompt, completion }) => [...prompt, ...completion, ...Array(width).fill(pad)].slice(0, width)),
    ),
    promptLengths: Int32Array.from(rows, ({ prompt }) => prompt.length),
    lengths: Int32Array.from(rows, ({ prompt, completion }) => prompt.length + completion.length),
    logprobs: grid((r, t) => -(r + t / 10)),
    entropies: grid((r, t) => r + t),
    ended: Uint8Array.from(rows, ({ ended }) => (ended ? 1 : 0)),
    device: {},
  };
}

const eos = 2;
const sample = rollouts(
  [
    { prompt: [5, 6, 7], completion: [8, 9, eos], ended: true },
    { prompt: [5], completion: [8, 8, 8, 8], ended: false },
    { prompt: [eos, 5], completion: [eos], ended: true }, // an EOS within the prompt ends nothing
  ],
  eos, // pad equals EOS
);

describe.skipIf(!vectors)('rl vectors (../shared)', () => {
  it('eos_mask: the first EOS is inside the mask, by position, for several EOS ids', () => {
    for (const { eos: ids, mask, truncated } of vectors!.eos_mask.cases) {
      vectors!.eos_mask.ids.forEach((row, i) => {
        const { length, ended } = completionLength(row, ids);
        expect(row.map((_, t) => (t < length ? 1 : 0))).toEqual(mask[i]);
        expect(!ended).toBe(truncated[i]);
      });
    }
    const { ids, eos: id, right } = vectors!.eos_mask.pad_equals_eos;
    ids.forEach((row, i) => expect(row.map((_, t) => (t < completionLength(row, [id]).length ? 1 : 0))).toEqual(right[i]));
  });

  it('soft_overlong: DAPO eq. 13', () => {
    const { L_max, L_cache, lengths, trl_expected } = vectors!.reward_shaping.soft_overlong;
    lengths.forEach((length, i) => expect(softOverlong(length, L_max, L_cache)).toBeCloseTo(trl_expected[i]!, 12));
  });
});

describe('masks and batches', () => {
  it('counts completions up to and including the EOS, though padding has the same id', () => {
    expect([...completionMask(sample, [eos], false)]).toEqual([1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect([...completionOf(sample, 2)]).toEqual([eos]);
  });

  it('leaves truncated rows out when asked, and their tokens out of the normaliser', () => {
    const mask = completionMask(sample, [eos], true);
    expect([...mask]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    const config = { ...recipes.rlvr, objective: { ...recipes.rlvr.objective, name: 'dapo' as const } };
    const batch = policyBatch(sample, mask, Float32Array.of(1, 2, 3), null, config);
    expect([...batch.rowWeights]).toEqual([0.25, 0, 0.25]);
    expect(batch.oldLogprobs).toBe(sample.logprobs);
    expect(batch.device).toBe(sample.device);
  });

  it('makes teacher-forced rows of prompts and replies', () => {
    const batch = supervisedBatch(
      [
        { prompt: Int32Array.of(5, 6), reply: Int32Array.of(7, 8, eos) },
        { prompt: Int32Array.of(5), reply: Int32Array.of(eos) },
      ],
      recipes.sft,
    );
    expect([...batch.tokens]).toEqual([5, 6, 7, 8, eos, 5, eos, 0, 0, 0]);
    expect([...batch.mask]).toEqual([1, 1, 1, 1, 0, 0]);
    expect([...batch.lengths]).toEqual([5, 2]);
    expect([...batch.rowWeights]).toEqual([0.25, 0.25]);
  });

  it('picks rows of several generations without their device copies', () => {
    const other = rollouts([{ prompt: [1], completion: [3, eos], ended: true }]);
    const picked = pickRows([
      { from: sample, row: 2 },
      { from: other, row: 0 },
    ]);
    expect(picked.width).toBe(3);
    expect([...picked.tokens]).toEqual([eos, 5, eos, 1, 3, eos]);
    expect([...picked.logprobs]).toEqual([-2, 0, -0, Math.fround(-0.1)]);
    expect([...picked.ended]).toEqual([1, 1]);
    expect(picked.device).toBeUndefined();
  });
});

describe('shaping', () => {
  it('sums k1 over the tokens that count', () => {
    const kl = sequenceKl(Float32Array.of(-1, -2, -3, 99), Float32Array.of(-1.5, -2, -3.25, 0), Uint8Array.of(1, 1, 1, 0), 2);
    expect([...kl]).toEqual([0.5, 0.25]);
  });

  it('soft overlong by hand, and off', () => {
    expect([80, 90, 100, 110].map((n) => softOverlong(n, 100, 20))).toEqual([0, -0.5, -1, -1]);
    expect(softOverlong(100, 100, 0)).toBe(0);
  });
});

describe('schedule', () => {
  it('warms up without a step of 0, then decays to just above 0', () => {
    const factors = Array.from({ length: 10 }, (_, step) => learningRateFactor('linear', 2, 10, step));
    expect(factors.slice(0, 3)).toEqual([1 / 3, 2 / 3, 1]);
    expect(factors[9]).toBeCloseTo(1 / 8, 12);
    expect(learningRateFactor('cosine', 0, 10, 5)).toBeCloseTo(0.5, 12);
    expect(learningRateFactor('constant', 0, 10, 9)).toBe(1);
    expect(factors.every((factor) => factor > 0)).toBe(true);
  });

  it('gives the engine its optimiser settings, and nothing else', () => {
    const config = { ...recipes.rlvr, steps: 4, optim: { ...recipes.rlvr.optim, schedule: 'linear' as const } };
    expect(optimAt(config, 2)).toEqual({
      learningRate: 1.5e-4,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0,
      maxGradNorm: 1,
      microBatchRows: 0,
    });
  });
});
