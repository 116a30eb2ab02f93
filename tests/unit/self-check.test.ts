/** The numbers of the engines' self-check are those of the float64 reference; and a check of wrong numbers fails. */
import { describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { BackendName } from '../../src/engine/engine.ts';
import {
  checkBatch,
  checkConfig,
  checkedParameters,
  checkNumbers,
  checkObjective,
  checkReport,
  checkRequest,
  checkSentence,
  checkWeights,
  compare,
  selfCheck,
  type CheckNumbers,
} from '../../src/engine/self-check.ts';
import references from '../../src/engine/self-check.json';
import { counterUniform } from '../../src/random/counter.ts';
import { grid, expectClose } from '../helpers/numbers.ts';
import { referenceLogits, referenceScores, type Numbers } from '../helpers/reference-decoder.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';

const weights = checkWeights();
const make = (backend: BackendName) => createEngine({ config: checkConfig, weights, engine: 'portable', backend });
const { prompts, repeats, sampling } = checkRequest;
const prompt = prompts[0]!;

function referenceLoss(policy: Numbers): number {
  const batch = checkBatch();
  const C = batch.completionWidth;
  const scores = Array.from({ length: batch.rows }, (_, r) => {
    const tokens = batch.tokens.subarray(r * batch.width, r * batch.width + batch.lengths[r]!);
    return referenceScores(checkConfig, policy, tokens, batch.promptLengths[r]!, checkObjective.temperature);
  });
  const padded = (values: number[]) => [...values, ...Array<number>(C - values.length).fill(0)];
  return referenceObjective(
    {
      logprob: scores.map(({ logprobs }) => padded(logprobs)),
      entropy: scores.map(({ entropies }) => padded(entropies)),
      old: grid(batch.oldLogprobs!, C),
      ref: grid(batch.refLogprobs!, C),
      mask: grid(batch.mask, C),
      advantage: batch.advantages,
      rowWeight: batch.rowWeights,
    },
    checkObjective,
  ).loss;
}

/** Rows drawn by the definition of the sampler in float64, and how near any draw came to its neighbour. */
function referenceRollouts(): { tokens: number[]; logprobs: number[]; margin: number } {
  const rows: number[][] = [];
  const logprobs: number[] = [];
  let margin = 1;
  for (let row = 0; row < repeats; row++) {
    const tokens = [...prompt];
    for (let position = 0; position < sampling.maxNewTokens; position++) {
      const logits = referenceLogits(checkConfig, weights, tokens)
        .at(-1)!
        .map((z) => z / sampling.temperature);
      const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
      const uniform = counterUniform(sampling.seed, sampling.step, row, position);
      let reached = 0;
      const token = logits.findIndex((z) => (reached += Math.exp(z) / total) > uniform);
      const p = Math.exp(logits[token]!) / total;
      margin = Math.min(margin, reached - uniform, uniform - (reached - p));
      tokens.push(token);
      logprobs.push(Math.log(p));
      if (sampling.eosIds.includes(token)) throw new Error('a row that ends early is not what this test pads');
    }
    rows.push(tokens);
  }
  return { tokens: rows.flat(), logprobs, margin };
}

describe('the references', () => {
  it('are those of the float64 reference and of cpu', { timeout: 120_000 }, async () => {
    const engine = await make('cpu');
    const cpu = await checkNumbers(engine);
    engine.dispose();
    const { tokens, logprobs, margin } = referenceRollouts();
    // No engine's last digits turn a draw.
    expect(margin).toBeGreaterThan(2e-3);
    const made: CheckNumbers = {
      logits: referenceLogits(checkConfig, weights, prompt).at(-1)!,
      tokens,
      logprobs,
      loss: [referenceLoss(weights)],
      gradientNorm: cpu.gradientNorm,
      parameters: cpu.parameters,
    };
    const rounded = Object.fromEntries(Object.entries(made).map(([name, values]) => [name, values.map((x) => Number(x.toPrecision(8)))]));
    for (const [name, values] of Object.entries(rounded)) {
      const difference = `${name} of self-check.json should be ${JSON.stringify(values)}`;
      expect(references[name as keyof CheckNumbers], difference).toHaveLength(values.length);
      expectClose(references[name as keyof CheckNumbers], values, difference, { relative: 1e-6, absolute: 1e-6 });
    }
  });

  it('hold parameters that the step has moved, each by its gradient', () => {
    const moved = checkedParameters.map(([name, index], i) => Math.abs(references.parameters[i]! - weights[name]![index]!));
    expect(moved.filter((distance) => distance > 5e-3).length).toBeGreaterThan(moved.length / 3);
  });
});

it.each([
  ['portable', 'cpu'],
  ['portable', 'wasm'],
  ['wasm', 'wasm'],
] as const)('%s passes on %s', async (engine, backend) => {
  const check = await selfCheck({ engine, backend, adapter: null }, () => createEngine({ config: checkConfig, weights, engine, backend }));
  expect(check, checkReport(check, 'test')).toMatchObject({ passed: true, failure: null });
  expect(checkSentence(check)).toMatch(/^The self-check of (portable|wasm) on (cpu|wasm) passed in \d+\.\d\d s\.$/);
  for (const { difference, tolerance } of check.findings) expect(difference).toBeLessThanOrEqual(tolerance / 4);
});

it.each(Object.keys(references) as (keyof CheckNumbers)[])('a wrong number among the %s is found', (name) => {
  const findings = (values: number[]) => compare({ ...references, [name]: values }).filter(({ passed }) => !passed);
  const right: number[] = [...references[name]];
  expect(findings(right)).toEqual([]);
  for (const wrong of [right[0]! + 1, NaN, Infinity]) expect(findings([wrong, ...right.slice(1)])).toHaveLength(1);
  expect(findings(right.slice(1))).toHaveLength(1);
  if (name !== 'tokens') expect(findings(right.map(() => 0))).toHaveLength(1);
});

it('an engine that computes wrongly fails, and says what', async () => {
  // The real engine of a policy in which one number is wrong is an engine whose kernels get one number wrong.
  const name = 'model.layers.1.mlp.down_proj.weight';
  const broken = { ...weights, [name]: weights[name]!.map((value, i) => (i === 100 ? value + 1 : value)) };
  const check = await selfCheck({ engine: 'portable', backend: 'cpu', adapter: null }, (config) =>
    createEngine({ config, weights: broken, engine: 'portable', backend: 'cpu' }),
  );
  expect(check.passed).toBe(false);
  expect(checkSentence(check)).toMatch(/^The self-check of portable on cpu failed: logits should be -?\d\S* and came out as -?\d\S*\.$/);
});
