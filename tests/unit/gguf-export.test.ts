/** Policies written as GGUF: read back by our own reader, which files of Python's gguf hold (gguf.test.ts), and as safetensors in shards. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { policySource } from '../../src/cli/folder.ts';
import { bytesFile, type WrittenFile } from '../../src/policy/file.ts';
import { ggufSource } from '../../src/policy/gguf.ts';
import { ggufOf, type GgufPolicy } from '../../src/policy/gguf-export.ts';
import { cutNameOf } from '../../src/policy/gguf-tokenizer.ts';
import { readGgufHeader } from '../../src/policy/gguf-header.ts';
import { loadPolicy, type Policy } from '../../src/policy/policy.ts';
import { readSafetensors } from '../../src/policy/safetensors.ts';
import { safetensorsFiles } from '../../src/policy/safetensors-writer.ts';
import { openFile, type PolicySource } from '../../src/policy/source.ts';
import { encode, type WrittenFormat } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { numbersOf, type Tensor } from '../../src/policy/tensor.ts';
import { sharedFile } from '../helpers/shared.ts';

async function wholeOf(file: WrittenFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of file.bytes()) parts.push(part.slice());
  const bytes = new Uint8Array(Buffer.concat(parts));
  expect(bytes.length, file.name).toBe(file.size);
  return bytes;
}

async function read(source: PolicySource, name: string): Promise<Record<string, unknown> | null> {
  const bytes = await source.read(name);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>);
}

async function toWrite(path: string): Promise<{ policy: Policy; written: GgufPolicy }> {
  const source = await policySource(path);
  const policy = await loadPolicy(source);
  const [json, settings] = await Promise.all([read(source, 'tokenizer.json'), read(source, 'tokenizer_config.json')]);
  const template = settings?.['chat_template'];
  const tokenizer = json && { json, settings: settings ?? {}, template: typeof template === 'string' ? template : null };
  const tensors = source.tensors ? await source.tensors() : (await readSafetensors((await openFile(source, 'model.safetensors'))!)).tensors;
  return {
    policy,
    written: {
      name: policy.id,
      config: policy.config,
      tensors,
      tokenizer: tokenizer && { ...tokenizer, tokenizer: policy.tokenizer! },
    },
  };
}

/** What a tensor's numbers are after a format. */
function through(format: WrittenFormat, numbers: Float32Array): Float32Array {
  const out = new Float32Array(numbers.length);
  decode(format, encode(format, numbers), out);
  return out;
}

const texts = ['What is 17 + 25?', "It's  1234567, isn't\tit?\n", 'naïve ½ x² 日本語 🙂', '<|im_start|>user\nHi<|im_end|>'];

describe.each(['llama', 'qwen2', 'qwen3', 'permix-tiny'])('%s as GGUF', (name) => {
  const path = name === 'permix-tiny' ? 'public/models/permix-tiny' : `tests/fixtures/gguf/${name}.gguf`;
  const own = name === 'permix-tiny' ? ['What is 17 + 25?', 'You are a pirate. So it is \\boxed{42}<|end|>', '\\boxed{7}'] : texts;

  it.each(['f16', 'q8_0'] as const)('%s is the same policy, its numbers in that format', async (format) => {
    const { policy, written } = await toWrite(path);
    const bytes = await wholeOf(ggufOf('x.gguf', written, format, own));
    const source = await ggufSource(policy.id, bytesFile('x.gguf', bytes));
    const [again, tensors] = [await loadPolicy(source), await source.tensors!()];
    expect(again.config).toEqual(policy.config);
    expect(again.notices).toEqual([]);
    for (const [key, tensor] of written.tensors) {
      const numbers = await numbersOf(tensor);
      const whole = format === 'f16' || tensor.shape.at(-1)! % 32 === 0;
      const expected = tensor.shape.length === 1 ? numbers : through(whole ? format : 'f16', numbers);
      expect(await numbersOf(tensors.get(key)!), key).toEqual(expected);
    }
    for (const text of own) expect([...again.tokenizer!.encode(text)], text).toEqual([...policy.tokenizer!.encode(text)]);
    const chat = [{ role: 'user', content: 'Hi' }] as const;
    expect(again.tokenizer!.chat(chat, { addGenerationPrompt: true })).toBe(policy.tokenizer!.chat(chat, { addGenerationPrompt: true }));
    expect([...again.tokenizer!.addedTokens].sort()).toEqual(
      [...policy.tokenizer!.addedTokens, ...(name === 'permix-tiny' ? ['\\boxed{', ' \\boxed{'] : [])].sort(),
    );
    const { metadata } = await readGgufHeader(bytesFile('x', bytes));
    expect([metadata.get('general.file_type'), metadata.get('tokenizer.ggml.add_bos_token')]).toEqual([format === 'f16' ? 1 : 7, false]);
  });

  it('written by Python is written again bit for bit', async () => {
    if (name === 'permix-tiny') return;
    const { written } = await toWrite(path);
    const [theirs, ours] = await Promise.all(
      [new Uint8Array(readFileSync(path)), await wholeOf(ggufOf('x.gguf', written, 'f16', texts))].map((bytes) =>
        readGgufHeader(bytesFile('x', bytes)),
      ),
    );
    expect([...ours!.tensors.keys()].sort()).toEqual([...theirs!.tensors.keys()].sort());
    for (const [key, tensor] of theirs!.tensors) {
      const other = ours!.tensors.get(key)!;
      expect([key, other.shape, other.format]).toEqual([key, tensor.shape, tensor.format]);
      const [one, two] = await Promise.all([tensor, other].map((t) => t.read(0, t.byteLength)));
      // Python sums the factors of the rotary embeddings in float32.
      if (key !== 'rope_freqs.weight') expect(Buffer.compare(one!, two!), key).toBe(0);
    }
    for (const [key, value] of theirs!.metadata) {
      if (/^general\.|\.rope\.freq_base$/.test(key)) continue;
      expect(ours!.metadata.get(key), key).toEqual(value);
    }
  });
});

