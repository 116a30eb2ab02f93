/**
 * The wasm engine on weights as files store them: what computes with 16 bits has the bits of the same numbers in float32, trains the same adapters,
 * and becomes float32 where all parameters are trained.
 */
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engine/create.ts';
import { untrained, type PolicyEngine } from '../../src/engine/engine.ts';
import { frozenLayout, policyLayout } from '../../src/engine/wasm/layout.ts';
import { initialAdapters, type LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { decode, tensorFormats } from '../../src/policy/tensor-format.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { numberCount } from '../../src/policy/tensor.ts';
import { tensorsOf, weightsOf, type PolicyTensors } from '../../src/policy/weights.ts';
import { forcedBatch, forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { Bench } from '../helpers/wasm-kernels.ts';

describe('numbers of 16 bits', () => {
  it.each([
    ['bf16', 1],
    ['f16', 2],
  ] as const)('%s: every finite one is read, and written back', async (format, kind) => {
    const bench = await Bench.start();
    const exponent = format === 'bf16' ? 0x7f80 : 0x7c00;
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => ((i & exponent) === exponent ? 0 : i));
    const expected = new Float32Array(2 ** 16);
    decode(format, new Uint8Array(bits.buffer), expected);
    const from = bench.integers(new Int32Array(bits.buffer));
    const to = bench.room(2 ** 16);
    bench.kernels.unpackPanels(2 ** 16, from, to, kind);
    expect(bench.read(to, 2 ** 16)).toEqual(expected);
    // One row of eight whose other rows are zeros.
    const [n, row] = [2 ** 13, bench.room(2 ** 15)];
    for (let first = 0; first < 2 ** 16; first += n) {
      bench.kernels.packRows(8, n / 8, bench.floats(expected.subarray(first, first + n)), n / 2, row, n / 8, 0, 0, kind);
      bench.kernels.unpackPanels(n, row, to, kind);
      const back = bench.fromPanels(to, 8, n / 8);
      expect(back).toEqual(expected.subarray(first, first + n));
    }
  });

  it('float16 between two is the nearest, as the files have it', async () => {
    const bench = await Bench.start();
    const values = Float32Array.from([...normals(200, 1), ...normals(200, 2, 3e-5), ...normals(200, 3, 1e-7), 65503, -65504, 0, -0]);
    const padded = new Float32Array(Math.ceil(values.length / 8) * 8);
    padded.set(values);
    const expected = new Float32Array(padded.length);
    decode('f16', encode('f16', padded), expected);
    const [panels, to] = [bench.room(padded.length), bench.room(padded.length)];
    bench.kernels.packRows(8, padded.length / 8, bench.floats(padded), padded.length / 2, panels, padded.length / 8, 0, 0, 2);
    bench.kernels.unpackPanels(padded.length, panels, to, 2);
    expect(bench.fromPanels(to, 8, padded.length / 8)).toEqual(expected);
  });
});

it.each([
  ['bf16', 1],
  ['f16', 2],
] as const)('a product of one row with %s is that with the same numbers unpacked, bit for bit', async (_, kind) => {
  const bench = await Bench.start();
  const { kernels } = bench;
  for (const [n, k] of [
    [8, 1],
    [24, 7],
    [64, 530],
    [72, 33],
  ] as const) {
    const panels = bench.room(n * k);
    kernels.packRows(n, k, bench.floats(normals(n * k, n)), 4 * k, panels, k, 0, 0, kind);
    const plain = bench.room(n * k);
    kernels.unpackPanels(n * k, panels, plain, kind);
    const [x, init] = [bench.floats(normals(k, 7)), bench.floats(normals(n, 8))];
    for (const start of [0, init]) {
      const [one, other] = [bench.room(n), bench.room(n)];
      kernels.multiplyRowPacked(n, k, x, panels, one, start, kind);
      kernels.multiplyRows(1, n, k, x, 4 * k, plain, 32, 32 * k, other, 4 * n, 32, start, 4 * n, 32);
      expect(bench.read(one, n), `${n} × ${k}`).toEqual(bench.read(other, n));
    }
  }
});

const config: PolicyConfig = { ...tinyConfig, vocabSize: 64, hiddenSize: 64, heads: 4, kvHeads: 2, intermediateSize: 96, tied: true };
const tokens = Int32Array.from({ length: 11 }, (_, i) => (i * 7) % config.vocabSize);
const lora: LoraSetup = { rank: 2, alpha: 8, seed: 5 };

/** The lively policy, its matrices in a format. */
function stored(format: 'bf16' | 'f16' | 'q8_0' | 'q4_1'): PolicyTensors {
  const tensors = new Map(tensorsOf(config, livelyWeights(config, 5)));
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length < 2) continue;
    const numbers = livelyWeights(config, 5)[name]!;
    const bytes = format === 'q4_1' ? fewBits(numbers) : encode(format, numbers);
    expect(bytes.length / tensorFormats[format].bytes).toBe(numberCount(tensor) / tensorFormats[format].numbers);
    const read = (from: number, to: number) => Promise.resolve(bytes.subarray(from, to));
    tensors.set(name, { ...tensor, dtype: format, format, byteLength: bytes.length, read });
  }
  return tensors;
}

