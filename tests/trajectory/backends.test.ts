/**
 * Two backends, the same tokens, thirty optimiser steps: the parameters move alike. Sampling is left out, because one float tie turned
 * the other way gives another token and from there another run; what is compared is the arithmetic of training.
 */
import { expect, it } from 'vitest';
import { createEngine } from '../../src/engine/create.ts';
import type { BackendName, ObjectiveSpec, OptimSpec, TrainBatch } from '../../src/engine/engine.ts';
import { initialWeights, type Weights } from '../../src/policy/weights.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const steps = 30;
const objective: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0.02,
  kl: 'k3',
  entropyCoef: 0.01,
  temperature: 1,
};
const optim: OptimSpec = {
  learningRate: 3e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 1,
  microBatchRows: 3,
};

/** Rows of random tokens with prompts and completions of all lengths, some off-policy; the same on every backend. */
function batchOf(step: number): TrainBatch {
  const stream = new Stream(11, Purpose.corpus, step);
  const [rows, width, completionWidth] = [8, 20, 8];
  const tokens = new Int32Array(rows * width);
  const [promptLengths, lengths] = [new Int32Array(rows), new Int32Array(rows)];
  const mask = new Uint8Array(rows * completionWidth);
  const [old, ref] = [new Float32Array(rows * completionWidth), new Float32Array(rows * completionWidth)];
  for (let row = 0; row < rows; row++) {
    const prompt = (promptLengths[row] = stream.integer(1, width - completionWidth));
    const completion = stream.integer(1, completionWidth);
    lengths[row] = prompt + completion;
    for (let i = 0; i < lengths[row]!; i++) tokens[row * width + i] = stream.integer(0, tinyConfig.vocabSize - 1);
    for (let t = 0; t < completion; t++) {
      const cell = row * completionWidth + t;
      mask[cell] = 1;
      old[cell] = -Math.log(tinyConfig.vocabSize) + 0.3 * stream.normal();
      ref[cell] = -Math.log(tinyConfig.vocabSize) + 0.3 * stream.normal();
    }
  }
  return {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths,
    lengths,
    mask,
    advantages: Float32Array.from({ length: rows }, () => stream.normal()),
    rowWeights: Float32Array.from(lengths, (length, row) => 1 / (rows * (length - promptLengths[row]!))),
    oldLogprobs: old,
    refLogprobs: ref,
  };
}

async function trained(backend: BackendName): Promise<Weights> {
  const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend });
  for (let step = 0; step < steps; step++) {
    const { skipped, gradNorm } = await engine.step(batchOf(step), objective, optim);
    expect([skipped, gradNorm > 0]).toEqual([false, true]);
  }
  const { weights } = await engine.exportState();
  engine.dispose();
  return weights;
}

function distance(a: Weights, b: Weights): number {
  let sum = 0;
  for (const [name, values] of Object.entries(a)) values.forEach((value, i) => (sum += (value - b[name]![i]!) ** 2));
  return Math.sqrt(sum);
}

it('wasm follows cpu within 1e-4 of the update', async () => {
  const start = initialWeights(tinyConfig, 3);
  const cpu = await trained('cpu');
  const wasm = await trained('wasm');
  const update = distance(cpu, start);
  expect(update).toBeGreaterThan(0.5);
  expect(distance(wasm, cpu) / update).toBeLessThan(1e-4);
});
