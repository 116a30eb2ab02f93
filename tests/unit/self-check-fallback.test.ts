/** An engine whose kernels are wrong is not used: the workbench of the page takes the next one, and says why. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { checkedFirst, processMemory } from '../../src/engine/checked.ts';
import { Bench } from '../../src/worker/bench.ts';
import { tinyConfig, tinyTokenizer } from '../helpers/tiny-policy.ts';
import { initialWeights } from '../../src/policy/weights.ts';

/** The module's own product of two tensors, element by element, adds them instead. */
beforeAll(() => {
  type Instantiate = (bytes: BufferSource, imports: WebAssembly.Imports) => Promise<WebAssembly.WebAssemblyInstantiatedSource>;
  const instantiate = WebAssembly.instantiate.bind(WebAssembly) as Instantiate;
  vi.spyOn(WebAssembly, 'instantiate').mockImplementation((async (bytes: BufferSource, imports: WebAssembly.Imports) => {
    const made = await instantiate(bytes, imports);
    const { exports } = made.instance;
    return { ...made, instance: { exports: { ...exports, Multiply: exports['Add'] } } };
  }) as never);
});
afterAll(() => vi.restoreAllMocks());

const bench = (memory = processMemory()) =>
  new Bench({
    loadPolicy: (id) =>
      Promise.resolve({ id, config: tinyConfig, weights: initialWeights(tinyConfig, 1), tokenizer: tinyTokenizer() } as never),
    checks: { program: 'test 1', memory },
  });

it('a wrong kernel is found, said, remembered, and left', async () => {
  const memory = processMemory();
  const { engine, reason, notices, checks } = await bench(memory).choose({}, 'tiny');
  expect(engine.info.backend).toBe('cpu');
  expect(checks.map(({ passed }) => passed)).toEqual([false, true]);
  expect(notices).toHaveLength(1);
  expect(notices[0]).toMatch(
    /^The self-check of portable on wasm failed: .+ should be \S+ and came out as \S+\. So the policy runs on plain/,
  );
  expect(reason).toMatch(/plain JavaScript/);
  const report = JSON.parse(checks[0]!.report.slice(checks[0]!.report.indexOf('{'))) as Record<string, unknown>;
  expect(report).toMatchObject({ program: 'test 1', engine: 'portable', backend: 'wasm', passed: false });

  // The next visit does not compute with it either, and asked for it says so again.
  const again = await bench(memory).choose({ engine: 'portable', backend: 'wasm' }, 'tiny');
  expect(again.engine.info.backend).toBe('cpu');
  expect(again.checks[0]!.sentence).toBe(checks[0]!.sentence);
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
