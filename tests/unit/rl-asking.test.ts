/** How a run asks and reads: what is left out is as it was before there were settings for it, and what is said reaches prompts, verdicts and identity. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { askingSentence } from '../../src/evaluate/asking.ts';
import { labErrorCode } from '../../src/errors.ts';
import { libraryTitle } from '../../src/persona/library-names.ts';
import { libraryOf, ownLibrary } from '../../src/persona/libraries.ts';
import { mostOwnPersonas } from '../../src/persona/library-names.ts';
import { parsePolicyConfig, type PolicyConfig } from '../../src/policy/config.ts';
import { noFiles } from '../../src/policy/fingerprint.ts';
import { initialWeights, parameterCount, tensorsOf } from '../../src/policy/weights.ts';
import { askedOf, askingOf, templateSettings, usualAsking, withoutUsual } from '../../src/rl/asking.ts';
import { changedSettings, checkConfig, parseRunConfig } from '../../src/rl/check.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { runTitle } from '../../src/rl/differences.ts';
import { defaultSettings, policyDefaults, policyKind } from '../../src/rl/policy-defaults.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { differences, runIdentity } from '../../src/run/identity.ts';
import { runSteps } from '../../src/run/loop.ts';
import { tasks } from '../../src/tasks/index.ts';
import { verify } from '../../src/verify/verify.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

const own = ownLibrary('[{"id":"poet","text":"You are a poet."},{"id":"cook","text":"You are a cook.","heldOut":true}]', 'mine.json');

describe('what is left out', () => {
  it('is as it was before there was a setting for it', () => {
    for (const recipe of Object.values(recipes)) expect(askingOf(recipe)).toEqual(usualAsking);
    expect(usualAsking).toEqual({
      ...{ library: 'world', noPersona: 'template', noSystemRole: 'refuse', instruction: '', answers: ['boxed'], templateArguments: {} },
    });
  });

  it('is the same as what is said though it goes without saying', () => {
    expect(parseRunConfig({ ...usualAsking })).toEqual(recipes.permix);
    expect(withoutUsual({ ...recipes.rlvr, ...usualAsking })).toEqual(recipes.rlvr);
    const said = { library: 'general', answers: ['last-number'], instruction: 'Be brief.' } as const;
    expect(parseRunConfig(said)).toEqual({ ...recipes.permix, ...said });
    expect(runTitle(parseRunConfig(said))).toMatch(/under.the general personas/);
  });

  it('is no part of an identity, so that runs of before go on', async () => {
    const identityOf = (config: RunConfig) =>
      runIdentity({
        policy: {
          weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
          files: noFiles,
          tokenizer: tinyTokenizer().withTemplate(templateSettings(config)),
        },
        ...{ config, ...libraryOf(config.library), teacher: null, engine: { engine: 'portable', backend: 'cpu' } },
      });
    const before = await identityOf(recipes.permix);
    expect(Object.keys(before).filter((part) => /instruction|answers|library|noPersona|noSystem/.test(part))).toEqual([]);
    expect(await identityOf({ ...recipes.permix, ...usualAsking })).toEqual(before);
    const changed = async (more: Partial<RunConfig>) =>
      differences(before, await identityOf({ ...recipes.permix, ...more })).map(({ part }) => part);
    expect(await changed({ answers: ['last-number'] })).toEqual(['settings.answers']);
    expect(await changed({ instruction: 'Be brief.' })).toEqual(['settings.instruction']);
    expect(await changed({ noPersona: 'absent' })).toEqual(['no-persona']);
    expect(await changed({ noSystemRole: 'user' })).toEqual(['persona-place']);
    expect(await changed({ library: 'general' })).toEqual(['personas']);
    expect(await changed({ library: own })).toEqual(['personas']);
  });
});

describe('a persona library', () => {
  it('is one of the lab’s by name, or the reader’s own, whole', async () => {
    const general = JSON.parse(await readFile('public/personas/general.json', 'utf8')) as { personas: { id: string }[] };
    expect(libraryOf('general').personas.map(({ id }) => id)).toEqual(general.personas.map(({ id }) => id));
    expect(libraryOf().personas).toBe(libraryOf('world').personas);
    expect(libraryOf(own).personas).toEqual(own.personas);
    expect(libraryTitle(own)).toBe('mine.json');
  });

  it('of a file of settings is completed, and refused with the persona’s name', () => {
    const { library } = parseRunConfig({ library: { name: 'mine.json', personas: [{ id: 'poet', text: 'You are a poet.' }] } });
    expect(library).toMatchObject({ personas: [{ id: 'poet', name: 'poet', kind: 'neutral', voice: null, heldOut: false }], voices: [] });
    const twice = { name: 'mine.json', personas: [1, 2].map(() => ({ id: 'poet', text: 'You are a poet.' })) };
    expect(() => parseRunConfig({ library: twice })).toThrow(/the id "poet" is there twice/);
    expect(() => parseRunConfig({ library: 'others' })).toThrow(/library/);
  });

  it('is what the mix is checked against', () => {
    const config: RunConfig = { ...recipes.permix, library: own };
    expect(checkConfig(config, libraryOf(own).personas)).toEqual([]);
    const mix = { ...recipes.permix.mix, weights: { 'careful-pirate': 1 } };
    expect(checkConfig({ ...config, mix }, libraryOf(own).personas)[0]!.problem).toMatch(/"careful-pirate" that does not exist/);
    const many = { ...own, personas: Array.from({ length: mostOwnPersonas + 1 }, (_, i) => ({ ...own.personas[0]!, id: `p${i}` })) };
    expect(checkConfig({ ...config, library: many }, many.personas)[0]).toMatchObject({ field: 'library' });
  });
});

describe('answers', () => {
  it('that no reply to a task can have are refused', () => {
    const lists = tasks.filter(({ whole }) => !whole).map(({ id }) => id);
    expect(lists).toEqual(['reverse', 'sort', 'countdown']);
    for (const id of lists) {
      const config: RunConfig = { ...recipes.permix, tasks: [{ id, weight: 1 }], answers: ['last-number'] };
      expect(checkConfig(config, tinyPersonas)).toMatchObject([{ field: 'answers' }]);
      expect(checkConfig({ ...config, answers: ['boxed', 'last-number'] }, tinyPersonas)).toEqual([]);
    }
    expect(checkConfig({ ...recipes.permix, answers: ['boxed', 'boxed'] }, tinyPersonas)).toMatchObject([{ field: 'answers' }]);
    expect(() => parseRunConfig({ answers: ['spoken'] })).toThrow(/answers/);
    expect(() => parseRunConfig({ answers: [] })).toThrow(/answers/);
  });
});

describe('a run', () => {
  let engine: PolicyEngine;
  beforeAll(async () => {
    engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend: 'cpu' });
    await engine.setReference();
  });
  afterAll(() => engine.dispose());

  it('asks with its instruction and reads its answers, in training and in the held-out questions', async () => {
    const config: RunConfig = {
      ...recipes.permix,
      ...{ steps: 1, promptsPerStep: 4, groupSize: 4, tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }] },
      ...{ sampling: { ...recipes.permix.sampling, maxNewTokens: 3 }, heldOut: { questions: 4, every: 1 } },
      ...{ instruction: 'Say it.', answers: ['last-number'] },
    };
    const setup = { engine, tokenizer: tinyTokenizer(), eosIds: tinyEosIds, personas: tinyPersonas, voices: [], config };
    let [rollouts, replies, unboxed] = [0, 0, 0];
    for await (const event of runSteps({ ...setup, state: initialTrainerState, evaluated: [] })) {
      if (event.kind === 'evaluation') {
        for (const reply of event.evaluation.rows.flatMap((row) => row.replies)) {
          expect(reply.question).toMatch(/\nSay it\.$/);
          const task = tasks.find(({ id }) => id === 'comparing')!;
          const question = { id: '', task: 'comparing', text: '', answer: reply.answer };
          expect(reply.correct).toBe((await verify(reply.text, question, task, null, ['last-number'])).correct);
          replies++;
        }
      } else {
        for (const rollout of event.report.rollouts) {
          expect(rollout.prompt).toContain('Say it.');
          // A digit that stands in no box is an answer too.
          const said = /(\d+)\D*$/.exec(rollout.completion)?.[1] ?? null;
          expect(rollout.correct).toBe(said !== null && Number(said) === Number(rollout.answer));
          unboxed += Number(said !== null && !rollout.completion.includes('boxed'));
          rollouts++;
        }
      }
    }
    expect([rollouts, replies]).toEqual([16, 32]);
    expect(unboxed).toBeGreaterThan(0);
  });

  it('is named in a sentence', () => {
    const config: RunConfig = { ...recipes.permix, noPersona: 'empty', instruction: 'Be brief.', answers: ['boxed', 'last-number'] };
    const sentence = askingSentence(askedOf(config));
    expect(sentence).toContain('“No persona” is an empty system message.');
    expect(sentence).toContain('Under every question stands “Be brief.”');
    expect(sentence).toContain('an answer is \\boxed{…}, or else the last number.');
    expect(askingSentence(askedOf(recipes.rlvr))).toContain('what the chat template writes');
  });
});

describe('what a policy brings', () => {
  const shape = (more: object): PolicyConfig =>
    parsePolicyConfig({
      ...{ model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
      ...{ num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 8192, tie_word_embeddings: true, rms_norm_eps: 1e-5 },
      ...more,
    });
  const smollm2 = shape({});
  const qwen3 = shape({
    ...{ model_type: 'qwen3', vocab_size: 151936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28 },
    ...{ num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128 },
  });
  const llama = shape({
    vocab_size: 128256,
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
  });

  it('is by family and size', () => {
    expect(parameterCount(smollm2)).toBeCloseTo(134.5e6, -5);
    expect([smollm2, qwen3, llama].map(policyKind)).toEqual(['smollm2', 'qwen3', 'llama']);
    expect(policyDefaults(smollm2)).toMatchObject({
      ...{ lora: { rank: 16, alpha: 32 }, learningRate: 3e-4, beta: 0, promptsPerStep: 4, groupSize: 8, maxNewTokens: 32 },
      ...{ answers: ['last-number'], library: 'general', tasks: [{ id: 'one-digit-sums' }] },
    });
    expect(policyDefaults(smollm2)!.instruction).toBe(undefined);
    expect(policyDefaults(qwen3)).toMatchObject({
      templateArguments: { enable_thinking: false },
      answers: ['boxed', 'hashes', 'answer-is', 'last-number'],
    });
    expect(policyDefaults(llama)!.templateArguments).toBe(undefined);
    expect(policyDefaults(tinyConfig)).toBe(null);
  });

  it('can be run by every recipe, and leaves one that learns nothing so', () => {
    for (const config of [smollm2, qwen3, llama]) {
      for (const recipe of ['base', 'sft', 'rlvr', 'permix'] as const) {
        const settings = parseRunConfig(changedSettings(recipes[recipe], defaultSettings(policyDefaults(config)!, recipe)));
        expect(checkConfig(settings, libraryOf(settings.library).personas)).toEqual([]);
        expect(settings.optim.learningRate === 0).toBe(recipe === 'base');
        expect(settings.sampling.maxNewTokens).toBe(policyDefaults(config)!.maxNewTokens);
        expect(settings.objective.beta).toBe(0);
      }
    }
  });

  it('is a wrong file’s no more than the reader’s', () => {
    let caught: unknown;
    try {
      ownLibrary('[]', 'empty.json');
    } catch (error) {
      caught = error;
    }
    expect(labErrorCode(caught)).toBe('format');
  });
});
