/**
 * The fused engine on weights as files store them: what computes with 16 bits says what the same numbers in float32 say, trains the same
 * adapters, and becomes float32 where all parameters are trained.
 */
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engine/create.ts';
import { untrained } from '../../src/engine/engine.ts';
import type { FusedEngine } from '../../src/engine/fused/engine.ts';
import { initialAdapters, type LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { tensorFormats } from '../../src/policy/tensor-format.ts';
import { memoryTensor, numberCount } from '../../src/policy/tensor.ts';
import { tensorsOf, weightsOf, type PolicyTensors } from '../../src/policy/weights.ts';
import { forcedBatch, forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { expectClose } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const config: PolicyConfig = {
  ...tinyConfig,
  vocabSize: 64,
  hiddenSize: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediateSize: 96,
  tied: true,
};
const tokens = Int32Array.from({ length: 11 }, (_, i) => (i * 7) % config.vocabSize);
const lora: LoraSetup = { rank: 2, alpha: 8, seed: 5 };

/** The lively policy, its matrices in a format. */
function stored(format: 'bf16' | 'f16' | 'q8_0'): PolicyTensors {
  const tensors = new Map(tensorsOf(config, livelyWeights(config, 5)));
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length < 2) continue;
    const bytes = encode(format, livelyWeights(config, 5)[name]!);
    expect(bytes.length / tensorFormats[format].bytes).toBe(numberCount(tensor) / tensorFormats[format].numbers);
    const read = (from: number, to: number) => Promise.resolve(bytes.subarray(from, to));
    tensors.set(name, { ...tensor, dtype: format, format, byteLength: bytes.length, read });
  }
  return tensors;
}

const open = async (weights: PolicyTensors, setup: LoraSetup | null = null) =>
  (await createEngine({ config, weights, engine: 'fused', backend: 'webgpu', lora: setup })) as FusedEngine;

/** Of float16, where quantised numbers are rounded to it. */
const rounding = { relative: 4e-3, absolute: 4e-3 };
const exact = { relative: 1e-5, absolute: 1e-5 };

describe.each([
  ['bf16', exact],
  ['f16', exact],
  ['q8_0', rounding],
] as const)('%s', (format, tolerance) => {
  it('computes, samples and learns as the same numbers in float32 do, in half the memory', async () => {
    const tensors = stored(format);
    const numbers = await weightsOf(tensors);
    const [packed, plain] = [await open(tensors, lora), await open(tensorsOf(config, numbers), lora)];
    expect(packed.memory.parameters).toBeLessThan(0.75 * plain.memory.parameters);
    expectClose(await packed.logits(tokens), await plain.logits(tokens), 'logits', tolerance);
    const adapters = initialAdapters(config, lora);
    for (const [name, values] of Object.entries(adapters)) if (name.includes('lora_B')) values.fill(0.02);
    for (const engine of [packed, plain]) {
      await engine.importState({ ...untrained, adapters: { ...lora, tensors: adapters } });
      await engine.setReference();
    }
    const batch = forcedBatch(1, config.vocabSize);
    for (const policy of ['current', 'reference'] as const) {
      const [own, expected] = [await packed.score(batch, { temperature: 1, policy }), await plain.score(batch, { temperature: 1, policy })];
      expectClose(own.logprobs, expected.logprobs, `log-probs of ${policy}`, tolerance);
    }
    expect(packed.memory.reference).toBe(0);
    for (let step = 0; step < 2; step++) {
      const [own, expected] = [
        await packed.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
        await plain.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
      ];
      expectClose(
        [own.loss, own.gradNorm],
        [expected.loss, expected.gradNorm],
        `step ${step}`,
        format === 'q8_0' ? { relative: 0.05, absolute: 0.05 } : exact,
      );
    }
    const request = {
      prompts: [Int32Array.of(1, 2, 3), Int32Array.of(4)],
      repeats: 1,
      sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: 6, eosIds: [], seed: 1, step: 0, firstRow: 0 },
    };
    if (format !== 'q8_0') expect((await packed.generate(request)).tokens).toEqual((await plain.generate(request)).tokens);
    else expect((await packed.generate(request)).rows).toBe(2);
    packed.dispose();
    plain.dispose();
  });
});

