/** Whole training steps on the real portable engine, with a random Llama of a few thousand parameters. */
import type { TrainerSetup } from '../../src/rl/setup.ts';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { PolicyEngine, PolicyState } from '../../src/engine/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { accuracyByPersona, evaluationQuestions } from '../../src/evaluate/accuracy.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { objectiveNames, type RunConfig } from '../../src/rl/config.ts';
import type { StepReport, TrainerState } from '../../src/rl/events.ts';
import { presetObjective } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { taskById } from '../../src/tasks/index.ts';
import { generatedSource } from '../../src/tasks/sources.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

const tokenizer = tinyTokenizer();
const engines: PolicyEngine[] = [];

async function newEngine(weights = initialWeights(tinyConfig, 3)): Promise<PolicyEngine> {
  const engine = await createEngine({ config: tinyConfig, weights, engine: 'portable', backend: 'cpu' });
  await engine.setReference();
  engines.push(engine);
  return engine;
}
afterEach(() => engines.splice(0).forEach((engine) => engine.dispose()));

/** One-digit comparisons, answered with one token: there is something to learn within seconds. */
const small: RunConfig = {
  ...recipes.permix,
  tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
  promptsPerStep: 4,
  groupSize: 4,
  sampling: { ...recipes.permix.sampling, maxNewTokens: 2 },
  optim: { ...recipes.permix.optim, learningRate: 1e-2 },
};

const supervised: RunConfig = {
  ...small,
  recipe: 'sft',
  mix: recipes.sft.mix,
  objective: presetObjective('sft'),
  steps: 22,
  promptsPerStep: 16,
  groupSize: 2,
};

const setup = (engine: PolicyEngine, config: RunConfig, more: Partial<TrainerSetup> = {}): TrainerSetup => ({
  engine,
  tokenizer,
  eosIds: tinyEosIds,
  personas: tinyPersonas,
  config,
  state: initialTrainerState,
  ...more,
});

async function run(
  engine: PolicyEngine,
  config: RunConfig,
  state = initialTrainerState,
): Promise<{ reports: StepReport[]; state: TrainerState }> {
  const reports: StepReport[] = [];
  for await (const step of train(setup(engine, config, { state }))) {
    reports.push(step.report);
    state = step.state;
  }
  return { reports, state };
}

const meanReward = (reports: readonly StepReport[]) => reports.reduce((sum, { metrics }) => sum + metrics['reward']!, 0) / reports.length;

/** A short run of cross-entropy: a policy that is right now and then, which a random one never is. */
let warm: { reports: StepReport[]; state: PolicyState };
beforeAll(async () => {
  const engine = await newEngine();
  const { reports } = await run(engine, supervised);
  warm = { reports, state: await engine.exportState() };
  engine.dispose();
  engines.length = 0;
}, 60_000);

const warmEngine = () => newEngine(warm.state.weights!);

