/** Which engine and backend are taken, with the reason, and which wishes are impossible. */
import { expect, it } from 'vitest';
import { instead } from '../../src/engine/checked.ts';
import { askedBackend, chooseEngine, probeAdapters, type Adapters } from '../../src/engine/choose.ts';
import type { BackendName, EngineName } from '../../src/engine/engine.ts';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const none: Adapters = { webgpu: null, software: false, features: [], reason: 'There is no WebGPU here.' };
const hardware: Adapters = { webgpu: 'acme turbo', software: false, features: [], reason: null };
const software: Adapters = { webgpu: 'google swiftshader', software: true, features: [], reason: null };

it('takes webgpu on a real adapter and wasm otherwise, and says why', () => {
  expect(chooseEngine({}, hardware)).toMatchObject({
    engine: 'fused',
    backend: 'webgpu',
    reason: expect.stringContaining('acme turbo') as string,
  });
  expect(chooseEngine({}, software)).toMatchObject({
    engine: 'wasm',
    backend: 'wasm',
    reason: expect.stringContaining('swiftshader') as string,
  });
  expect(chooseEngine({}, none)).toMatchObject({ engine: 'wasm', backend: 'wasm', reason: expect.stringContaining('no WebGPU') as string });
});

it('follows a wish', () => {
  expect(chooseEngine({ backend: 'webgpu' }, software)).toMatchObject({ engine: 'fused', backend: 'webgpu' });
  expect(chooseEngine({ engine: 'fused' }, software)).toMatchObject({ engine: 'fused', backend: 'webgpu' });
  expect(chooseEngine({ engine: 'portable', backend: 'webgpu' }, software)).toMatchObject({ engine: 'portable', backend: 'webgpu' });
  expect(chooseEngine({ engine: 'portable' }, hardware)).toMatchObject({ engine: 'portable', backend: 'webgpu' });
  expect(chooseEngine({ engine: 'portable' }, software)).toMatchObject({ engine: 'portable', backend: 'wasm' });
  expect(chooseEngine({ engine: 'portable', backend: 'wasm' }, hardware)).toMatchObject({ engine: 'portable', backend: 'wasm' });
  for (const wish of [{ engine: 'wasm' }, { backend: 'wasm' }, { engine: 'wasm', backend: 'wasm' }])
    expect(chooseEngine(wish, hardware)).toMatchObject({ engine: 'wasm', backend: 'wasm' });
  expect(chooseEngine({ backend: 'cpu' }, hardware)).toMatchObject({ engine: 'portable', backend: 'cpu' });
  expect(chooseEngine({ engine: 'portable', backend: 'cpu' }, hardware)).toMatchObject({ backend: 'cpu' });
});

it('without SIMD: the portable engine where a GPU is not, and no wasm engine', () => {
  expect(chooseEngine({}, none, false)).toMatchObject({ engine: 'portable', backend: 'wasm' });
  expect(chooseEngine({ backend: 'wasm' }, hardware, false)).toMatchObject({ engine: 'portable', backend: 'wasm' });
  expect(() => chooseEngine({ engine: 'wasm' }, hardware, false)).toThrow(/without SIMD here\. Choose the portable engine/);
});

it('what comes after an engine that computes wrongly', () => {
  const failed = {
    engine: 'fused',
    backend: 'webgpu',
    adapter: null,
    passed: false,
    milliseconds: 1,
    findings: [],
    failure: 'It broke.',
  } as const;
  const after = (engine: EngineName, backend: BackendName, simd?: boolean) => {
    const next = instead({ engine, backend, reason: '' }, failed, simd);
    return next && [next.engine, next.backend];
  };
  expect(after('fused', 'webgpu')).toEqual(['wasm', 'wasm']);
  expect(after('fused', 'webgpu', false)).toEqual(['portable', 'wasm']);
  expect(after('wasm', 'wasm')).toEqual(['portable', 'wasm']);
  expect(after('portable', 'wasm')).toEqual(['portable', 'cpu']);
  expect(after('portable', 'cpu')).toBeNull();
});

it.each([
  [{ engine: 'fused', backend: 'wasm' }, hardware, /webgpu only/],
  [{ engine: 'wasm', backend: 'webgpu' }, hardware, /wasm only/],
  [{ engine: 'wasm', backend: 'cpu' }, hardware, /wasm only/],
  [{ engine: 'fused', backend: 'cpu' }, hardware, /webgpu only/],
  [{ backend: 'webgpu' }, none, /no WebGPU here/],
  [{ engine: 'fused' }, none, /fused engine cannot be used: There is no WebGPU here/],
  [{ engine: 'magic' }, hardware, /"magic"/],
  [{ backend: 'webgl' }, hardware, /"webgl"/],
])('refuses %j', (wish, adapters, sentence) => {
  let error: unknown;
  try {
    chooseEngine(wish, adapters);
  } catch (caught) {
    error = caught;
  }
  expect(labErrorCode(error)).toBe('usage');
  expect((error as Error).message).toMatch(sentence);
});

it('finds no adapter in plain Node', async () => {
  expect(await probeAdapters()).toMatchObject({ webgpu: null, reason: expect.stringContaining('WebGPU') as string });
});

it('does not pretend to have an engine or a device', async () => {
  const make = (engine: 'fused' | 'portable') =>
    createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine, backend: 'webgpu' });
  await expect(make('fused')).rejects.toThrow(/WebGPU/);
  await expect(make('portable')).rejects.toThrow(/WebGPU/);
});

it('an engine that runs on one backend asks for that one, and Dawn is not loaded where it is not wanted', async () => {
  expect(askedBackend({})).toBeUndefined();
  expect(askedBackend({ engine: 'portable' })).toBeUndefined();
  expect(askedBackend({ engine: 'fused' })).toBe('webgpu');
  expect(askedBackend({ engine: 'wasm' })).toBe('wasm');
  expect(askedBackend({ engine: 'portable', backend: 'cpu' })).toBe('cpu');
  const gpu = () => (globalThis.navigator as { readonly gpu?: unknown } | undefined)?.gpu;
  expect(gpu()).toBeUndefined();
  const { chosenEngine } = await import('../../src/cli/engine.ts');
  expect(await chosenEngine({ engine: 'wasm' })).toMatchObject({ engine: 'wasm', backend: 'wasm' });
  expect(gpu()).toBeUndefined();
});