/** Blocks of Q4_1: scale and smallest number in binary16, and 32 numbers of 4 bits. */
function fewBits(numbers: Float32Array): Uint8Array {
  const bytes = new Uint8Array((numbers.length / 32) * 20);
  for (let block = 0; block < numbers.length / 32; block++) {
    const some = numbers.subarray(32 * block, 32 * block + 32);
    const [least, most] = [Math.min(...some), Math.max(...some)];
    const scale = (most - least) / 15;
    bytes.set(encode('f16', Float32Array.of(scale, least)), 20 * block);
    const q = Array.from(some, (x) => Math.max(0, Math.min(15, Math.round((x - least) / scale))));
    for (let i = 0; i < 16; i++) bytes[20 * block + 4 + i] = q[i]! | (q[i + 16]! << 4);
  }
  return bytes;
}

const open = (weights: PolicyTensors, setup: LoraSetup | null = null): Promise<PolicyEngine> =>
  createEngine({ config, weights, engine: 'wasm', backend: 'wasm', lora: setup });

const request = {
  prompts: [tokens.slice(0, 4), tokens.slice(2, 9)],
  repeats: 3,
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 9, eosIds: [], seed: 2, step: 0, firstRow: 0 },
};

describe.each(['bf16', 'f16', 'q8_0', 'q4_1'] as const)('%s', (format) => {
  it('computes, samples and learns adapters, in half the memory', async () => {
    const tensors = stored(format);
    expect(frozenLayout(config, tensors).bytes).toBeLessThan((format === 'q8_0' ? 0.35 : 0.6) * policyLayout(config).bytes);
    const numbers = await weightsOf(tensors);
    const [packed, plain] = [await open(tensors, lora), await open(tensorsOf(config, numbers), lora)];
    // Quantised by less than 8 bits, numbers come closest in float16; the others are exact, and so are all results.
    const same = (own: ArrayLike<number>, expected: ArrayLike<number>, what: string) =>
      format === 'q4_1' ? expectClose(own, expected, what, { relative: 4e-3, absolute: 4e-3 }) : expect(own, what).toEqual(expected);
    same(await packed.logits(tokens), await plain.logits(tokens), 'logits');
    const adapters = initialAdapters(config, lora);
    for (const [name, values] of Object.entries(adapters)) if (name.includes('lora_B')) values.fill(0.02);
    for (const engine of [packed, plain]) {
      await engine.importState({ ...untrained, adapters: { ...lora, tensors: adapters } });
      await engine.setReference();
    }
    const batch = forcedBatch(1, config.vocabSize);
    for (const policy of ['current', 'reference'] as const) {
      const [own, expected] = [await packed.score(batch, { temperature: 1, policy }), await plain.score(batch, { temperature: 1, policy })];
      same(own.logprobs, expected.logprobs, `log-probs of ${policy}`);
    }
    if (format !== 'q4_1') expect(await packed.generate(request)).toEqual(await plain.generate(request));
    for (let step = 0; step < 2; step++) {
      const [own, expected] = [
        await packed.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
        await plain.step(forcedBatch(step, config.vocabSize), forcedObjective, forcedOptim),
      ];
      same([own.loss], [expected.loss], 'loss');
    }
    const [own, expected] = [await packed.exportState(), await plain.exportState()];
    expect(own.weights).toBeNull();
    if (format !== 'q4_1') expect(own).toEqual(expected);
  });

  it('becomes float32 where all parameters are trained, and goes back to its file', async () => {
    const tensors = stored(format);
    const [packed, plain] = [await open(tensors), await open(tensorsOf(config, await weightsOf(tensors)))];
    const before = await packed.logits(tokens);
    for (const engine of [packed, plain]) {
      await engine.setReference();
      await engine.step(forcedBatch(0, config.vocabSize), forcedObjective, forcedOptim);
    }
    expect(await packed.exportState()).toEqual(await plain.exportState());
    const batch = forcedBatch(1, config.vocabSize);
    const reference = await packed.score(batch, { temperature: 1, policy: 'reference' });
    await packed.importState(untrained);
    expect(await packed.logits(tokens)).toEqual(before);
    expect(await packed.score(batch, { temperature: 1, policy: 'current' })).toEqual(reference);
  });
});
