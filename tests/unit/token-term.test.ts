/** One token's term of the loss: added up it is the loss, of the float64 reference and of a step of training. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import lossShader from '../../shaders/rl/clipped-loss.wgsl';
import { createEngine } from '../helpers/engine.ts';
import { advantageKinds, type ObjectiveSpec, type PolicyEngine, type PolicyState } from '../../src/engine/engine.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { advantageOf, groupMoments } from '../../src/rl/advantages.ts';
import { objectiveNames, type ObjectiveName, type RunConfig } from '../../src/rl/config.ts';
import type { StepReport } from '../../src/rl/events.ts';
import { objectiveSpec, presetObjective, rowWeights } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { rolloutTerms } from '../../src/rl/rollout-terms.ts';
import { klEstimate, logRatioLimit, tokenTerm } from '../../src/rl/token-term.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { sampleStd, sum } from '../../src/statistics/moments.ts';
import { grid, normals } from '../helpers/numbers.ts';
import { referenceAdvantage } from '../helpers/reference-kernels.ts';
import { objectives as specs } from '../helpers/kernel-suite.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

const rows = 5;
const width = 7;
const lengths = [7, 3, 1, 0, 5];
const values = (seed: number, spread: number, centre: number) =>
  grid(Float32Array.from(normals(rows * width, seed, spread, centre)) as unknown as number[], width).map((row) => Array.from(row));
const logprob = values(1, 0.3, -1.5);
const old = values(2, 0.3, -1.5);
const ref = values(3, 0.5, -1.5);
const entropy = values(4, 0.2, 1);
const mask = lengths.map((length) => Array.from({ length: width }, (_, t) => Number(t < length)));
const advantage = [1.2, -0.7, 0.4, 0.9, -1.4];

/** What `tokenTerm` says of every token that counts, and the reference of all of them. */
function both(spec: ObjectiveSpec, weights: ArrayLike<number>, onPolicy: boolean) {
  const stepTokens = sum(lengths);
  const terms = lengths.map((counted, i) => {
    const logRatio = onPolicy ? 0 : sum(Array.from({ length: counted }, (_, t) => logprob[i]![t]! - old[i]![t]!));
    const row = { advantage: advantage[i]!, counted, logRatio, weight: weights[i]!, stepTokens };
    return Array.from({ length: counted }, (_, t) =>
      tokenTerm({ logprob: logprob[i]![t]!, old: onPolicy ? null : old[i]![t]!, ref: ref[i]![t]!, entropy: entropy[i]![t]! }, row, spec),
    );
  });
  const reference = referenceObjective({ logprob, entropy, old: onPolicy ? null : old, ref, mask, advantage, rowWeight: weights }, spec);
  return { terms, reference };
}

describe('the terms of all tokens add up to the loss of the reference', () => {
  const named = Object.fromEntries(
    objectiveNames.map((name) => {
      const objective = { ...presetObjective(name), entropyCoef: 0.03 };
      return [name, { spec: objectiveSpec({ ...recipes.rlvr, objective }), weights: rowWeights(name, lengths, 8) }];
    }),
  );
  const plain = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { spec, weights: [0.3, 0.1, 0.7, 0.2, 0.4] }]));

  it.each(Object.entries({ ...named, ...plain }))('%s', (_, { spec, weights }) => {
    for (const onPolicy of [false, true]) {
      const { terms, reference } = both(spec, weights, onPolicy);
      expect(sum(terms.flat().map(({ value }) => value))).toBeCloseTo(reference.loss, 12);
      expect(sum(terms.flat().map(({ kl }) => kl!)) / sum(lengths)).toBeCloseTo(reference.kl!, 12);
      // The reference shares a sequence ratio's slope out in full, as it is where the ratio is one and the same for all.
      if (onPolicy || spec.ratio === 'token' || spec.term !== 'clip') {
        terms.forEach((row, i) => row.forEach(({ slope }, t) => expect(slope).toBeCloseTo(reference.gradient[i]![t]!, 12)));
      }
    }
  });

  it('slopes of sequence ratios are those of the reference', () => {
    for (const name of ['gspo', 'rloo'] as const) {
      const { terms, reference } = both({ ...named[name]!.spec, epsilonLow: 0.9, epsilonHigh: 9 }, named[name]!.weights, false);
      terms.forEach((row, i) => row.forEach(({ slope }, t) => expect(slope).toBeCloseTo(reference.gradient[i]![t]!, 12)));
    }
  });
});

