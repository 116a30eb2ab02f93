/** The memory plan of the fused engine: what it counts, how it splits rows under an adapter's limits, and what it refuses. No GPU is touched. */
import { describe, expect, it } from 'vitest';
import type { TrainingShape } from '../../src/engine/engine.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import { adapterLayout, policyLayout } from '../../src/engine/fused/layout.ts';
import { planMemory } from '../../src/engine/fused/memory-plan.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { parameterCount } from '../../src/policy/weights.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const machine = (config: PolicyConfig) => ({ config, software: false, tuning: tuningFor({ adapter: '', software: false }) });
const shape: TrainingShape = { rows: 128, width: 64, completionWidth: 32, microBatchRows: 0, withReference: true };
const plan = (config: PolicyConfig, bindable: number, of: Partial<TrainingShape> = {}) =>
  planMemory(machine(config), { layout: policyLayout(config, bindable), adapters: null }, { ...shape, ...of }, bindable);

describe('the memory plan', () => {
  it('adds up weights, gradients, moments, reference and the buffers of a pass', () => {
    const whole = plan(tinyConfig, 2 ** 30);
    expect(whole.weights).toBeGreaterThanOrEqual(4 * parameterCount(tinyConfig));
    expect(whole.gradients + whole.moments + whole.reference).toBe(4 * whole.weights);
    const passes = whole.passes.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(whole.total).toBe(5 * whole.weights + passes);
    expect(plan(tinyConfig, 2 ** 30, { withReference: false }).total).toBe(whole.total - whole.weights);
    expect(whole.rowsPerPass).toBe(128); // 128 rows of 64 places are one pass
    // No buffer of a pass is as large as scores or logits of all places would be.
    const places = 128 * 64;
    for (const { name, bytes } of whole.passes) expect(bytes, name).toBeLessThan(places * tinyConfig.vocabSize * 4 + 2 ** 16);
    expect(plan(tinyConfig, 2 ** 30, { rows: 256 }).rowsPerPass).toBe(128);
    expect(plan(tinyConfig, 2 ** 30, { microBatchRows: 16 }).rowsPerPass).toBe(16);
  });

  it('counts of adapters what they are: no gradient, no moment and no reference of what is frozen', () => {
    const layouts = { layout: policyLayout(tinyConfig, 2 ** 30), adapters: adapterLayout(tinyConfig, 2, 2 ** 30) };
    const lora = planMemory(machine(tinyConfig), layouts, shape, 2 ** 30);
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
