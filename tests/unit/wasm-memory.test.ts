/** What the wasm engine plans: what does not fit is refused beforehand, with a way that does fit; and its heap gives back what it is given. */
import { describe, expect, it, vi } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { Heap, heapLimit } from '../../src/engine/wasm/heap.ts';
import { policyLayout } from '../../src/engine/wasm/layout.ts';
import { WasmMemory, type WasmLimits } from '../../src/engine/wasm/memory-plan.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const gibibytes = (n: number) => n * 2 ** 30;
const roomy: WasmLimits = { heap: heapLimit, free: gibibytes(64) };
const lora = { rank: 8, alpha: 16 };

/** The shapes of real policies: SmolLM2 135M, Qwen2.5 0.5B. */
const middle: PolicyConfig = {
  ...tinyConfig,
  ...{ vocabSize: 49152, hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 },
  ...{ tied: true, maxPositions: 8192 },
};
const large: PolicyConfig = { ...middle, vocabSize: 151936, hiddenSize: 896, intermediateSize: 4864, layers: 24, heads: 14, kvHeads: 2 };
const planOf = (config: PolicyConfig, adapters: typeof lora | null, limits: WasmLimits, frozen = policyLayout(config).bytes) =>
  new WasmMemory(config, adapters, frozen, limits);
const shape = { rows: 64, groups: 8, width: 350, completionWidth: 200, microBatchRows: 0, withReference: true };

function refusal(check: () => void): string | null {
  try {
    check();
  } catch (error) {
    expect(labErrorCode(error), String(error)).toBe('memory');
    return (error as Error).message;
  }
  return null;
}

describe('the plan', () => {
  it('SmolLM2 trains, whole and with adapters; Qwen2.5 0.5B is held, and trains with adapters', () => {
    for (const [config, adapters] of [
      [middle, null],
      [middle, lora],
      [large, lora],
    ] as const) {
      // prettier-ignore
      const plan = planOf(config, adapters, roomy);
      expect(refusal(() => plan.checkPolicy())).toBeNull();
      expect(refusal(() => plan.checkTraining(shape))).toBeNull();
    }
    expect(refusal(() => planOf(large, null, roomy).checkTraining(shape))).toMatch(
      /^On the wasm engine this policy needs about [\d,]+ MiB to train with rows of up to 350 tokens, and WebAssembly reaches 4,096 MiB\. Use low-rank adapters \(--lora-rank 8\), shorter rows, a smaller policy, or a GPU/,
    );
  });

  it('half of it is needed where the base lies in 16 bits', () => {
    const limits = { ...roomy, free: gibibytes(1.6) };
    expect(refusal(() => planOf(large, lora, limits).checkTraining(shape))).toMatch(/1,639 MiB free/);
    expect(refusal(() => planOf(large, lora, limits, policyLayout(large).bytes / 2).checkTraining(shape))).toBeNull();
  });

  it('a machine with less is told so', () => {
    const small = { ...roomy, free: gibibytes(0.4) };
    expect(refusal(() => planOf(middle, null, small).checkPolicy())).toMatch(
      /needs about \d+ MiB, and this machine has 410 MiB free\. Use a smaller policy, a GPU .*, or a machine with more memory\.$/,
    );
    // What is offered is enough.
    const some = { ...roomy, free: gibibytes(2) };
    expect(refusal(() => planOf(middle, null, some).checkTraining(shape))).toMatch(/low-rank adapters/);
    expect(refusal(() => planOf(middle, lora, some).checkTraining(shape))).toBeNull();
  });

  it('a policy that cannot be held is refused before a number of it is read', async () => {
    const huge = { ...large, layers: 96 };
    const unread = { dtype: 'F32', format: 'f32' as const, byteLength: 0, read: () => Promise.reject(new Error('read')) };
    const weights = new Map(parameterShapes(huge).map(({ name, shape: of }) => [name, { ...unread, name, shape: of }]));
    await expect(createEngine({ config: huge, weights, engine: 'wasm', backend: 'wasm' })).rejects.toThrow(
      /^On the wasm engine this policy needs about \d,\d{3} MiB, and WebAssembly reaches 4,096 MiB/,
    );
  });

  it('an engine refuses such a call, and goes on with others', async () => {
    const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'wasm', backend: 'wasm' });
    const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 4, eosIds: [], seed: 1, step: 0, firstRow: 0 };
    const ask = (repeats: number) => engine.generate({ prompts: [Int32Array.of(5, 6)], repeats, sampling });
    expect(labErrorCode(await ask(1e8).catch((error: unknown) => error))).toBe('memory');
    expect((await ask(2)).rows).toBe(2);
  });
});