describe('which branch won', () => {
  const spec = specs['clip']!;
  const term = (ratio: number, of: number, objective = spec) =>
    tokenTerm(
      { logprob: Math.log(ratio) - 1, old: -1, ref: null, entropy: 0 },
      { advantage: of, counted: 1, logRatio: Math.log(ratio), weight: 1, stepTokens: 1 },
      objective,
    );

  it.each([
    [1.1, 1, 'inside', -1.1],
    [1.5, 1, 'clipped', -1.28],
    [1.5, -1, 'plain', 1.5],
    [0.5, 1, 'plain', -0.5],
    [0.5, -1, 'clipped', 0.8],
  ] as const)('ratio %f, advantage %f: %s', (ratio, of, branch, policy) => {
    const found = term(ratio, of);
    expect(found.branch).toBe(branch);
    expect(found.policy).toBeCloseTo(policy, 12);
    expect(found.slope === 0).toBe(branch === 'clipped');
    expect(found.range).toEqual({ low: 0.8, high: 1.28 });
  });

  it('CISPO caps the weight and goes on learning', () => {
    const found = term(2, 1, specs['cispo']!);
    expect(found).toMatchObject({ branch: 'capped', range: { low: null, high: 1.3 } });
    expect(found.slope).toBeCloseTo(-1.3, 12);
  });

  it('REINFORCE and cross-entropy have no ratio', () => {
    expect(term(2, 1, specs['reinforce']!)).toMatchObject({ ratio: null, range: null, branch: null });
    expect(term(2, 1, specs['sft']!)).toMatchObject({ ratio: null, slope: -1 });
  });
});

it('has the kernels’ limits', () => {
  expect(logRatioLimit).toBe(lossShader.constants.LOG_RATIO_LIMIT);
  const far = { logprob: 0, old: -30, ref: 30, entropy: 0 };
  const found = tokenTerm(
    far,
    { advantage: 1, counted: 1, logRatio: 30, weight: 1, stepTokens: 1 },
    { ...specs['cispo']!, epsilonHigh: 1e12 },
  );
  expect(found.ratio).toBe(Math.exp(20));
  expect(klEstimate(30, 'k3').value).toBeCloseTo(Math.expm1(20) * 11 - 20, 0);
});

it.each(advantageKinds)('advantages by %s are those of the reference', (kind) => {
  const rewards = [1, 0, 0, 1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 1];
  const expected = referenceAdvantage(rewards, 4, kind);
  rewards.forEach((reward, i) => {
    const group = groupMoments(rewards.slice(i - (i % 4), i - (i % 4) + 4));
    expect(advantageOf(reward, group, kind, sampleStd(rewards))).toBeCloseTo(expected[i]!, 12);
  });
});

