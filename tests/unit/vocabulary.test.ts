/** Every word of the contract is tried by the tests of kernels, used by an objective or offered as a setting, and refused where it is unknown. */
import { describe, expect, it } from 'vitest';
import { advantageKinds, klEstimators, lossTerms, ratioLevels } from '../../src/engine/engine.ts';
import { noSuch } from '../../src/errors.ts';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { parsePolicyConfig, toHuggingFaceConfig } from '../../src/policy/config.ts';
import { families, policyFamilies } from '../../src/policy/families.ts';
import { parseRunConfig } from '../../src/rl/check.ts';
import { objectiveNames, recipeNames, schedules } from '../../src/rl/config.ts';
import { isTiming, metricNames, timingNames } from '../../src/rl/metric-names.ts';
import { objectiveSpec, presetObjective } from '../../src/rl/objectives.ts';
import { stepPhases } from '../../src/rl/phases.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { learningRateFactor } from '../../src/rl/schedule.ts';
import { readRecord } from '../../src/storage/checked.ts';
import { runStatuses } from '../../src/storage/records.ts';
import { roleplayKindIds, roleplayQuestions } from '../../src/tasks/roleplay.ts';
import { objectives } from '../helpers/kernel-suite.ts';
import { referenceAdvantage } from '../helpers/reference-kernels.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { runRecord } from '../helpers/run-records.ts';

const tried = Object.values(objectives);

describe('the words of the contract', () => {
  it.each(lossTerms)('%s is a term that the kernels are tested with, and an objective has', (term) => {
    expect(tried.some((spec) => spec.term === term)).toBe(true);
    const specs = objectiveNames.map((name) => objectiveSpec({ ...recipes.rlvr, objective: presetObjective(name) }));
    expect(specs.some((spec) => spec.term === term)).toBe(true);
  });

  it.each(ratioLevels)('%s is a ratio that the kernels are tested with', (ratio) => {
    expect(tried.some((spec) => spec.ratio === ratio)).toBe(true);
  });

  it.each(klEstimators)('%s is a KL that the kernels are tested with', (kl) => {
    expect(tried.some((spec) => spec.kl === kl)).toBe(true);
  });

  it.each(advantageKinds)('%s is an advantage that the reference has', (kind) => {
    expect(referenceAdvantage([0, 1, 1, 3], 4, kind).every(Number.isFinite)).toBe(true);
  });
});

describe('the words of the files', () => {
  it.each(policyFamilies)('%s is a family whose configuration comes back as it was written', (family) => {
    const config = { ...tinyConfig, family, qkvBias: families[family].qkvBias, qkNorm: families[family].qkNorm };
    const written = toHuggingFaceConfig(config);
    expect(parsePolicyConfig(written)).toEqual(config);
    expect(() => parsePolicyConfig({ ...written, architectures: ['OtherForCausalLM'] })).toThrow(families[family].architecture);
  });

  it.each(roleplayKindIds)('%s is a kind of open question that training and judging ask', (kind) => {
    expect(roleplayQuestions('train', kind).length).toBeGreaterThan(0);
    expect(roleplayQuestions('evaluation', kind).length).toBeGreaterThan(0);
    expect(benchmarkTasks.map(({ id }) => id)).toContain(kind);
  });

  it('training draws open questions by the place of their kind, so the order is fixed', () => {
    expect(roleplayKindIds).toEqual(['action', 'toxicity', 'habits', 'consistency', 'justification']);
  });

  it.each(runStatuses)('%s is a status that a stored run may have', (status) => {
    expect(readRecord('run', { ...runRecord('a'), status })).toHaveProperty('record');
  });

  it('a stored run of another status is no run', () => {
    expect(readRecord('run', { ...runRecord('a'), status: 'lost' })).toEqual({ why: 'its status is not valid' });
  });

  it('metrics are named once, and those of time are known as such', () => {
    expect(new Set(metricNames).size).toBe(metricNames.length);
    for (const phase of stepPhases) expect(metricNames).toContain(`timing_s/${phase}`);
    expect(metricNames.filter(isTiming)).toEqual(timingNames);
  });
});

describe('a configuration from a file', () => {
  it.each(objectiveNames)('may name the objective %s', (name) => {
    expect(parseRunConfig({ recipe: 'rlvr', objective: presetObjective(name) }).objective.name).toBe(name);
  });

  it.each(recipeNames)('may name the recipe %s', (recipe) => {
    expect(parseRunConfig({ recipe }).recipe).toBe(recipe);
  });

  it('may name no others, and is told which there are', () => {
    expect(() => parseRunConfig({ objective: { name: 'ppo' } })).toThrow(objectiveNames.join(', '));
    expect(() => parseRunConfig({ objective: { advantage: 'gae' } })).toThrow(advantageKinds.join(', '));
    expect(() => parseRunConfig({ objective: { kl: 'k4' } })).toThrow(klEstimators.join(', '));
    expect(() => parseRunConfig({ optim: { schedule: 'step' } })).toThrow(schedules.join(', '));
    expect(() => parseRunConfig({ recipe: 'ppo' })).toThrow(recipeNames.join(', '));
  });
});

it('a word that no list has ends a switch with its name, and nothing falls through', () => {
  expect(() => learningRateFactor('step' as never, 0, 10, 5)).toThrow('There is no schedule "step".');
  expect(() => noSuch('loss term', 'ppo' as never)).toThrow('There is no loss term "ppo".');
});