/** A tensor of float32. */
function tensorOf(name: string, shape: readonly number[], of: (i: number) => number): Tensor {
  const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => of(i));
  const bytes = new Uint8Array(numbers.buffer);
  const read = (from: number, to: number) => Promise.resolve(bytes.subarray(from, to));
  return { name, shape, dtype: 'F32', format: 'f32', byteLength: bytes.length, read };
}

describe('safetensors of a policy', () => {
  const tensors = ['a', 'b', 'c'].map((name, place) => tensorOf(name, [10, 10], (i) => (i - 50) * (place + 1)));

  it.each(['f32', 'bf16', 'f16'] as const)('are one file up to a size, and above it shards with an index (%s)', async (format) => {
    const size = format === 'f32' ? 400 : 200;
    expect(safetensorsFiles(tensors, format, 3 * size).map(({ name }) => name)).toEqual(['model.safetensors']);
    const files = safetensorsFiles(tensors, format, 2 * size);
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    expect(files.map(({ name }) => name)).toEqual([...shards, 'model.safetensors.index.json']);
    const bytes = await Promise.all(files.map(wholeOf));
    expect(JSON.parse(new TextDecoder().decode(bytes[2]))).toEqual({
      metadata: { total_size: 3 * size },
      weight_map: { a: shards[0], b: shards[0], c: shards[1] },
    });
    const found = new Map<string, Tensor>();
    for (const [i, shard] of shards.entries()) {
      const { tensors: inside, metadata } = await readSafetensors(bytesFile(shard, bytes[i]!));
      expect(metadata).toEqual({ format: 'pt' });
      for (const [name, tensor] of inside) found.set(name, tensor);
    }
    for (const tensor of tensors) {
      const again = found.get(tensor.name)!;
      expect([again.format, again.shape]).toEqual([format, [10, 10]]);
      expect(await numbersOf(again)).toEqual(through(format, await numbersOf(tensor)));
    }
  });

  it('hold numbers that the format can hold', async () => {
    const large = tensorOf('big', [2, 2], (i) => (i === 2 ? 70000 : 1));
    await expect(wholeOf(safetensorsFiles([large], 'f16')[0]!)).rejects.toThrow('Number 3 of the tensor big is 70000, too large for f16.');
    expect((await wholeOf(safetensorsFiles([large], 'bf16')[0]!)).length).toBeGreaterThan(8);
    await expect(wholeOf(safetensorsFiles([tensorOf('x', [2], () => NaN)], 'f32')[0]!)).rejects.toThrow(/1 of the tensor x is NaN/);
  });
});

describe('a tokenizer', () => {
  it('that cuts otherwise than every name of llama.cpp is refused, and says what would be cut otherwise', async () => {
    const { written } = await toWrite('public/models/permix-tiny');
    // Two blanks are one piece there, and two pieces everywhere else.
    expect(() => ggufOf('x.gguf', written, 'f16', ['What is 1 + 1?', 'no  no'])).toThrow(
      'llama.cpp has no name for how this tokenizer cuts text: of 2 texts at least 1 would be cut otherwise, the first "no  no".',
    );
  });

  it('of another kind is refused', async () => {
    const { written } = await toWrite('public/models/permix-tiny');
    const json = { ...written.tokenizer!.json, decoder: { type: 'Metaspace' } };
    const other = { ...written, tokenizer: { ...written.tokenizer!, json } };
    expect(() => ggufOf('x.gguf', other, 'f16', [])).toThrow('As GGUF a tokenizer of byte-level BPE can be written');
  });

  it('there need not be one', async () => {
    const { written } = await toWrite('public/models/permix-tiny');
    const bytes = await wholeOf(ggufOf('x.gguf', { ...written, tokenizer: null }, 'f16', []));
    expect((await loadPolicy(await ggufSource('x', bytesFile('x', bytes)))).tokenizer).toBeNull();
  });

  it.each([
    ['smollm2', 'smollm'],
    ['qwen3', 'qwen2'],
  ])('of %s is known by its name (skipped without ../shared)', (name, cut) => {
    const file = sharedFile(`assets/tokenizers/${name}/tokenizer.json`);
    if (file) expect(cutNameOf(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)).toBe(cut);
  });
});
