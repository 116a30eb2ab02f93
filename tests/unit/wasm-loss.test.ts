/** The host's share of a step of the wasm engine, loss and advantages, against the float64 definitions. */
import { describe, expect, it } from 'vitest';
import { advantageKinds, type ObjectiveSpec, type TrainBatch } from '../../src/engine/engine.ts';
import { rowColumns, stepMetricsFromRows } from '../../src/engine/step-metrics.ts';
import { groupAdvantages } from '../../src/engine/wasm/advantages.ts';
import { lossGradient } from '../../src/engine/wasm/loss.ts';
import { objectives } from '../helpers/kernel-suite.ts';
import { expectClose, grid, integers, normals } from '../helpers/numbers.ts';
import { referenceAdvantage } from '../helpers/reference-kernels.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';

const [rows, width] = [7, 9];

/** Log-probs near their old ones, rows of different lengths with gaps, the second one empty. */
function lossCase(offPolicy: boolean) {
  const lengths = integers(rows, 3, 1, width).map((length, row) => (row === 1 ? 0 : length));
  const mask = lengths.map((length, row) => Array.from({ length: width }, (_, t) => (t < length && (t !== 2 || row % 2 === 0) ? 1 : 0)));
  const old = normals(rows * width, 1).map((x) => -2 + 0.5 * x);
  const logprob = old.map((value, i) => Math.fround(value + 0.3 * normals(rows * width, 2)[i]!));
  const ref = old.map((value, i) => value + 0.4 * normals(rows * width, 4)[i]!);
  const entropy = normals(rows * width, 5).map((x) => Math.fround(Math.abs(x)));
  const [advantage, rowWeight] = [normals(rows, 6), normals(rows, 7).map((x) => Math.abs(x) / 9)];
  const flat = mask.flat();
  const cells = Int32Array.from(flat.flatMap((on, i) => (on ? [i] : [])));
  const at = (values: readonly number[]) => Float32Array.from(cells, (cell) => values[cell]!);
  // What is not selected may be anything.
  const hidden = (values: readonly number[]) => Float32Array.from(values, (value, i) => (flat[i] ? value : NaN));
  const batch = {
    rows,
    completionWidth: width,
    advantages: Float32Array.from(advantage),
    rowWeights: Float32Array.from(rowWeight),
    oldLogprobs: offPolicy ? hidden(old) : null,
    refLogprobs: offPolicy ? hidden(ref) : null,
  } as unknown as TrainBatch;
  const float = (values: readonly number[]) => grid(values.map(Math.fround), width);
  const inputs = {
    logprob: float(logprob),
    entropy: float(entropy),
    old: offPolicy ? float(old) : null,
    ref: offPolicy ? float(ref) : null,
  };
  return {
    cells: { grid: cells, logprob: at(logprob), entropy: at(entropy) },
    batch,
    inputs: { ...inputs, mask, advantage: batch.advantages, rowWeight: batch.rowWeights },
  };
}

describe.each(Object.entries(objectives))('%s', (_, objective: ObjectiveSpec) => {
  it.each([true, false])('loss, gradient and metrics; off-policy: %s', (offPolicy) => {
    const spec: ObjectiveSpec = offPolicy ? objective : { ...objective, kl: 'none', beta: 0 };
    const { cells, batch, inputs } = lossCase(offPolicy);
    const rowSums = new Float32Array(rows * rowColumns.length);
    const tokens = cells.grid.length;
    const { dLogprob, dEntropy } = lossGradient(cells, batch, spec, tokens, rowSums);
    const expected = referenceObjective(inputs, spec);
    const flat = expected.gradient.flat();
    expectClose(dLogprob, [...cells.grid].map((cell) => flat[cell]!), 'd loss / d logprob'); // prettier-ignore
    expectClose(dEntropy, new Array<number>(tokens).fill(-spec.entropyCoef / tokens), 'd loss / d entropy');
    const metrics = stepMetricsFromRows(rowSums, spec, { old: offPolicy, ref: offPolicy });
    expectClose([metrics.loss, metrics.tokens], [expected.loss, tokens], 'loss and tokens');
    if (offPolicy) expectClose([metrics.kl!], [expected.kl!], 'kl');
    else expect([metrics.kl, metrics.logprobDifference, metrics.ratioMax]).toEqual([null, null, 1]);
    const policy = { ...spec, kl: 'none', entropyCoef: 0 } as const;
    expectClose([metrics.policyLoss], [referenceObjective({ ...inputs, ref: null }, policy).loss], 'policy loss');
    if (spec.term === 'clip' && spec.ratio === 'token') {
      expectClose([metrics.clip.lowMean, metrics.clip.highMean], [expected.lowMean, expected.highMean], 'clip shares');
    }
  });
});

it('log-ratios of 100 stay finite, and pass no gradient through the ratio', () => {
  const cells = { grid: Int32Array.of(0, 1), logprob: Float32Array.of(-1, -101), entropy: Float32Array.of(1, 1) };
  const past = Float32Array.of(-101, -1);
  const batch = { completionWidth: 2, advantages: [-1], rowWeights: [1], oldLogprobs: past, refLogprobs: past } as unknown as TrainBatch;
  const rowSums = new Float32Array(rowColumns.length);
  const { dLogprob } = lossGradient(cells, batch, { ...objectives['clip with k3']!, beta: 1e-9 }, 2, rowSums);
  expect(rowSums.every(Number.isFinite)).toBe(true);
  // k3 pulls towards the reference on both sides.
  expectClose(dLogprob, [-1e-9 * Math.expm1(-100), -1e-9 * Math.expm1(20)], 'pull of k3');
});

describe.each(advantageKinds)('advantages: %s', (kind) => {
  it.each([
    ['mixed groups', [0, 1, 1, 0, 1, 0.5, 0.25, 1, 3, 3, 2, 2]],
    ['a group of equals', [0.1, 0.1, 0.1, 0.1, 0, 1, 0, 0]],
    ['rewards that are none', [NaN, 1, 0, 1, NaN, NaN, NaN, 1, NaN, NaN, NaN, NaN]],
  ])('%s', (_, rewards) => {
    expectClose(groupAdvantages(Float32Array.from(rewards), 4, kind), referenceAdvantage(rewards.map(Math.fround), 4, kind), kind);
  });
});