describe('what is stored of a step', () => {
  const engines: PolicyEngine[] = [];
  afterAll(() => engines.forEach((engine) => engine.dispose()));
  const small: RunConfig = {
    ...recipes.permix,
    tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
    steps: 1,
    promptsPerStep: 8,
    groupSize: 8,
    sampling: { ...recipes.permix.sampling, maxNewTokens: 3 },
    optim: { ...recipes.permix.optim, learningRate: 1e-2, warmupSteps: 0 },
  };
  /** A policy that is right now and then, as a random one never is. */
  let warm: PolicyState;
  beforeAll(async () => {
    const supervised = {
      ...small,
      recipe: 'sft' as const,
      mix: recipes.sft.mix,
      objective: presetObjective('sft'),
      steps: 22,
      groupSize: 2,
    };
    const engine = await newEngine();
    await engine.setReference();
    await take(engine, supervised);
    warm = await engine.exportState();
  }, 60_000);

  async function newEngine(): Promise<PolicyEngine> {
    const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend: 'cpu' });
    engines.push(engine);
    return engine;
  }

  async function take(engine: PolicyEngine, config: RunConfig): Promise<StepReport[]> {
    const given = { engine, tokenizer: tinyTokenizer(), eosIds: tinyEosIds, personas: tinyPersonas, config, state: initialTrainerState };
    const reports: StepReport[] = [];
    for await (const { report } of train(given)) reports.push(report);
    return reports;
  }

  async function oneStep(
    name: ObjectiveName,
    changes: Partial<RunConfig['objective']>,
  ): Promise<{ config: RunConfig; report: StepReport }> {
    const engine = await newEngine();
    await engine.importState({ ...warm, moments: null, optimSteps: 0 });
    await engine.setReference();
    const config = { ...small, objective: { ...presetObjective(name), dynamicSampling: 0, entropyCoef: 0.02, ...changes } };
    const [report] = await take(engine, config);
    expect(report!.rollouts.some(({ advantage }) => advantage !== 0)).toBe(true);
    return { config, report: report! };
  }

  const groupOf = (report: StepReport, key: string) => report.rollouts.filter(({ group }) => group === key);
  const lossOf = ({ config, report }: Awaited<ReturnType<typeof oneStep>>) =>
    sum(
      report.rollouts.flatMap((rollout) => {
        const { row, terms } = rolloutTerms(rollout, groupOf(report, rollout.group), config)!;
        return row.counted > 0 ? terms.map(({ value }) => value) : [];
      }),
    );

  it.each(objectiveNames.filter((name) => name !== 'sft'))('%s: its tokens add up to the loss that the engine reports', async (name) => {
    const step = await oneStep(name, { maskTruncated: name === 'dapo' });
    expect(lossOf(step)).toBeCloseTo(step.report.metrics['loss']!, 4);
    // Which is not 0 everywhere by chance.
    expect(Math.abs(step.report.metrics['loss']!)).toBeGreaterThan(1e-3);
    expect(step.report.rollouts.every(({ lastPass }) => !lastPass)).toBe(true);
  });

  it('of several passes it is the last one that is kept, with its ratios', async () => {
    const once = await oneStep('grpo', { innerEpochs: 1 });
    const twice = await oneStep('grpo', { innerEpochs: 2 });
    expect(twice.report.rollouts.map(({ completion }) => completion)).toEqual(once.report.rollouts.map(({ completion }) => completion));
    // The metric is the mean of both passes, and the first of them is the only one of `once`.
    const last = 2 * twice.report.metrics['loss']! - once.report.metrics['loss']!;
    expect(lossOf(twice)).toBeCloseTo(last, 4);
    const terms = rolloutTerms(twice.report.rollouts[0]!, groupOf(twice.report, twice.report.rollouts[0]!.group), twice.config)!;
    expect(terms.onPolicy).toBe(false);
    expect(terms.terms.some(({ ratio }) => Math.abs(ratio! - 1) > 1e-3)).toBe(true);
  });

  it('another objective takes its own advantage, weight and clip from the same rewards', async () => {
    const { config, report } = await oneStep('grpo', {});
    const rollout = report.rollouts.find(({ advantage }) => advantage !== 0)!;
    const group = groupOf(report, rollout.group);
    const own = rolloutTerms(rollout, group, config)!;
    const same = rolloutTerms(rollout, group, config, { ...config.objective })!;
    expect(same.row.advantage).toBeCloseTo(own.row.advantage, 5);
    expect(same.row.weight).toBe(own.row.weight);
    const constant = rolloutTerms(rollout, group, config, presetObjective('dr_grpo'))!;
    expect(constant.row.weight).toBe(1 / (64 * 3));
    expect(constant.row.advantage).toBeCloseTo(rollout.reward - constant.group.mean, 12);
    expect(rolloutTerms(rollout, group, config, presetObjective('cispo'))!.terms[0]!.range).toEqual({ low: null, high: 5 });
    const cut = report.rollouts.find(({ ended }) => !ended)!;
    const masked = rolloutTerms(cut, groupOf(report, cut.group), config, presetObjective('dapo'))!;
    expect(masked).toMatchObject({ masked: true, row: { weight: 0, counted: 0 } });
  });

  it('a rollout that an earlier version stored has no terms', async () => {
    const { config, report } = await oneStep('grpo', {});
    const { batch: _, ...earlier } = report.rollouts[0]!;
    expect(rolloutTerms(earlier, [earlier], config)).toBeNull();
  });
});
