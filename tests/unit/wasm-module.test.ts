/**
 * The WebAssembly module when it fails, for real: its heap may grow to a given size and no further, which is what every policy meets
 * at 4 GiB. Each failure must be a sentence at the call that failed, nothing computes on that module again, and the next engine
 * computes on a fresh one.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { BackendName, PolicyEngine } from '../../src/engine/engine.ts';
import { HostMemory } from '../../src/engine/portable/memory-plan.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { expectClose } from '../helpers/numbers.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

/** Bytes that the heap of the next module may grow to. */
let limit = Infinity;

beforeAll(() => {
  const instantiate = WebAssembly.instantiate.bind(WebAssembly) as (bytes: BufferSource, imports: WebAssembly.Imports) => unknown;
  vi.spyOn(WebAssembly, 'instantiate').mockImplementation(((bytes: BufferSource, imports: WebAssembly.Imports) => {
    const most = limit;
    const env = imports['env']!;
    const grow = env['emscripten_resize_heap'] as (size: number) => boolean;
    return instantiate(bytes, { ...imports, env: { ...env, emscripten_resize_heap: (size: number) => size >>> 0 <= most && grow(size) } });
  }) as never);
});
afterAll(() => vi.restoreAllMocks());

/** 6.5 million parameters, 26 MB; as much again is taken by the packed form in which the module multiplies. */
const wide: PolicyConfig = { ...tinyConfig, hiddenSize: 256, intermediateSize: 8192 };
const wideWeights = initialWeights(wide, 1);
const tokens = Int32Array.of(5, 6, 7, 8);

function make(config: PolicyConfig, backend: BackendName = 'wasm'): Promise<PolicyEngine> {
  const weights = config === wide ? wideWeights : initialWeights(config, 1);
  return createEngine({ config, weights, engine: 'portable', backend });
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as Error,
  );
  expect(labErrorCode(error), String(error)).toBe('wasm');
  return error.message;
}

it('a product that is refused is an error, and not a row of zeros', async () => {
  limit = 46e6;
  const engine = await make(wide);
  const other = await make(tinyConfig);
  expect(await failureOf(engine.logits(tokens))).toMatch(/^The WebAssembly module failed with \d+ MB in use \(XNN status .* Got status 6/);
  // The same module, whatever is asked of it.
  expect(await failureOf(engine.logits(tokens))).toMatch(/XNN status/);
  expect(await failureOf(other.exportState())).toMatch(/XNN status/);
  engine.dispose();

  limit = Infinity;
  const next = await make(tinyConfig);
  const values = await next.logits(tokens);
  const cpu = await make(tinyConfig, 'cpu');
  expectClose(values, await cpu.logits(tokens), 'logits on a fresh module', { relative: 0, absolute: 1e-4 });
});

it('weights that find no room are an error, and nothing is written over address 0', async () => {
  await breakModule();
  limit = 20e6;
  expect(await failureOf(make(wide))).toMatch(/no room for \d+ MiB more/);
});

it('what a policy takes is planned, and refused before anything is allocated', async () => {
  await breakModule();
  limit = Infinity;
  const small = await make(tinyConfig);
  const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  await small.logits(tokens);
  const before = heap();
  const engine = await make(wide);
  await engine.logits(tokens);
  // The heap grows by a fifth at a time, and the module's own 16 MB were not full.
  expect(heap() - before).toBeGreaterThan(new HostMemory('wasm', wide, 0, 4096).policy() * 0.65);
  expect(heap() - before).toBeLessThan(new HostMemory('wasm', wide, 0, 4096).policy() * 1.3);
  engine.dispose();
});

it('an aborted module is an error', async () => {
  limit = Infinity;
  await breakModule();
  const engine = await make(tinyConfig);
  const call = engine.generate({
    prompts: [tokens],
    repeats: 1,
    sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 8, eosIds: [], seed: 1, step: 0, firstRow: 0 },
  });
  expect(() => abort()).toThrow(/aborted/i);
  expect(await failureOf(call)).toMatch(/aborted/i);
});

/** A tensor that the module does not know: its own assertion ends it. */
function abort(): void {
  const { wasm } = tf.backend() as unknown as { wasm: { _Add(...args: number[]): void } };
  wasm._Add(987654, 0, 0, 987655, 0, 0, 1, 987656);
}

/** So that the next engine gets a module of its own. */
async function breakModule(): Promise<void> {
  (await make(tinyConfig)).dispose();
  expect(() => abort()).toThrow();
}
