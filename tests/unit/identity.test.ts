/** What a continued piece of work is recognised by: each part of it alone is named when it changes, and only the reader may overrule. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { folderSource } from '../../src/cli/folder.ts';
import { labErrorCode } from '../../src/errors.ts';
import { defaultTemplateSettings } from '../../src/policy/template-settings.ts';
import { fingerprintOf, hashFiles, noFiles } from '../../src/policy/fingerprint.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { sha256 } from '../../src/policy/sha256.ts';
import type { PolicySource } from '../../src/policy/source.ts';
import { initialWeights, tensorsOf, type Weights } from '../../src/policy/weights.ts';
import { recipes } from '../../src/rl/recipes.ts';
import {
  begun,
  continued,
  differences,
  policyParts,
  programParts,
  runIdentity,
  differencesSentence,
  settingParts,
  unrecorded,
  type Continuation,
  type RunMaterial,
} from '../../src/run/identity.ts';
import { tinyConfig, tinyPersonas } from '../helpers/tiny-policy.ts';

afterEach(() => vi.unstubAllGlobals());

describe('SHA-256', () => {
  // FIPS 180-2, appendix B.
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

  it('is the same with and without a secure context', async () => {
    const numbers = Float32Array.from({ length: 100_003 }, (_, i) => Math.sin(i)).subarray(3);
    const secure = [await sha256('abc'), await sha256('²½'), await sha256(new Uint8Array()), await sha256(numbers)];
    expect(secure[0]).toBe(abc);
    vi.stubGlobal('crypto', {});
    expect([await sha256('abc'), await sha256('²½'), await sha256(new Uint8Array()), await sha256(numbers)]).toEqual(secure);
  });
});

describe('the fingerprint of a policy', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const files = {
    'config.json': '{"model_type":"llama"}',
    'generation_config.json': '{"eos_token_id":2}',
    'tokenizer.json': '{"model":{}}',
    'tokenizer_config.json': '{"chat_template":"{{ a }}","eos_token":"x"}',
    'special_tokens_map.json': '{"bos_token":"y"}',
  };
  const of = (changes: Record<string, string | null> = {}) => {
    const all = Object.entries({ ...files, ...changes }).flatMap(([name, text]) => (text === null ? [] : [[name, bytes(text)] as const]));
    return hashFiles(new Map(all));
  };

  it.each([
    ['config', { 'config.json': '{"model_type":"qwen2"}' }],
    ['generation-config', { 'generation_config.json': '{"eos_token_id":3}' }],
    ['generation-config', { 'generation_config.json': null }],
    ['tokenizer', { 'tokenizer.json': '{"model":{"type":"BPE"}}' }],
    ['tokenizer-config', { 'tokenizer_config.json': '{"chat_template":"{{ a }}","eos_token":"z"}' }],
    ['special-tokens', { 'special_tokens_map.json': '{}' }],
    ['template', { 'tokenizer_config.json': '{"chat_template":"{{ b }}","eos_token":"x"}' }],
    ['template', { 'tokenizer_config.json': '{"eos_token":"x"}' }],
    ['template', { 'chat_template.jinja': '{{ a }}' }],
  ])('changes in the part %s alone with %j', async (part, changes) => {
    expect(differences(await of(), await of(changes)).map((difference) => difference.part)).toEqual([part]);
  });

  it('is that of the numbers, not of the files they lie in', async () => {
    const weights = initialWeights(tinyConfig, 3);
    const of = (numbers: Weights) => fingerprintOf({ weights: tensorsOf(tinyConfig, numbers), files: noFiles });
    const print = await of(weights);
    expect(await of(initialWeights(tinyConfig, 3))).toEqual(print);
    for (const name of ['model.embed_tokens.weight', 'model.norm.weight']) {
      const other = { ...weights, [name]: Float32Array.from(weights[name]!) };
      other[name]![1]! += 1e-6;
      expect((await of(other)).weights).not.toBe(print.weights);
    }
  });

  it('is made of every file that a policy is read from', async () => {
    const bundledSource = await folderSource('public/models/permix-tiny');
    const changed = (file: string, change: (text: string) => string): PolicySource => ({
      id: 'changed',
      read: async (path) => {
        const found = await bundledSource.read(path);
        return found && path === file ? bytes(change(new TextDecoder().decode(found))) : found;
      },
    });
    const plain = await fingerprintOf(await loadPolicy(bundledSource));
    const named = async (file: string, change: (text: string) => string) =>
      differences(plain, await fingerprintOf(await loadPolicy(changed(file, change)))).map(({ part }) => part);
    expect(Object.values(plain).filter((value) => value !== 'none')).toHaveLength(6);
    expect(await named('config.json', (text) => text.replace('"rope_theta": 10000', '"rope_theta": 20000'))).toEqual(['config']);
    expect(await named('generation_config.json', (text) => `${text} `)).toEqual(['generation-config']);
    expect(await named('tokenizer.json', (text) => `${text} `)).toEqual(['tokenizer']);
    expect(await named('tokenizer_config.json', (text) => text.replace('{% for', ' {% for'))).toEqual(['template']);
  });
});

describe('a part that came later', () => {
  it('is what it was before where nothing was recorded of it', async () => {
    const policy = {
      weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
      files: noFiles,
      tokenizer: { template: defaultTemplateSettings },
    };
    const now = { ...(await policyParts(policy)), ...(await policyParts(policy, 'base')) };
    const earlier = Object.fromEntries(Object.entries(now).filter(([part]) => !/no-persona|persona-place/.test(part)));
    expect(differences(earlier, now)).toEqual([]);
    const empty = { ...policy, tokenizer: { template: { ...defaultTemplateSettings, noSystem: 'empty' as const } } };
    expect(differences(earlier, { ...now, ...(await policyParts(empty, 'base')) })).toEqual([
      { part: 'base.no-persona', was: 'template', now: 'empty' },
    ]);
  });
});

describe('the identity of a run', () => {
  const material: RunMaterial = {
    policy: {
      weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
      files: noFiles,
      tokenizer: { template: defaultTemplateSettings },
    },
    config: recipes.permix,
    personas: tinyPersonas,
    voices: [],
    teacher: null,
    engine: { engine: 'portable', backend: 'wasm' },
  };
  const { config } = material;
  const changes: readonly [string, Partial<RunMaterial>][] = [
    ['weights', { policy: { ...material.policy, weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 4)) } }],
    ...(['config', 'generation-config', 'tokenizer', 'tokenizer-config', 'special-tokens', 'template'] as const).map(
      (part): [string, Partial<RunMaterial>] => [part, { policy: { ...material.policy, files: { ...noFiles, [part]: 'other' } } }],
    ),
    ['template-date', { policy: { ...material.policy, tokenizer: { template: { ...defaultTemplateSettings, date: '2025-01-01' } } } }],
    [
      'template-arguments',
      { policy: { ...material.policy, tokenizer: { template: { ...defaultTemplateSettings, arguments: { a: 1 } } } } },
    ],
    ['no-persona', { policy: { ...material.policy, tokenizer: { template: { ...defaultTemplateSettings, noSystem: 'empty' } } } }],
    ['persona-place', { policy: { ...material.policy, tokenizer: { template: { ...defaultTemplateSettings, systemPlace: 'user' } } } }],
    ['personas', { personas: tinyPersonas.map((persona, i) => (i === 0 ? { ...persona, text: 'You are a bard.' } : persona)) }],
    ['personas', { personas: tinyPersonas.slice(1) }],
    ['personas', { voices: [{ id: 'v', name: 'V', openers: ['Oh'], closers: [] }] }],
    ['settings.seed', { config: { ...config, seed: config.seed + 1 } }],
    ['settings.optim.learningRate', { config: { ...config, optim: { ...config.optim, learningRate: 1 } } }],
    ['settings.lora.rank', { config: { ...config, lora: { rank: 2, alpha: 4 } } }],
    ['settings.tasks', { config: { ...config, tasks: [{ ...config.tasks[0]!, id: 'countdown' }] } }],
    ['settings.mix.weights', { config: { ...config, mix: { ...config.mix, weights: { poet: 1 } } } }],
    ['engine', { engine: { engine: 'fused', backend: 'wasm' } }],
    ['backend', { engine: { engine: 'portable', backend: 'cpu' } }],
  ];

  it.each(changes)('differs in %s when that alone changes', async (part, change) => {
    const found = differences(await runIdentity(material), await runIdentity({ ...material, ...change }));
    expect(found.map((difference) => difference.part)).toContain(part);
    // LoRA off is one setting and LoRA on are two.
    if (!part.includes('lora')) expect(found).toHaveLength(1);
  });

  it('is that of the teacher too, part by part', async () => {
    const teacher = await policyParts(material.policy, 'teacher');
    const template = await policyParts({ ...material.policy, files: { ...noFiles, template: 'other' } }, 'teacher');
    const found = differences(await runIdentity({ ...material, teacher }), await runIdentity({ ...material, teacher: template }));
    expect(differencesSentence(found)).toBe('began with something else: the chat template of the teacher was none, now other');
  });

  it('does not change with the length of a run, except where its learning rate does', async () => {
    const at = async (schedule: 'constant' | 'cosine', steps: number) =>
      runIdentity({ ...material, config: { ...config, steps, optim: { ...config.optim, schedule } } });
    expect(differences(await at('constant', 10), await at('constant', 20))).toEqual([]);
    expect(differences(await at('cosine', 10), await at('cosine', 20))).toEqual([{ part: 'settings.steps', was: '10', now: '20' }]);
  });

  it('does not change with the name of the folder the base lies in', async () => {
    expect(differences(await runIdentity(material), await runIdentity({ ...material, config: { ...config, policy: 'moved' } }))).toEqual(
      [],
    );
  });

  it('has the versions of the program', () => {
    expect(Object.keys(programParts(material.engine))).toEqual(['engine', 'backend', 'format', 'numerics']);
  });
});

describe('continuing', () => {
  const was = { weights: 'a'.repeat(64), template: 'old', backend: 'wasm', ...settingParts({ seed: 1, base: null }) };
  const go = (now: Record<string, string>, change: Partial<Continuation> = {}) =>
    continued({
      what: 'The run in DIR',
      origin: begun(was),
      now,
      accept: [],
      mayDiffer: (part) => !part.startsWith('settings.'),
      at: 'step 3',
      next: (accept) => (accept.length > 0 ? `Add --accept ${accept.join(',')}.` : 'Choose another folder.'),
      ...change,
    });
  const refusal = (...of: Parameters<typeof go>) => {
    try {
      go(...of);
    } catch (error) {
      expect(labErrorCode(error)).toBe('usage');
      return (error as Error).message;
    }
    throw new Error('it went on');
  };

  it('goes on where nothing has changed', () => {
    expect(go({ ...was })).toEqual(begun(was));
  });

  it('names what has changed, and what would accept it', () => {
    expect(refusal({ ...was, backend: 'cpu' })).toBe(
      'The run in DIR began with something else: the backend was wasm, now cpu. Add --accept backend.',
    );
    expect(refusal({ ...was, weights: 'b'.repeat(64), template: 'none' })).toBe(
      `The run in DIR began with something else: the weights were aaaaaaaaaaaa…, now bbbbbbbbbbbb…; the chat template was old, now none. ` +
        'Add --accept weights,template.',
    );
    expect(refusal({ ...was, 'settings.seed': '2', backend: 'cpu' }, { accept: ['settings.seed', 'backend'] })).toMatch(
      /the setting seed was 1, now 2.*Choose another folder\.$/,
    );
    expect(refusal({ weights: was.weights, template: 'old', ...settingParts({ seed: 1, base: null }) })).toMatch(
      /backend was wasm, now none/,
    );
  });

  it('takes over what is accepted, all of it and no more, and remembers it', () => {
    expect(refusal({ ...was, backend: 'cpu', template: 'new' }, { accept: ['backend'] })).toMatch(/--accept template,backend/);
    const first = go({ ...was, backend: 'cpu' }, { accept: ['backend', 'engine'] });
    expect(first).toEqual({
      identity: { ...was, backend: 'cpu' },
      takenOver: [{ part: 'backend', was: 'wasm', now: 'cpu', at: 'step 3' }],
    });
    const second = go({ ...was, backend: 'webgpu' }, { origin: first, accept: ['backend'], at: 'step 5' });
    expect(second.takenOver.map(({ now, at }) => [now, at])).toEqual([
      ['cpu', 'step 3'],
      ['webgpu', 'step 5'],
    ]);
    expect(refusal(was, { origin: second })).toMatch(/the backend was webgpu, now wasm/);
  });

  it('asks for work whose identity was not recorded, and trusts none of it', () => {
    for (const origin of [null, undefined, begun({})]) {
      expect(refusal(was, { origin })).toMatch(/did not record what it depends on\. Add --accept unrecorded\.$/);
      expect(go(was, { origin, accept: [unrecorded] }).identity).toEqual(was);
    }
    const { template: _, ...partly } = was;
    expect(refusal(was, { origin: begun(partly) })).toBe(
      'The run in DIR does not say with which it began: the chat template. Add --accept unrecorded.',
    );
    expect(refusal({ ...was, backend: 'cpu' }, { origin: begun(partly), accept: [unrecorded] })).toMatch(
      /the backend was wasm, now cpu; it does not say .* chat template\. Add --accept unrecorded,backend\.$/,
    );
  });
});
