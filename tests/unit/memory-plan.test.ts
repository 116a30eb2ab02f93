/** What the host backends plan: what does not fit is refused beforehand, with a way that does fit; and the plan is what the module really takes. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { HostMemory, type HostLimits } from '../../src/engine/portable/memory-plan.ts';
import { wasmMemoryLimit } from '../../src/engine/portable/wasm.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const gibibytes = (n: number) => n * 2 ** 30;
const roomy: HostLimits = { heap: wasmMemoryLimit, free: gibibytes(64) };
const plan = (config: PolicyConfig, limits = roomy, backend: 'wasm' | 'cpu' = 'wasm', loraRank = 0) =>
  new HostMemory(backend, config, loraRank, 4096, limits);

function refusal(check: () => void): string | null {
  try {
    check();
  } catch (error) {
    expect(labErrorCode(error), String(error)).toBe('memory');
    return (error as Error).message;
  }
  return null;
}

/** The shapes of real policies: SmolLM2 135M, Qwen2.5 0.5B. */
const middle: PolicyConfig = {
  ...tinyConfig,
  vocabSize: 49152,
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  tied: true,
  maxPositions: 8192,
};
const large: PolicyConfig = {
  ...middle,
  vocabSize: 151936,
  hiddenSize: 896,
  intermediateSize: 4864,
  layers: 24,
  heads: 14,
  kvHeads: 2,
};

it('a policy that cannot be held is refused before a byte of it is uploaded', async () => {
  const sentence =
    /^On WebAssembly this policy needs about 4,\d{3} MiB, and the module has 4,096 MiB\. Use a smaller policy, plain JavaScript/;
  expect(refusal(() => plan(large).hold())).toMatch(sentence);
  await expect(createEngine({ config: large, weights: new Map(), engine: 'portable', backend: 'wasm' })).rejects.toThrow(
    /the module has 4,096 MiB/,
  );
  // The machine's own limit, on either backend; and then plain JavaScript is no way out.
  const small = { ...roomy, free: gibibytes(1) };
  expect(refusal(() => plan(middle, small).hold())).toMatch(
    /^On WebAssembly .*this machine has 1,024 MiB free\. Use a smaller policy, plain Jav/,
  );
  expect(refusal(() => plan(large, small, 'cpu').hold())).toMatch(
    /^In plain JavaScript this policy needs about 2,\d{3} MiB, and this machine has 1,024 MiB free/,
  );
  expect(refusal(() => plan(large, small).hold())).not.toMatch(/plain JavaScript/);
  const held = plan(middle);
  expect(refusal(() => held.hold())).toBeNull();
  held.release();
});

it('policies that live at the same time share the module', () => {
  const first = plan(middle);
  first.hold();
  const second = plan(middle, { ...roomy, heap: gibibytes(2) });
  expect(refusal(() => second.hold())).toMatch(/the module has 2,048 MiB, of which 1,\d{3} MiB are taken by another policy/);
  first.release();
  expect(refusal(() => second.hold())).toBeNull();
  second.release();
});

it('a run that cannot fit is refused with dials that are enough', () => {
  const short = { ...middle, layers: 8 };
  const shape = { rows: 64, width: 320, completionWidth: 64, microBatchRows: 0, withReference: true };
  expect(refusal(() => plan(tinyConfig).checkTraining({ ...shape, width: 96 }))).toBeNull();
  const said = refusal(() => plan(short).checkTraining(shape));
  expect(said).toMatch(
    /^On WebAssembly this policy needs about [\d,]+ MiB to train with rows of up to 320 tokens, and the module has 4,096 MiB\./,
  );
  expect(said).toMatch(/fewer rows a pass \(optim\.microBatchRows, down to 1\)/);
  expect(refusal(() => plan(short).checkTraining({ ...shape, microBatchRows: 1 }))).toBeNull();
  // A dial that would not be enough is not named.
  expect(refusal(() => plan(short, { ...roomy, heap: gibibytes(2) }).checkTraining(shape))).not.toMatch(/microBatchRows, down/);
  expect(refusal(() => plan(short, { ...roomy, free: gibibytes(2) }, 'cpu').checkTraining(shape))).toMatch(
    /this machine has 2,048 MiB free/,
  );
});