describe('train', () => {
  it('learns: cross-entropy raises the reward of a random policy', () => {
    expect(meanReward(warm.reports.slice(0, 5))).toBeLessThan(0.05);
    expect(meanReward(warm.reports.slice(-5))).toBeGreaterThan(0.1);
    expect(warm.reports.at(-1)!.metrics['loss']!).toBeLessThan(warm.reports[0]!.metrics['loss']! / 2);
  });

  it('learns: PerMix raises it further', async () => {
    const { reports } = await run(await warmEngine(), { ...small, steps: 25, promptsPerStep: 8, groupSize: 8 });
    expect(meanReward(reports.slice(-8))).toBeGreaterThan(meanReward(reports.slice(0, 8)) + 0.1);
  }, 60_000);

  it('rewards no reply that stays inside a thinking which the template opened', async () => {
    const config = { ...small, steps: 1, promptsPerStep: 8, groupSize: 8 };
    const verdicts = async (opening: string | null) => {
      const engine = await warmEngine();
      const reports: StepReport[] = [];
      for await (const { report } of train(setup(engine, config, { tokenizer: tinyTokenizer(opening) }))) reports.push(report);
      return reports[0]!.rollouts;
    };
    const plain = await verdicts(null);
    expect(plain.some(({ parsed }) => parsed !== null)).toBe(true);
    const thinking = await verdicts('<think>');
    expect(thinking.some(({ completion }) => completion.includes('\\boxed{'))).toBe(true);
    expect(thinking.every(({ reward, reason }) => reward === 0 && reason === 'the thinking never ended')).toBe(true);
  });

  it('resumes exactly: the state it yields and the engine state are all there is', async () => {
    const config = { ...small, steps: 4, mix: { ...small.mix, draw: 'rollout' as const } };
    const whole = await warmEngine();
    const first = await run(whole, config);
    const before = await warmEngine();
    const half = await run(before, { ...config, steps: 2 });
    const after = await warmEngine();
    await after.importState(structuredClone(await before.exportState()));
    const second = await run(after, config, structuredClone(half.state));
    expect(first.reports.some(({ metrics }) => metrics['grad_norm']! > 0)).toBe(true);
    expect(second.state).toEqual(first.state);
    expect(second.reports.map(({ rollouts }) => rollouts)).toEqual(first.reports.slice(2).map(({ rollouts }) => rollouts));
    expect(await after.exportState()).toEqual(await whole.exportState());
  });

  it('reports TRL metrics, personas and rollouts of a step', async () => {
    const engine = await newEngine();
    const { reports, state } = await run(engine, { ...small, steps: 1 });
    const [{ metrics, personas, rollouts, seconds }] = reports as [StepReport];
    for (const name of [
      'reward',
      'reward_std',
      'frac_reward_zero_std',
      'rewards/correct/mean',
      'rewards/correct/std',
      'completions/mean_length',
      'completions/clipped_ratio',
      'loss',
      'policy_loss',
      'grad_norm',
      'learning_rate',
      'entropy',
      'kl',
      'clip_ratio/region_mean',
      'num_tokens',
      'step_time',
      'tokens_per_second',
    ] as const) {
      expect(metrics, name).toHaveProperty([name]);
      expect(Number.isFinite(metrics[name]), name).toBe(true);
    }
    // One engine samples and trains: the two forwards agree, and the reference is the policy itself at the first step.
    expect(metrics['sampling/sampling_logp_difference/max']).toBeLessThan(1e-4);
    expect(metrics['ratio_max']).toBeCloseTo(1, 4);
    expect(Math.abs(metrics['kl']!)).toBeLessThan(1e-6);
    expect(metrics['entropy']).toBeCloseTo(Math.log(tinyConfig.vocabSize), 1);
    expect(rollouts).toHaveLength(16);
    expect(Object.values(personas).reduce((sum, { total }) => sum + total, 0)).toBe(16);
    for (const row of rollouts) {
      expect(row.prompt).toContain(row.question);
      expect(row.logprobs).toHaveLength(row.pieces.length);
      expect(row.group).toContain(row.questionId);
    }
    expect(new Set(rollouts.map(({ group }) => group)).size).toBe(4);
    expect(state).toEqual({ step: 1, cursor: 4, tokens: metrics['num_tokens'], nonFiniteStreak: 0 });
    expect(seconds.generate).toBeGreaterThan(0);
  });

  it('Base measures and changes nothing', async () => {
    const engine = await newEngine();
    const before = await engine.exportState();
    const { reports } = await run(engine, { ...small, recipe: 'base', steps: 2, optim: { ...small.optim, learningRate: 0 } });
    expect(await engine.exportState()).toEqual(before);
    expect(reports[1]!.metrics).toHaveProperty('entropy');
    expect(reports[1]!.metrics).not.toHaveProperty('grad_norm');
  });

  it('measures the KL every ten steps where it is not trained on', async () => {
    const engine = await newEngine();
    const { reports } = await run(engine, { ...small, steps: 11, objective: { ...small.objective, beta: 0, kl: 'none' } });
    expect(reports.filter(({ metrics }) => 'kl' in metrics).map(({ step }) => step)).toEqual([1, 11]);
  });

  it.each(objectiveNames.filter((name) => name !== 'sft'))('%s runs with two inner epochs in micro-batches', async (name) => {
    const engine = await warmEngine();
    const objective = { ...presetObjective(name), innerEpochs: 2, overlongBuffer: 1, dynamicSampling: 0 };
    const { reports } = await run(engine, { ...small, steps: 2, objective, optim: { ...small.optim, microBatchRows: 5 } });
    const { metrics } = reports[1]!;
    expect(Number.isFinite(metrics['loss'])).toBe(true);
    expect(metrics['skipped_updates']).toBe(0);
    expect(metrics).toHaveProperty(['rewards/soft_overlong/mean']);
    expect((await engine.exportState()).optimSteps).toBe(4);
  });

  it('learns from the rewards that the configuration names, and from correctness alone where it names none', async () => {
    const rewards = [
      { name: 'correct', weight: 1 },
      { name: 'max_words', weight: 0.5, most: 1000 },
      { name: 'no_commas', weight: -0.25 },
    ] as const;
    const { reports } = await run(await warmEngine(), { ...small, steps: 1, rewards });
    const { metrics, rollouts } = reports[0]!;
    expect(metrics['rewards/max_words/mean']).toBe(1);
    expect(metrics['reward']).toBeCloseTo(metrics['rewards/correct/mean']! + 0.5 - 0.25 * metrics['rewards/no_commas/mean']!, 12);
    for (const { reward, correct, completion } of rollouts) {
      expect(reward).toBe(Number(correct) + 0.5 - (completion.includes(',') ? 0 : 0.25));
    }
    const usual = await run(await warmEngine(), { ...small, steps: 1, rewards: [{ name: 'correct', weight: 1 }] });
    const none = await run(await warmEngine(), { ...small, steps: 1 });
    expect(usual.reports[0]!.metrics['grad_norm']).toBe(none.reports[0]!.metrics['grad_norm']);
  });

  it('dynamic sampling asks further questions instead of groups that say nothing, a bounded number of times', async () => {
    const engine = await newEngine();
    const config = { ...small, steps: 1, objective: { ...small.objective, dynamicSampling: 3 } };
    const { state, reports } = await run(engine, config);
    // A random policy is nearly always wrong, so nearly all groups are constant, three rounds long.
    expect(state.cursor).toBeGreaterThan(4);
    expect(state.cursor).toBeLessThanOrEqual(16);
    expect(reports[0]!.rollouts).toHaveLength(16);
    expect(new Set(reports[0]!.rollouts.map(({ group }) => group)).size).toBe(4);
  });

  it('gives up after three updates in a row that are not finite', async () => {
    const engine = await newEngine();
    const config = { ...small, steps: 20, optim: { ...small.optim, learningRate: 1e38 } };
    await expect(run(engine, config)).rejects.toSatisfy((error: unknown) => labErrorCode(error) === 'numeric');
  });

  it('stops between phases when aborted, without having changed the policy', async () => {
    const engine = await newEngine();
    const before = await engine.exportState();
    const controller = new AbortController();
    const steps = train(
      setup(engine, small, { signal: controller.signal, onProgress: (phase) => phase === 'verify' && controller.abort() }),
    );
    await expect(steps.next()).rejects.toSatisfy((error: unknown) => labErrorCode(error) === 'cancelled');
    expect(await engine.exportState()).toEqual(before);
  });
});