it('a layer that no adapter changes is read in its own format, forward and backward', async () => {
  const tensors = stored('bf16');
  const some: LoraSetup = { ...lora, targets: ['q_proj'] };
  const [packed, plain] = [await open(tensors, some), await open(tensorsOf(config, await weightsOf(tensors)), some)];
  for (let step = 0; step < 2; step++) {
    const batch = forcedBatch(step, config.vocabSize);
    const [own, expected] = [await packed.step(batch, forcedObjective, forcedOptim), await plain.step(batch, forcedObjective, forcedOptim)];
    expectClose([own.loss, own.gradNorm], [expected.loss, expected.gradNorm], `step ${step}`, exact);
  }
  packed.dispose();
  plain.dispose();
});

it('all parameters are trained in float32, and a state without weights is the policy as its file has it', async () => {
  const tensors = stored('bf16');
  const numbers = await weightsOf(tensors);
  const [engine, plain] = [await open(tensors), await open(tensorsOf(config, numbers))];
  const own = await engine.logits(tokens);
  const small = engine.memory.parameters;
  expect(await engine.exportState()).toEqual(untrained);
  await engine.setReference();
  await plain.setReference();
  for (let step = 0; step < 2; step++) {
    const [a, b] = [
      await engine.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
      await plain.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
    ];
    expectClose([a.loss, a.gradNorm], [b.loss, b.gradNorm], `step ${step}`, exact);
  }
  expect(engine.memory.parameters).toBe(plain.memory.parameters);
  expect(engine.memory.reference).toBe(small);
  const state = await engine.exportState();
  const expected = await plain.exportState();
  for (const [name, values] of Object.entries(expected.weights!))
    expectClose(state.weights![name]!, values, name, { relative: 1e-4, absolute: 1e-5 });
  const trained = await engine.logits(tokens);
  await engine.importState(untrained);
  expect(await engine.logits(tokens)).toEqual(own);
  expect(engine.memory.parameters).toBe(small);
  await engine.importState(state);
  expect(await engine.logits(tokens)).toEqual(trained);
  engine.dispose();
  plain.dispose();
});

it('answers with adapters of any rank and with whole weights, and goes back to what it trained, bit for bit', async () => {
  const tensors = stored('bf16');
  const engine = await open(tensors, lora);
  await engine.step(forcedBatch(0, config.vocabSize), forcedObjective, forcedOptim);
  const held = await engine.exportState();
  expect(held.weights).toBeNull();
  const answer = await engine.logits(tokens);
  const small = { rank: 4, alpha: 4, tensors: initialAdapters(config, { ...lora, rank: 4 }) };
  for (const [name, values] of Object.entries(small.tensors)) if (name.includes('lora_B')) values.fill(0.02);
  const other = livelyWeights(config, 9);
  for (const state of [
    { ...untrained, adapters: small },
    { ...untrained, weights: other },
    { ...untrained, weights: other, adapters: small },
  ]) {
    await engine.importState(state);
    const fresh = await open(state.weights ? tensorsOf(config, other) : tensors, state.adapters && { ...state.adapters, seed: 1 });
    if (state.adapters) await fresh.importState({ ...state, weights: null });
    expectClose(await engine.logits(tokens), await fresh.logits(tokens), 'logits', exact);
    fresh.dispose();
    await engine.importState(held);
    expect(await engine.logits(tokens)).toEqual(answer);
  }
  expect(await engine.exportState()).toEqual(held);
  const [again, fresh] = [await engine.step(forcedBatch(1, config.vocabSize), forcedObjective, forcedOptim), await open(tensors, lora)];
  await fresh.importState(held);
  expect((await fresh.step(forcedBatch(1, config.vocabSize), forcedObjective, forcedOptim)).loss).toBe(again.loss);
  engine.dispose();
  fresh.dispose();
});

it('a number that is none is refused while it is uploaded, by name and place', async () => {
  const tensors = new Map(stored('bf16'));
  const name = 'model.layers.0.mlp.up_proj.weight';
  const tensor = tensors.get(name)!;
  const bytes = (await tensor.read(0, tensor.byteLength)).slice();
  bytes.set([0x80, 0x7f], 2 * 5);
  tensors.set(name, { ...tensor, read: (from, to) => Promise.resolve(bytes.subarray(from, to)) });
  await expect(open(tensors)).rejects.toThrow(/number 6 of the tensor model\.layers\.0\.mlp\.up_proj\.weight/);
  const wrong = memoryTensor('model.norm.weight', [config.hiddenSize], new Float32Array(config.hiddenSize).fill(Infinity));
  await expect(open(new Map([...stored('bf16'), ['model.norm.weight', wrong]]))).rejects.toThrow(
    /number 1 of the tensor model\.norm\.weight/,
  );
});
