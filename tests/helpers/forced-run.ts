/**
 * Thirty optimiser steps on tokens that are given, for comparing the arithmetic of training between engines. Sampling is left out,
 * because one float tie turned the other way gives another token and from there another run.
 */
import { answeringTensors } from '../../src/policy/merged.ts';
import { expect } from 'vitest';
import { createEngine } from './engine.ts';
import type { BackendName, EngineName, ObjectiveSpec, OptimSpec, PolicyEngine, TrainBatch } from '../../src/engine/engine.ts';
import type { LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { initialWeights, type Weights, tensorsOf, weightsOf } from '../../src/policy/weights.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { tinyConfig } from './tiny-policy.ts';

export const forcedSteps = 30;
export const forcedObjective: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0.02,
  kl: 'k3',
  entropyCoef: 0.01,
  temperature: 1,
};
export const forcedOptim: OptimSpec = {
  learningRate: 3e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 1,
  microBatchRows: 3,
};

/** Which rows begin with the prompt of the row before: three with one prompt, one alone, four of which a micro-batch holds three. */
const repeated = [false, true, true, false, false, true, true, true];

/** Rows of random tokens with prompts and completions of all lengths, some off-policy; the same on every backend. */
export function forcedBatch(step: number, vocabSize: number): TrainBatch {
  // One of those on which the portable engine agrees with itself, cpu with wasm, also where a policy makes much of its rounding (Gemma 3).
  const stream = new Stream(14, Purpose.corpus, step);
  const [rows, width, completionWidth] = [8, 20, 8];
  const tokens = new Int32Array(rows * width);
  const [promptLengths, lengths] = [new Int32Array(rows), new Int32Array(rows)];
  const mask = new Uint8Array(rows * completionWidth);
  const [old, ref] = [new Float32Array(rows * completionWidth), new Float32Array(rows * completionWidth)];
  for (let row = 0; row < rows; row++) {
    const prompt = (promptLengths[row] = repeated[row] ? promptLengths[row - 1]! : stream.integer(1, width - completionWidth));
    const completion = stream.integer(1, completionWidth);
    lengths[row] = prompt + completion;
    for (let i = 0; i < lengths[row]!; i++) {
      tokens[row * width + i] = repeated[row] && i < prompt ? tokens[(row - 1) * width + i]! : stream.integer(0, vocabSize - 1);
    }
    for (let t = 0; t < completion; t++) {
      const cell = row * completionWidth + t;
      mask[cell] = 1;
      old[cell] = -Math.log(vocabSize) + 0.3 * stream.normal();
      ref[cell] = -Math.log(vocabSize) + 0.3 * stream.normal();
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

export interface Forced {
  readonly start: Weights;
  readonly end: Weights;
  readonly losses: readonly number[];
}

export async function trainForced(
  engineName: EngineName,
  backend: BackendName,
  config: PolicyConfig = tinyConfig,
  lora: LoraSetup | null = null,
): Promise<Forced> {
  const start = initialWeights(config, 3);
  const engine = await createEngine({ config, weights: start, engine: engineName, backend, lora });
  const losses: number[] = [];
  for (let step = 0; step < forcedSteps; step++) {
    const { skipped, gradNorm, loss } = await engine.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim);
    expect([skipped, gradNorm > 0]).toEqual([false, true]);
    losses.push(loss);
  }
  const state = await engine.exportState();
  expect(state.adapters === null).toBe(lora === null);
  engine.dispose();
  return { start, end: await weightsOf(answeringTensors(config, tensorsOf(config, start), state)), losses };
}

/** Both runs learned much, their losses agree to `tolerance`, and so do their updates, of the update's norm. */
export function expectSameUpdates(actual: Forced, expected: Forced, tolerance: number): void {
  const update = distance(expected.end, expected.start);
  expect(update).toBeGreaterThan(0.5);
  const difference = distance(actual.end, expected.end) / update;
  const loss = Math.max(...actual.losses.map((value, i) => Math.abs(value - expected.losses[i]!) / Math.abs(expected.losses[i]!)));
  expect({ difference: difference < tolerance, loss: loss < tolerance }, `update ${difference}, loss ${loss}`).toEqual({
    difference: true,
    loss: true,
  });
}

/** Of all numbers together. */
export function distance(a: Weights, b: Weights): number {
  let sum = 0;
  for (const [name, values] of Object.entries(a)) values.forEach((value, i) => (sum += (value - b[name]![i]!) ** 2));
  return Math.sqrt(sum);
}

/** Forced steps whose state is taken to a new engine after the second end bit for bit as those that went through. */
export async function expectResumed(start: () => Promise<PolicyEngine>, { vocabSize }: PolicyConfig, steps: number): Promise<void> {
  const states = [];
  for (const interrupted of [false, true]) {
    let engine = await start();
    for (let step = 0; step < steps; step++) {
      await engine.step(forcedBatch(step, vocabSize), forcedObjective, forcedOptim);
      if (!interrupted || step !== 1) continue;
      const state = await engine.exportState();
      engine.dispose();
      engine = await start();
      await engine.importState(state);
    }
    states.push(await engine.exportState());
    engine.dispose();
  }
  expect(states[1]).toEqual(states[0]);
  expect(states[0]!.optimSteps).toBe(steps);
}
