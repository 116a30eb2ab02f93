/** The benchmark's own arithmetic: medians, ratios, what is not measured, the shape of its JSON, and the size of its workload. */
import { describe, expect, test } from 'vitest';
import { parameterCount } from '../../src/policy/weights.ts';
import {
  growthAboveSaturation,
  makeReport,
  median,
  ratiosOf,
  relativeDistance,
  Rows,
  rowSpecs,
  table,
} from '../../src/benchmark/report.ts';
import { Suite } from '../../src/benchmark/suite.ts';
import { activationBytes, benchConfig, learnedBytes, trainBatch, trainStepFlops } from '../../src/benchmark/workload.ts';

const config = benchConfig(128);

function measured() {
  const rows = new Rows();
  rows.add('trainStep.d128.256', 'fused', [30, 10, 20]);
  rows.add('trainStep.d128.256', 'portable', [40, 60]);
  rows.add('rollout.16', 'fused', [900]);
  rows.add('rollout.16', 'jax-js', [300]);
  rows.add('trainStep.dispatches', 'fused', [120]);
  rows.add('trainStep.encode', 'fused', [0.5, 0.7]);
  return rows.list(({ hardware }, engine) => (hardware ? 'needs hardware' : `${engine} is not there`));
}

function report(software: boolean) {
  const occasion = { adapter: 'an adapter', software, runtime: 'a runtime', version: '1.0.0', date: '2026-01-01T00:00:00.000Z' };
  return makeReport(occasion, config, measured());
}

describe('medians and distances', () => {
  test('median of odd and even counts, in any order, and of nothing', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([100, 9, 20])).toBe(20); // by value, not as text
    expect(() => median([])).toThrow('nothing');
  });

  test('relative distance in the Euclidean norm over all tensors', () => {
    const b = { x: Float32Array.of(3), y: Float32Array.of(0, 4) };
    expect(relativeDistance(b, b)).toBe(0);
    expect(relativeDistance({ x: Float32Array.of(3), y: Float32Array.of(1, 4) }, b)).toBeCloseTo(0.2, 12);
    expect(relativeDistance({ x: Float32Array.of(NaN), y: Float32Array.of(0, 4) }, b)).toBeNaN();
    expect(() => relativeDistance({ x: Float32Array.of(3) }, b)).toThrow('y');
  });

  test('growth counts from the saturating size on', () => {
    expect(growthAboveSaturation([8, 4, 2, 2, 2.2])).toBeCloseTo(1.1, 12);
    expect(growthAboveSaturation([8, 4, 2.3, 2, 3])).toBeCloseTo(1.5, 12);
    expect(growthAboveSaturation([1, 2])).toBe(2);
  });
});

describe('memory', () => {
  test('the plan of a step of 8192 places and 32768 tokens is within 128 MiB of weights, gradients, moments and activations', () => {
    const suite = new Suite({ repeats: 1, patience: 0, hurry: 0 }, () => {});
    suite.plannedMemory();
    const row = suite.rows.list(() => 'not measured').find(({ name }) => name === 'trainStep.memory.planned');
    expect(row!.median).toBeGreaterThan(0);
    expect(row!.median).toBeLessThanOrEqual(128);
  });
});

describe('rows and ratios', () => {
  test('every row of every engine is there, measured or with a reason', () => {
    const rows = measured();
    expect(rows).toHaveLength(rowSpecs.reduce((total, spec) => total + ('engines' in spec ? spec.engines.length : 3), 0));
    for (const { median: value, repeats, reason } of rows) {
      if (value === null) expect([repeats, typeof reason]).toEqual([0, 'string']);
      else expect([repeats > 0, reason]).toEqual([true, undefined]);
    }
  });

  test('a ratio says how many times as fast, for times and for rates', () => {
    const ratios = ratiosOf(measured());
    expect(ratios['trainStep.d128.256']).toEqual({ 'fused/portable': 2.5, 'fused/jax-js': null, 'jax-js/portable': null });
    expect(ratios['rollout.16']).toEqual({ 'fused/portable': null, 'fused/jax-js': 3, 'jax-js/portable': null });
    expect(ratios['trainStep.dispatches']).toBeUndefined();
  });
});

describe('report', () => {
  test('JSON has the adapter, the model, rows, ratios and the fused engine’s own figures', () => {
    const json = JSON.parse(JSON.stringify(report(false))) as Record<string, unknown>;
    const keys = ['adapter', 'date', 'dispatches', 'encodeMs', 'model', 'ratios', 'rows', 'runtime', 'software', 'version'];
    expect(Object.keys(json).sort()).toEqual(keys);
    expect(json['dispatches']).toEqual({ trainStep: 120, decodeToken: null });
    expect(json['encodeMs']).toBeCloseTo(0.6, 12);
    expect(json['model']).toEqual({ layers: 4, hiddenSize: 128, intermediateSize: 352, vocabSize: 512, heads: 4, kvHeads: 2 });
    expect((json['rows'] as object[])[0]).toEqual({
      name: 'trainStep.dispatches',
      engine: 'fused',
      median: 120,
      unit: 'dispatches',
      repeats: 1,
    });
  });

  test('a software adapter shows ratios instead of times', () => {
    const line = (software: boolean) =>
      table(report(software))
        .split('\n')
        .find((text) => text.includes('d 128, B·T 256'))!;
    expect(line(false)).toMatch(/ 20 ms .* 50 ms .* not measured /);
    expect(line(true)).toMatch(/ 2\.5× .* 1× .* not measured /);
    expect(line(true)).not.toContain(' ms');
  });
});

describe('workload', () => {
  test('rows are full and the arrays have their shapes', () => {
    const batch = trainBatch(config, 6, 16);
    expect([batch.tokens.length, batch.mask.length, batch.oldLogprobs!.length]).toEqual([96, 48, 48]);
    expect(batch.tokens.every((id) => id >= 0 && id < config.vocabSize)).toBe(true);
    expect(batch.rowWeights.reduce((sum, w) => sum + w, 0) * 8).toBeCloseTo(1, 5);
  });

  test('floating-point operations and bytes, counted by hand for a small shape', () => {
    const tiny = { ...benchConfig(4, 8), layers: 1, heads: 2, kvHeads: 1, headDim: 2, intermediateSize: 6 };
    // q 16, k and v 8 each, o 16, gate, up and down 24 each; the head 32; attention 2 products over 1 + 2 places of 4 numbers.
    const batch = trainBatch(tiny, 3, 2);
    expect(trainStepFlops(tiny, batch)).toBe(3 * 2 * (6 * 120 + 3 * 32 + 3 * 2 * 4 * 3));
    expect(learnedBytes(tiny)).toBe(16 * parameterCount(tiny));
    // Of a place: two residual streams, q|k|v, mixed values, log-sum-exp of each head, gate and up, and the last stream.
    expect(activationBytes(tiny, 5)).toBe(4 * 5 * (8 + 8 + 4 + 2 + 12 + 4));
  });
});
