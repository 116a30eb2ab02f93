/** An engine whose kernels are wrong is not used: the workbench of the page takes the next one, and says why. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { checkedFirst, processMemory } from '../../src/engine/checked.ts';
import { Bench } from '../../src/worker/bench.ts';
import { tinyConfig, tinyTokenizer } from '../helpers/tiny-policy.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';

/** In the kernels' module AdamW does nothing; in tfjs's, the product of two tensors, element by element, adds them instead. */
beforeAll(() => {
  type Made = WebAssembly.Instance | WebAssembly.WebAssemblyInstantiatedSource;
  const instantiate = WebAssembly.instantiate.bind(WebAssembly) as (from: object, imports: WebAssembly.Imports) => Promise<Made>;
  vi.spyOn(WebAssembly, 'instantiate').mockImplementation((async (from: object, imports: WebAssembly.Imports) => {
    const made = await instantiate(from, imports);
    if ('exports' in made) return { exports: { ...made.exports, adamW: () => {} } };
    const { exports } = made.instance;
    return { ...made, instance: { exports: { ...exports, Multiply: exports['Add'] } } };
  }) as never);
});
afterAll(() => vi.restoreAllMocks());

const bench = (memory = processMemory()) =>
  new Bench({
    loadPolicy: (id) =>
      Promise.resolve({
        id,
        config: tinyConfig,
        weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 1)),
        tokenizer: tinyTokenizer(),
      } as never),
    checks: { program: 'test 1', memory },
  });

it('a wrong kernel is found, said, remembered, and left', async () => {
  const memory = processMemory();
  const { engine, reason, notices, checks } = await bench(memory).choose({}, 'tiny');
  expect(engine.info.backend).toBe('cpu');
  expect(checks.map(({ passed }) => passed)).toEqual([false, false, true]);
  expect(notices).toHaveLength(2);
  expect(notices[0]).toMatch(/^The self-check of wasm on wasm failed: parameters .+ So the policy runs on the portable engine/);
  expect(notices[1]).toMatch(
    /^The self-check of portable on wasm failed: .+ should be \S+ and came out as \S+\. So the policy runs on plain/,
  );
  expect(reason).toMatch(/plain JavaScript/);
  const report = JSON.parse(checks[1]!.report.slice(checks[1]!.report.indexOf('{'))) as Record<string, unknown>;
  expect(report).toMatchObject({ program: 'test 1', engine: 'portable', backend: 'wasm', passed: false });

  // The next visit does not compute with it either, and asked for it says so again.
  const again = await bench(memory).choose({ engine: 'portable', backend: 'wasm' }, 'tiny');
  expect(again.engine.info.backend).toBe('cpu');
  expect(again.checks[0]!.sentence).toBe(checks[1]!.sentence);
});

it('?selftest asks the machine and not the memory', async () => {
  const memory = processMemory();
  await bench(memory).choose({ backend: 'cpu' }, 'tiny');
  const { notices } = await bench(memory).choose({ backend: 'cpu', selftest: true }, 'tiny');
  expect(notices).toEqual([expect.stringMatching(/^The self-check of portable on cpu passed in \d/)]);
});

it('a software adapter is checked only when that is asked for', () => {
  expect(checkedFirst({ backend: 'webgpu' }, true)).toBe(false);
  expect(checkedFirst({ backend: 'webgpu' }, true, true)).toBe(true);
  expect(checkedFirst({ backend: 'webgpu' }, false)).toBe(true);
  expect(checkedFirst({ backend: 'wasm' }, false)).toBe(true);
});
