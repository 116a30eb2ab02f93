/** PEFT's files: what peft saved (tests/fixtures/peft/make.py) gives its logits here, what is written is what it writes, the rest is refused by name. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { folderSource } from '../../src/cli/folder.ts';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { parsePolicyConfig } from '../../src/policy/config.ts';
import { bytesFile, type WrittenFile } from '../../src/policy/file.ts';
import { mergedTensor } from '../../src/policy/merged.ts';
import { peftFiles, readPeft } from '../../src/policy/peft.ts';
import { readSafetensors, writeSafetensors } from '../../src/policy/safetensors.ts';
import type { PolicySource } from '../../src/policy/source.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { numbersOf, type Tensor } from '../../src/policy/tensor.ts';
import type { Weights } from '../../src/policy/weights.ts';

const folder = 'tests/fixtures/peft';
const parsed = (path: string) => JSON.parse(readFileSync(`${folder}/${path}`, 'utf8')) as Record<string, unknown>;
const config = parsePolicyConfig(parsed('base/config.json'));
const logits = parsed('logits.json') as Readonly<Record<'base' | 'some' | 'all' | 'ids', readonly number[]>>;

async function baseTensors(): Promise<ReadonlyMap<string, Tensor>> {
  return (await readSafetensors(bytesFile('base', readFileSync(`${folder}/base/model.safetensors`)))).tensors;
}

async function wholeOf(file: WrittenFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of file.bytes()) parts.push(part.slice());
  const bytes = new Uint8Array(Buffer.concat(parts));
  expect(bytes.length, file.name).toBe(file.size);
  return bytes;
}

function sourceOf(files: Readonly<Record<string, Uint8Array>>): PolicySource {
  return { id: 'made', local: true, read: (path) => Promise.resolve(files[path] ?? null) };
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe.each([
  ['some', { targets: ['q_proj', 'v_proj', 'down_proj'], layers: [1] }],
  ['all', { targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'], layers: null }],
] as const)('adapters that peft saved (%s)', (name, { targets, layers }) => {
  it('are of the projections and layers that they are of, and answer as they do there', async () => {
    const adapters = await readPeft(await folderSource(`${folder}/${name}`), config);
    expect({ ...adapters, tensors: Object.keys(adapters.tensors).length }).toEqual({
      rank: 4,
      alpha: 6,
      // What is all goes without saying.
      ...(layers === null ? {} : { targets, layers }),
      base: 'tiny/base',
      tensors: 2 * targets.length * (layers === null ? 2 : 1),
    });
    const weights: Record<string, Float32Array> = {};
    for (const [own, tensor] of await baseTensors()) {
      const [down, up] = ['A', 'B'].map((part) => adapters.tensors[`base_model.model.${own.replace(/\.weight$/, `.lora_${part}.weight`)}`]);
      weights[own] = await numbersOf(down && up ? mergedTensor(tensor, { down, up, rank: 4, alpha: 6 }) : tensor);
    }
    const engine = await createEngine({ config, weights, engine: 'portable', backend: 'cpu' });
    const own = await engine.logits(Int32Array.from(logits.ids));
    engine.dispose();
    expect(Math.max(...own.map((value, i) => Math.abs(value - logits[name][i]!)))).toBeLessThan(1e-5);
    expect(Math.max(...own.map((value, i) => Math.abs(value - logits.base[i]!)))).toBeGreaterThan(0.05);
  });

  it('are written as peft writes them, bit for bit where they are float32', async () => {
    const adapters = await readPeft(await folderSource(`${folder}/${name}`), config);
    const [settings, weights] = await Promise.all(peftFiles(config, { ...adapters, base: 'tiny/base' }).map(wholeOf));
    const theirs = parsed(`${name}/adapter_config.json`);
    for (const [key, value] of Object.entries(JSON.parse(new TextDecoder().decode(settings)) as object)) {
      const expected = key === 'target_modules' ? (name === 'some' ? targets : [...targets]) : theirs[key];
      expect(value, key).toEqual(expected);
    }
    const [own, saved] = await Promise.all(
      [weights!, readFileSync(`${folder}/${name}/adapter_model.safetensors`)].map(async (bytes) => {
        const { tensors } = await readSafetensors(bytesFile(name, bytes));
        return Promise.all([...tensors].sort().map(async ([key, tensor]) => [key, tensor.shape, await numbersOf(tensor)]));
      }),
    );
    expect(own).toEqual(saved);
    if (name === 'some') expect(Buffer.from(weights!).includes('"__metadata__":{"format":"pt"}')).toBe(true);
    const again = await readPeft(sourceOf({ 'adapter_config.json': settings!, 'adapter_model.safetensors': weights! }), config);
    expect(again).toEqual(adapters);
  });
});

describe('a merged matrix', () => {
  const [out, width, rank] = [5, 96, 3];
  const numbers = Float32Array.from({ length: out * width }, (_, i) => Math.sin(i));
  const down = Float32Array.from({ length: rank * width }, (_, i) => Math.cos(3 * i));
  const up = Float32Array.from({ length: out * rank }, (_, i) => Math.sin(5 * i + 1));
  const bytes = new Uint8Array(numbers.buffer);
  const base: Tensor = {
    ...{ name: 'w', shape: [out, width], dtype: 'F32', format: 'f32', byteLength: bytes.length },
    read: (from, to) => Promise.resolve(bytes.subarray(from, to)),
  };
  const product = (row: number, column: number) =>
    [0, 1, 2].reduce((sum, k) => sum + (7 / rank) * up[row * rank + k]! * down[k * width + column]!, 0);

  it('is W + (alpha / rank) B A, whatever part of it is read', async () => {
    const merged = mergedTensor(base, { down, up, rank, alpha: 7 });
    const whole = await numbersOf(merged);
    whole.forEach((value, i) => expect(value).toBe(Math.fround(numbers[i]! + product(Math.floor(i / width), i % width))));
    const all = new Uint8Array(whole.buffer);
    for (const [from, to] of [
      [0, 4],
      [3, 402],
      [383, 389],
      [400, 1920],
    ] as const) {
      expect(Buffer.compare(await merged.read(from, to), all.subarray(from, to)), `${from} to ${to}`).toBe(0);
    }
  });

  it('of a quantised base is merged with what the base is computed with', async () => {
    const raw = Uint8Array.from({ length: (34 * out * width) / 32 }, (_, i) => (i % 34 === 1 ? 0x24 : i * 7));
    const quantised: Tensor = {
      ...{ name: 'w', shape: [out, width], dtype: 'Q8_0', format: 'q8_0', byteLength: raw.length },
      read: (from, to) => Promise.resolve(raw.subarray(from, to)),
    };
    const plain = new Float32Array(out * width);
    decode('q8_0', raw, plain);
    const merged = mergedTensor(quantised, { down, up, rank, alpha: 7 });
    const some = new Float32Array((await merged.read(4 * 45, 4 * 200)).slice().buffer);
    some.forEach((value, i) => {
      const at = 45 + i;
      expect(value).toBe(Math.fround(plain[at]! + product(Math.floor(at / width), at % width)));
    });
  });
});

describe('what cannot be read is refused in a sentence', () => {
  const right = parsed('some/adapter_config.json');
  const weights = new Uint8Array(readFileSync(`${folder}/some/adapter_model.safetensors`));
  const refused = async (settings: Record<string, unknown>, bytes: Uint8Array | null = weights) => {
    const files = { 'adapter_config.json': json({ ...right, ...settings }), ...(bytes ? { 'adapter_model.safetensors': bytes } : {}) };
    const error: unknown = await readPeft(sourceOf(files), config).then(
      () => null,
      (e: unknown) => e,
    );
    expect(labErrorCode(error)).toBe('format');
    return (error as Error).message;
  };

  it.each([
    [{ peft_type: 'IA3' }, 'peft_type is "IA3"; LORA is read'],
    [{ task_type: 'SEQ_CLS' }, 'task_type is "SEQ_CLS"; CAUSAL_LM is read'],
    [{ use_rslora: true }, 'use_rslora is true, which is not supported'],
    [{ use_dora: true }, 'use_dora is true, which is not supported'],
    [{ bias: 'lora_only' }, 'bias is "lora_only"; trained biases are not supported'],
    [{ modules_to_save: ['lm_head'] }, 'modules_to_save is ["lm_head"], which is not supported'],
    [{ rank_pattern: { q_proj: 8 } }, 'rank_pattern is {"q_proj":8}, which is not supported'],
    [{ init_lora_weights: 'pissa' }, `init_lora_weights is "pissa", which changes the base's own weights`],
    [{ some_future_kind: 3 }, 'some_future_kind is 3, which is not supported'],
    [{ r: 0 }, 'r is 0, not a positive whole number'],
    [{ lora_alpha: null }, 'lora_alpha is null, not a positive number'],
    [{ r: 8 }, 'lora_A.weight is [4, 32], rank and base ask for [8, 32]'],
    [{ target_modules: ['q_proj'] }, 'target_modules are q_proj, the weights are of q_proj, v_proj, down_proj'],
    [{ layers_to_transform: null }, 'its adapters are of all 2 layers, the weights of layers 1'],
  ])('%j', async (settings, sentence) => expect(await refused(settings)).toContain(sentence));

  it('files that are missing, and tensors that the base has no place for', async () => {
    expect(await refused({}, null)).toContain('There is no adapter_model.safetensors in made.');
    await expect(readPeft(sourceOf({}), config)).rejects.toThrow('There is no adapter_config.json in made.');
    const { tensors } = await readSafetensors(bytesFile('some', weights));
    const numbers: Record<string, Float32Array> = {};
    for (const [name, tensor] of tensors) numbers[name] = await numbersOf(tensor);
    const written = (change: Weights) => {
      const all = Object.entries({ ...numbers, ...change }).filter(([, data]) => data.length > 0);
      return writeSafetensors(all.map(([name, data]) => ({ name, shape: tensors.get(name)?.shape ?? [data.length], data })));
    };
    const layer = 'base_model.model.model.layers';
    const none = new Float32Array(0);
    expect(await refused({}, written({ 'base_model.model.lm_head.lora_A.weight': new Float32Array(4) }))).toContain(
      'has a tensor base_model.model.lm_head.lora_A.weight; read are adapters of the 7 projections of the 2 layers of its base',
    );
    expect(await refused({}, written({ [`${layer}.1.self_attn.q_proj.lora_B.weight`]: none }))).toContain('though it has its partner');
  });
});
