/** The memory plan of the fused engine: what it counts, how it splits rows under an adapter's limits, and what it refuses. No GPU is touched. */
import { describe, expect, it } from 'vitest';
import type { TrainingShape } from '../../src/engine/engine.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import { adapterLayout, policyLayout } from '../../src/engine/fused/layout.ts';
import { planMemory, type Limits } from '../../src/engine/fused/memory-plan.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { parameterCount } from '../../src/policy/weights.ts';
import { planned } from '../../src/benchmark/planned.ts';
import { realPolicies, type RealPolicy } from '../../src/benchmark/real-policies.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const machine = (config: PolicyConfig) => ({ config, software: false, tuning: tuningFor({ adapter: '', software: false }) });
const shape: TrainingShape = { rows: 128, groups: 16, width: 64, completionWidth: 32, microBatchRows: 0, withReference: true };
const roomy = (bindable: number, budget = 2 ** 40): Limits => ({ bindable, budget });
const plan = (config: PolicyConfig, bindable: number, of: Partial<TrainingShape> = {}, budget?: number) =>
  planMemory(machine(config), { layout: policyLayout(config, bindable), adapters: null }, { ...shape, ...of }, roomy(bindable, budget));

describe('the memory plan', () => {
  it('adds up weights, gradients, moments, reference and the buffers of a pass', () => {
    const whole = plan(tinyConfig, 2 ** 30);
    expect(whole.weights).toBeGreaterThanOrEqual(4 * parameterCount(tinyConfig));
    expect(whole.gradients + whole.moments + whole.reference).toBe(4 * whole.weights);
    const passes = ({ passes }: typeof whole) => passes.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(whole.generation).toBeGreaterThan(128 * 32 * tinyConfig.layers * 2 * tinyConfig.kvHeads * tinyConfig.headDim * 4);
    expect(whole.total).toBe(5 * whole.weights + passes(whole) + whole.generation);
    // Nor is anything scored without one.
    const alone = plan(tinyConfig, 2 ** 30, { withReference: false });
    expect(alone.total).toBe(4 * alone.weights + passes(alone) + alone.generation);
    expect(passes(alone)).toBeLessThan(passes(whole));
    expect(whole.rowsPerPass).toBe(128); // 16 prompts and 128 replies, of 32 tokens each, are one pass
    // No buffer of a pass is as large as scores or logits of all places would be.
    const places = 128 * 64;
    for (const { name, bytes } of whole.passes) expect(bytes, name).toBeLessThan(places * tinyConfig.vocabSize * 4 + 2 ** 16);
    // Of 8192 tokens: 15 prompts with 16 replies each; or rows of 64.
    expect(plan(tinyConfig, 2 ** 30, { rows: 256 }).rowsPerPass).toBe(240);
    expect(plan(tinyConfig, 2 ** 30, { rows: 256, groups: 256 }).rowsPerPass).toBe(128);
    expect(plan(tinyConfig, 2 ** 30, { microBatchRows: 16 }).rowsPerPass).toBe(16);
  });

  it('counts of adapters what they are: no gradient, no moment and no reference of what is frozen', () => {
    const layouts = { layout: policyLayout(tinyConfig, 2 ** 30), adapters: adapterLayout(tinyConfig, { rank: 2 }, 2 ** 30) };
    const lora = planMemory(machine(tinyConfig), layouts, shape, roomy(2 ** 30));
    const whole = plan(tinyConfig, 2 ** 30);
    const adapters = layouts.adapters.parts.reduce((sum, { length }) => sum + 4 * length, 0);
    expect(lora.weights).toBe(whole.weights + adapters);
    expect([lora.gradients, lora.moments, lora.reference]).toEqual([adapters, 2 * adapters, 0]);
    expect(lora.passes.find(({ name }) => name === 'lora.inner')).toBeDefined();
  });

  it('keeps logits in chunks: a large vocabulary costs weights, not activations', () => {
    const small = plan({ ...tinyConfig, vocabSize: 512 }, 2 ** 31);
    const large = plan({ ...tinyConfig, vocabSize: 151_936 }, 2 ** 31);
    const passes = ({ passes }: typeof small) => passes.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(passes(large) - passes(small)).toBeLessThan(65 * 2 ** 20);
  });

  it('stays within what it may take: inputs only, then fewer rows, float16 for keys and values, then a sentence', () => {
    const config = { ...tinyConfig, layers: 12, hiddenSize: 64, intermediateSize: 256, heads: 4, kvHeads: 2, headDim: 16 };
    const layouts = { layout: policyLayout(config, 2 ** 30), adapters: adapterLayout(config, { rank: 2 }, 2 ** 30) };
    const of = (budget: number, more: Partial<TrainingShape> = {}) =>
      planMemory(machine(config), layouts, { ...shape, ...more }, roomy(2 ** 30, budget));
    const whole = of(2 ** 40);
    expect([whole.recomputed, whole.rowsPerPass, whole.promptsPerGeneration, whole.cache]).toEqual([false, 128, 16, 'f32']);
    const again = of(2 ** 40, { recompute: true });
    expect(again.total).toBeLessThan(0.6 * whole.total);
    expect(of(2 ** 40, { cache: 'f16' }).generation).toBeLessThan(0.75 * whole.generation);
    let last = whole;
    for (let budget = whole.total; budget > again.total / 8; budget *= 0.8) {
      let plan;
      try {
        plan = of(budget);
      } catch (error) {
        expect(labErrorCode(error)).toBe('memory');
        expect((error as Error).message).toMatch(
          /needs about \d+ MiB on the GPU and may take \d+ MiB .* let it take more: --gpu-memory GIB .*\?gpuMemory=GIB in the page's address\.$/,
        );
        break;
      }
      expect(plan.total).toBeLessThanOrEqual(budget);
      last = plan;
    }
    expect([last.recomputed, last.cache, last.rowsPerPass < 128, last.promptsPerGeneration < 16]).toEqual([true, 'f16', true, true]);
  });

  it('the policies that people have fit a laptop', () => {
    for (const [name, { most }] of Object.entries(realPolicies)) {
      expect(planned(name as RealPolicy).total, name).toBeLessThanOrEqual(most);
    }
  });

  it('also where a GPU binds no more than WebGPU promises, adapters or everything', () => {
    const least = 2 ** 27;
    for (const [name, { most, config }] of Object.entries(realPolicies)) {
      const { total, passes } = planned(name as RealPolicy, least);
      expect(total, name).toBeLessThanOrEqual(most);
      expect(passes[0]!.bytes, name).toBeLessThanOrEqual(least);
      // What is cut takes no more of it than what is whole, but for where shards begin.
      const [cut, whole] = [least, 2 ** 31].map((bindable) => plan(config, bindable, { width: 350, completionWidth: 200 }));
      expect(cut!.weights / whole!.weights - 1, name).toBeLessThan(1e-4);
    }
    // Gemma 3 of 270 million parameters, whose vocabulary is the largest of all
    const gemma: PolicyConfig = { ...tinyConfig, family: 'gemma3_text', qkNorm: true, vocabSize: 262_144, hiddenSize: 640, tied: true };
    expect(plan(gemma, least).passes[0]!.bytes).toBeLessThanOrEqual(least);
  });

  it('takes fewer rows at once where the adapter binds less, and refuses a row that is too much', () => {
    const narrow = plan(tinyConfig, 2 ** 19);
    expect(narrow.rowsPerPass).toBeLessThan(128);
    for (const { name, bytes } of narrow.passes) expect(bytes, name).toBeLessThanOrEqual(2 ** 19);
    let error: unknown;
    try {
      plan({ ...tinyConfig, maxPositions: 100_000 }, 2 ** 17, { width: 50_000, completionWidth: 8 });
    } catch (caught) {
      error = caught;
    }
    expect(labErrorCode(error)).toBe('webgpu');
    expect((error as Error).message).toMatch(/single row of 50000 tokens needs .* MiB .* Use shorter prompts/);
  });
});