it.each([
  ['all parameters', null],
  ['adapters', { rank: 2, alpha: 4, seed: 1 }],
])('the plan is what is taken, of a policy with the vocabulary of Gemma 3: %s', async (_, setup) => {
  const config: PolicyConfig = { ...tinyConfig, vocabSize: 262_144, tied: true };
  const engine = await createEngine({ config, weights: initialWeights(config, 1), engine: 'wasm', backend: 'wasm', lora: setup });
  const { module, memory } = engine as unknown as { module: { heap: Heap }; memory: WasmMemory };
  let planned = 0;
  const hasRoom = memory.hasRoom.bind(memory);
  vi.spyOn(memory, 'hasRoom').mockImplementation((scratch, trained, reference) => {
    planned = Math.max(planned, memory.resting(trained, reference) + scratch);
    return hasRoom(scratch, trained, reference);
  });
  await engine.setReference();
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 5, eosIds: [], seed: 1, step: 0, firstRow: 0 };
  const rollouts = await engine.generate({ prompts: [Int32Array.of(5, 6, 7), Int32Array.of(8)], repeats: 12, sampling });
  const { logprobs } = await engine.score(rollouts, { temperature: 1, policy: 'reference' });
  const learnt = {
    ...rollouts,
    mask: new Uint8Array(24 * 5).fill(1),
    advantages: Float32Array.from({ length: 24 }, (_, row) => (row % 2 ? 1 : -1)),
    rowWeights: new Float32Array(24).fill(0.1),
    oldLogprobs: rollouts.logprobs,
    refLogprobs: logprobs,
  };
  const { gradNorm } = await engine.step(
    learnt,
    { term: 'clip', ratio: 'token', epsilonLow: 0.2, epsilonHigh: 0.2, beta: 0.1, kl: 'k3', entropyCoef: 0, temperature: 1 },
    { learningRate: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, microBatchRows: 0 },
  );
  expect(gradNorm).toBeGreaterThan(0);
  const taken = module.heap.memory.buffer.byteLength;
  expect(taken).toBeLessThanOrEqual(planned);
  expect(taken).toBeGreaterThan(0.7 * planned);
});

it('the heap gives room back, and joins what lies side by side', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 64 });
  const heap = new Heap(memory, 1000);
  const [a, b, c] = [heap.take(5000), heap.take(70_000), heap.take(100)];
  expect(new Set([a, b, c].map((at) => at % 64))).toEqual(new Set([0]));
  expect(a).toBeGreaterThanOrEqual(1000);
  expect(b).toBeGreaterThanOrEqual(a + 5000);
  const { used } = heap;
  heap.give(a);
  heap.give(b);
  // A block as large as both.
  expect(heap.take(75_000)).toBe(a);
  heap.give(c);
  heap.give(a);
  const pages = memory.buffer.byteLength;
  expect(heap.take(75_000)).toBe(a);
  expect(memory.buffer.byteLength).toBe(pages);
  expect(heap.used).toBeLessThan(used);
  expect(() => heap.give(b)).toThrow(/no block/);
  expect(labErrorCode(attempt(() => heap.take(64 * 2 ** 16)))).toBe('memory');
});

function attempt(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return null;
}

it('memory is flat over many steps', async () => {
  const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'wasm', backend: 'wasm' });
  const { heap } = (engine as unknown as { module: { heap: Heap } }).module;
  await engine.setReference();
  const seen: number[] = [];
  for (let step = 0; step < 12; step++) {
    const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 5, eosIds: [], seed: 1, step, firstRow: 0 };
    const rollouts = await engine.generate({ prompts: [Int32Array.of(5, 6, 7), Int32Array.of(8)], repeats: 3, sampling });
    const ref = await engine.score(rollouts, { temperature: 1, policy: 'reference' });
    await engine.step(
      {
        ...rollouts,
        mask: new Uint8Array(30).fill(1),
        advantages: Float32Array.of(1, -1, 1, -1, 1, -1),
        rowWeights: new Float32Array(6).fill(0.1),
        oldLogprobs: rollouts.logprobs,
        refLogprobs: ref.logprobs,
      },
      { term: 'clip', ratio: 'token', epsilonLow: 0.2, epsilonHigh: 0.2, beta: 0.1, kl: 'k3', entropyCoef: 0, temperature: 1 },
      { learningRate: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, microBatchRows: 0 },
    );
    await engine.importState(await engine.exportState());
    seen.push(heap.used, heap.memory.buffer.byteLength);
  }
  expect(seen.slice(2, 4)).toEqual(seen.slice(-2));
});