describe('accuracyByPersona', () => {
  const task = taskById('comparing');
  const request = {
    tokenizer,
    eosIds: tinyEosIds,
    personas: [null, ...tinyPersonas],
    task,
    problems: 20,
    seed: 5,
    temperature: 1,
    maxNewTokens: 2,
  };

  it('does not depend on how the rows are split into batches', async () => {
    const engine = await warmEngine();
    const fractions: number[] = [];
    const whole = await accuracyByPersona({ ...request, engine, onProgress: (fraction) => fractions.push(fraction) });
    const split = await accuracyByPersona({ ...request, engine, batchRows: 7 });
    expect(split).toEqual(whole);
    expect(whole.map(({ personaId, total }) => [personaId, total])).toEqual([
      [null, 20],
      ['poet', 20],
      ['cook', 20],
      ['judge', 20],
    ]);
    expect(whole.some(({ correct }) => correct > 0)).toBe(true);
    expect(fractions.at(-1)).toBe(1);
  });

  it('asks questions that are all different and never trained on, and repeats only when a task has no more', () => {
    const many = evaluationQuestions(generatedSource(taskById('addition')), 300, 1);
    expect(new Set(many.map(({ id }) => id)).size).toBe(300);
    expect(evaluationQuestions(generatedSource(taskById('addition')), 300, 1)).toEqual(many);
    expect(evaluationQuestions(generatedSource(task, { max: 9 }), 2000, 1)).toHaveLength(2000);
  });

  it('can be stopped', async () => {
    const engine = await newEngine();
    const controller = new AbortController();
    controller.abort();
    const stopped = accuracyByPersona({ ...request, engine, signal: controller.signal });
    await expect(stopped).rejects.toSatisfy((error: unknown) => labErrorCode(error) === 'cancelled');
  });
});