it('replies and texts that cannot fit are refused with dials that are enough', () => {
  const tight = { ...roomy, heap: gibibytes(1.4) };
  const said = refusal(() => plan(middle, tight).checkGenerating(128, 200, 2048, 300));
  expect(said).toMatch(/to make 2048 replies at once, of up to 300 tokens .* fewer replies at once \(--batch N/);
  expect(refusal(() => plan(middle, tight).checkGenerating(1, 200, 1, 300))).toBeNull();
  expect(refusal(() => plan(middle, { ...roomy, free: gibibytes(4) }).checkGenerating(64, 100, 64, 8192))).toMatch(
    /shorter replies \(--max-new N/,
  );
  expect(refusal(() => plan(middle, tight).checkReading(8000, 8000))).toMatch(/to read 8,000 tokens/);
});

it('an engine refuses such a call, and goes on with others', async () => {
  const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'portable', backend: 'wasm' });
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 4, eosIds: [], seed: 1, step: 0, firstRow: 0 };
  const ask = (repeats: number) => engine.generate({ prompts: [Int32Array.of(5, 6)], repeats, sampling });
  expect(labErrorCode(await ask(1e8).catch((error: unknown) => error))).toBe('memory');
  expect((await ask(2)).rows).toBe(2);
  engine.dispose();
});

/** Neither the layers nor the vocabulary of one is small beside the other's. */
const balanced: PolicyConfig = { ...tinyConfig, vocabSize: 3000, hiddenSize: 192, intermediateSize: 576, layers: 3, heads: 3, kvHeads: 3, headDim: 64, tied: true, maxPositions: 128 }; // prettier-ignore
/** The vocabulary of Gemma 3. */
const wordy: PolicyConfig = { ...balanced, vocabSize: 262_144, hiddenSize: 32, intermediateSize: 32, layers: 1, heads: 1, kvHeads: 1, headDim: 32 }; // prettier-ignore
const lora = { rank: 8, alpha: 16, seed: 1 };

/** A module of its own grows in steps of up to a fifth, so the heap says no more than about how much was needed. */
it.each([
  ['all parameters', balanced, null],
  ['adapters', balanced, lora],
  ['all parameters, a large vocabulary', wordy, null],
  ['all parameters, a large vocabulary with a head of its own', { ...wordy, tied: false }, null],
  ['adapters, a large vocabulary', wordy, lora],
])(
  'the plan is what a step takes: %s',
  async (_, config, lora) => {
    await breakModule();
    const weights = initialWeights(config, 1);
    const engine = await createEngine({ config, weights, engine: 'portable', backend: 'wasm', lora });
    await engine.setReference();
    const [rows, width, completionWidth] = [4, 64, 16];
    const batch = {
      rows,
      width,
      completionWidth,
      tokens: Int32Array.from({ length: rows * width }, (_, i) => 7 + (i % 50)),
      promptLengths: new Int32Array(rows).fill(width - completionWidth),
      lengths: new Int32Array(rows).fill(width),
    };
    const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'reference' });
    const optim = { learningRate: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, microBatchRows: 0 };
    const learnt = {
      ...batch,
      mask: new Uint8Array(rows * completionWidth).fill(1),
      advantages: Float32Array.from({ length: rows }, (_, row) => (row % 2 ? 1 : -1)),
      rowWeights: new Float32Array(rows).fill(1 / rows),
      oldLogprobs: null,
      refLogprobs: logprobs,
    };
    for (let i = 0; i < 2; i++) {
      await engine.step(learnt, { term: 'clip', ratio: 'token', epsilonLow: 0.2, epsilonHigh: 0.2, beta: 0.02, kl: 'k3', entropyCoef: 0, temperature: 1 }, optim); // prettier-ignore
    }
    const planned = plan(config, roomy, 'wasm', lora?.rank ?? 0).training({
      rows,
      width,
      completionWidth,
      microBatchRows: 0,
      withReference: true,
    });
    const ratio = planned.tensors / heap();
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.05);
    engine.dispose();
  },
  120_000,
);

function heap(): number {
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  return wasm.HEAPU8.length;
}

/** So that the next engine gets a module of its own. */
async function breakModule(): Promise<void> {
  (await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'portable', backend: 'wasm' })).dispose();
  const { wasm } = tf.backend() as unknown as { wasm: { _Add(...args: number[]): void } };
  expect(() => wasm._Add(987654, 0, 0, 987655, 0, 0, 1, 987656)).toThrow();
}
