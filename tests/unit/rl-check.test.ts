/** Reading and checking run configurations: what is wrong is said by name. */
import { describe, expect, it } from 'vitest';
import { complaintSentence, type Complaint } from '../../src/errors.ts';
import { labErrorCode } from '../../src/errors.ts';
import { checkConfig, parseRunConfig } from '../../src/rl/check.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { objectiveNames } from '../../src/rl/config.ts';
import { presetObjective } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { tinyPersonas } from '../helpers/tiny-policy.ts';

const refusal = (json: unknown): string => {
  try {
    parseRunConfig(json);
  } catch (error) {
    expect(labErrorCode(error)).toBe('config');
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('recipes', () => {
  it('can all be run', () => {
    for (const recipe of Object.values(recipes)) expect(checkConfig(recipe, tinyPersonas)).toEqual([]);
    for (const name of objectiveNames)
      expect(checkConfig({ ...recipes.permix, objective: presetObjective(name) }, tinyPersonas)).toEqual([]);
  });

  it('differ in nothing but the mix between RLVR and PerMix', () => {
    expect({ ...recipes.permix, recipe: 'rlvr', mix: recipes.rlvr.mix }).toEqual(recipes.rlvr);
    expect(recipes.rlvr.mix.noneShare).toBe(1);
    expect(recipes.permix.mix.noneShare).toBe(0.5);
  });
});

describe('parseRunConfig', () => {
  it('fills what is left out from the recipe', () => {
    expect(parseRunConfig({})).toEqual(recipes.permix);
    const config = parseRunConfig({ recipe: 'rlvr', seed: 7, optim: { learningRate: 1e-3 } });
    expect(config).toEqual({ ...recipes.rlvr, seed: 7, optim: { ...recipes.rlvr.optim, learningRate: 1e-3 } });
    expect(parseRunConfig(JSON.parse(JSON.stringify(recipes.sft)))).toEqual(recipes.sft);
  });

  it('takes what goes with an objective that is named, but for what stands beside the name', () => {
    const { objective } = parseRunConfig({ objective: { name: 'cispo', beta: 0.01, kl: 'k3' } });
    expect(objective).toEqual({ ...presetObjective('cispo'), beta: 0.01, kl: 'k3' });
    expect(objective.epsilonHigh).toBe(5);
    // The recipe's own objective has been chosen with the recipe.
    expect(parseRunConfig({ recipe: 'rlvr', objective: { name: 'grpo' } }).objective).toEqual(recipes.rlvr.objective);
  });

  it('names every field that is wrong', () => {
    expect(refusal({ recipe: 'permixx' })).toMatch(/no recipe "permixx".*rlvr, permix/);
    expect(refusal({ recipe: 'toString' })).toMatch(/no recipe/);
    const message = refusal({
      groupSize: 1,
      steps: 2.5,
      seed: -1,
      objective: { name: 'ppo', epsilonlow: 0.1 },
      sampling: { temperature: 0 },
    });
    expect(message).toMatch(/groupSize must be at least 2/);
    expect(message).toMatch(/steps must be a whole number/);
    expect(message).toMatch(/seed must be at least 0/);
    expect(message).toMatch(/objective.name must be one of sft, reinforce/);
    expect(message).toMatch(/objective has no setting called epsilonlow/);
    expect(message).toMatch(/sampling.temperature must be more than 0/);
    for (const json of [null, [], 'permix', 3]) expect(refusal(json)).toMatch(/JSON object/);
  });
});

describe('checkConfig', () => {
  const check = (changes: Partial<RunConfig>) => sentences(checkConfig({ ...recipes.permix, ...changes }, tinyPersonas));
  const sentences = (complaints: readonly Complaint[]) => complaints.map((complaint) => complaintSentence(complaint)).join(' ');

  it('names the field, and leaves braces of the reader as they are', () => {
    expect(checkConfig({ ...recipes.permix, tasks: [{ id: '{}', weight: 1 }] }, tinyPersonas)[0]).toMatchObject({ field: 'tasks' });
    expect(check({ tasks: [{ id: '{}', weight: 1 }] })).toMatch(/no task "\{\}"/);
    expect(check({ steps: 0, groupSize: 1 })).toBe('steps must be at least 1. groupSize must be at least 2.');
  });

  it('says what keeps a run from starting', () => {
    expect(check({ tasks: [{ id: 'cooking', weight: 1 }] })).toMatch(/no task "cooking".*addition/);
    expect(check({ tasks: [{ id: 'addition', weight: 0 }] })).toMatch(/weight 0/);
    expect(check({ tasks: [{ id: 'addition', weight: 1, knobs: { max: 1e9 } }] })).toMatch(/knob "max"/);
    expect(check({ mix: { noneShare: 0, weights: { poet: 0 }, draw: 'prompt' } })).toMatch(/sum to zero/);
    expect(check({ mix: { noneShare: 0.5, weights: { judge: 1 }, draw: 'prompt' } })).toMatch(/held out/);
    expect(check({ objective: { ...recipes.permix.objective, kl: 'none' } })).toMatch(/estimator/);
    expect(check({ objective: { ...recipes.permix.objective, overlongBuffer: 99 } })).toMatch(/overlongBuffer \(99\)/);
    expect(check({ groupSize: 1 })).toMatch(/groupSize must be at least 2/);
    expect(check({ optim: { ...recipes.permix.optim, learningRate: NaN } })).toMatch(/optim.learningRate must be a number/);
    expect(check({ recipe: 'other' as 'custom' })).toMatch(/recipe must be one of base/);
  });
});
