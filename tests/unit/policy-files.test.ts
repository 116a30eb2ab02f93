/** Reading and writing policies: configurations, safetensors, whole checkpoints, and every way in which they can be broken. */
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { parameterShapes, parsePolicyConfig, toHuggingFaceConfig } from '../../src/policy/config.ts';
import { bytesFile } from '../../src/policy/file.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { readSafetensors, writeSafetensors } from '../../src/policy/safetensors.ts';
import type { PolicySource } from '../../src/policy/source.ts';
import { numbersOf } from '../../src/policy/tensor.ts';
import { initialWeights, policyTensors, parameterCount, weightsOf } from '../../src/policy/weights.ts';
import { variants } from '../helpers/engine-suite.ts';

const llama = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: 32,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  eos_token_id: 2,
};

/** Runs something that must fail with a LabError of this kind, and gives its sentence. */
function refusal(run: () => unknown, code = 'format'): string {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expect(labErrorCode(caught)).toBe(code);
  return (caught as Error).message;
}

/** The same of something that takes its time. */
async function refused(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.then(
    () => null,
    (reason: unknown) => reason,
  );
  return refusal(() => {
    throw error;
  });
}

/** The tensors of a safetensors file. */
const opened = (bytes: Uint8Array) => readSafetensors(bytesFile('model.safetensors', bytes));
const numbersIn = async (bytes: Uint8Array, name: string) => numbersOf((await opened(bytes)).tensors.get(name)!);

describe('config.json', () => {
  it('is read with transformers’ defaults', () => {
    const config = parsePolicyConfig(llama);
    expect(config).toMatchObject({
      family: 'llama',
      headDim: 2,
      heads: 4,
      kvHeads: 2,
      tied: true,
      qkvBias: false,
      eosIds: [2],
      padId: null,
    });
    expect(parsePolicyConfig({ ...llama, num_key_value_heads: undefined, tie_word_embeddings: undefined })).toMatchObject({
      kvHeads: 4,
      tied: false,
    });
    expect(
      parsePolicyConfig({ ...llama, model_type: 'qwen2', architectures: undefined, use_sliding_window: false, sliding_window: 4096 }),
    ).toMatchObject({
      family: 'qwen2',
      qkvBias: true,
    });
    expect(parsePolicyConfig({ ...llama, model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] })).toMatchObject({
      qkNorm: true,
      headDim: 128,
    });
    expect(parsePolicyConfig(llama, { eos_token_id: [5, 2, 5] }).eosIds).toEqual([5, 2]);
    expect(parsePolicyConfig({ ...llama, eos_token_id: null }).eosIds).toEqual([]);
  });

  it.each(Object.entries(variants))('survives the way to Hugging Face and back: %s', (_, config) => {
    expect(parsePolicyConfig(JSON.parse(JSON.stringify(toHuggingFaceConfig(config))))).toEqual(config);
  });

  it.each([
    [{ model_type: 'gpt2' }, /gpt2/],
    [{ model_type: 'constructor' }, /constructor/],
    [{ model_type: undefined, architectures: ['MambaForCausalLM'] }, /Mamba/],
    [{ architectures: ['LlamaForSequenceClassification'] }, /SequenceClassification/],
    [
      { model_type: 'qwen2', architectures: [], use_sliding_window: true, max_position_embeddings: 8192, max_window_layers: 1 },
      /sliding-window/,
    ],
    [{ model_type: 'qwen3', architectures: [], use_sliding_window: true, sliding_window: 8, max_window_layers: 0 }, /sliding-window/],
    [{ sliding_window: 8 }, /sliding-window/],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, /sliding-window/],
    [{ layer_types: ['linear_attention'] }, /linear_attention/],
    [{ rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.25 } }, /partial_rotary_factor 0.25/],
    [{ rope_parameters: { sliding_attention: { rope_type: 'default' } } }, /nothing for full_attention/],
    [{ rope_parameters: { rope_type: 'longrope' } }, /longrope/],
    [{ rope_parameters: [] }, /must be an object/],
    [{ rope_interleaved: true }, /rope_interleaved/],
    [{ no_rope_layers: [1, 0] }, /no_rope_layers/],
    [{ no_rope_layer_interval: 4 }, /no_rope_layer_interval/],
    [{ logit_scale: 0.0625 }, /logit_scale 0.0625/],
    [{ final_logit_softcapping: 30 }, /capped logits/],
    [{ is_causal: false }, /is_causal/],
    [{ use_qk_norm: true }, /use_qk_norm/],
    [{ clip_qkv: 8 }, /clip_qkv/],
    [{ tie_word_embeddings: 'yes' }, /tie_word_embeddings must be true or false/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps/],
    [{ num_local_experts: 8 }, /experts/],
    [{ partial_rotary_factor: 0.5 }, /partial rotary/],
    [{ hidden_act: 'gelu' }, /gelu/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4 } }, /yarn/],
    [{ rope_scaling: { type: 'linear' } }, /factor/],
    [{ attention_bias: true }, /attention_bias/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ quantization_config: { bits: 4 } }, /quantised/],
    [{ hidden_size: -8 }, /hidden_size/],
    [{ vocab_size: '32' }, /vocab_size/],
    [{ num_key_value_heads: 3 }, /4 query heads/],
    [{ head_dim: 3 }, /even/],
    [{ num_attention_heads: 3 }, /head_dim/],
  ])('refuses %j by name', (change, sentence) => {
    expect(refusal(() => parsePolicyConfig({ ...llama, ...change }))).toMatch(sentence);
  });

  it.each([
    [{ model_type: 'qwen2', architectures: [], use_sliding_window: false, sliding_window: 8, max_window_layers: 1 }],
    // No row is longer than the window, no layer has it, there is none: nothing slides.
    [{ model_type: 'qwen2', architectures: [], use_sliding_window: true, sliding_window: 64 }],
    [{ model_type: 'qwen2', architectures: [], use_sliding_window: true, sliding_window: 8, max_window_layers: 2 }],
    [{ model_type: 'qwen3', architectures: [], use_sliding_window: true, sliding_window: null, max_window_layers: 0 }],
    [{ model_type: 'qwen2', architectures: [], attention_bias: false }],
    [
      {
        layer_types: ['full_attention', 'full_attention'],
        num_experts: 0,
        mlp_bias: false,
        no_rope_layers: [1, 1],
        rope_interleaved: false,
      },
    ],
    [
      {
        attention_dropout: 0.1,
        initializer_range: 0.1,
        use_cache: false,
        pretraining_tp: 2,
        torch_dtype: 'bfloat16',
        is_llama_config: true,
      },
    ],
  ])('reads %j, which changes nothing', (change) => expect(() => parsePolicyConfig({ ...llama, ...change })).not.toThrow());

  // What LlamaConfig and LlamaRotaryEmbedding of transformers 5.24 make of the same keys (`rope_parameters`, `inv_freq`).
  const linear = { type: 'linear', factor: 2 };
  const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const scaled = (originalMaxPositions: number) => ({
    type: 'llama3',
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositions,
  });
  it.each<[object, number, object | null]>([
    [{}, 10000, null],
    [{ rope_theta: 500000 }, 500000, null],
    [{ rope_theta: 500000, rope_parameters: { rope_type: 'default' } }, 500000, null],
    [{ rope_theta: 500000, rope_parameters: { rope_type: 'default', rope_theta: 1000 } }, 1000, null],
    [{ rope_scaling: linear }, 10000, linear],
    [{ rope_scaling: linear, rope_parameters: { rope_type: 'default', rope_theta: 1000 } }, 10000, linear],
    [{ rope_theta: 500000, rope_scaling: { ...linear, rope_theta: 777 } }, 777, linear],
    [{ rope_theta: 5000, rope_scaling: linear, rope_parameters: null }, 5000, linear],
    [{ rope_theta: 5000, rope_scaling: {}, rope_parameters: {} }, 5000, null],
    [{ rope_parameters: { type: 'linear', rope_type: 'default', factor: 2, rope_theta: 1000 } }, 1000, null],
    [{ rope_parameters: { type: 'linear', factor: 2, rope_theta: 1000 } }, 1000, linear],
    [{ rope_parameters: { ...llama3, rope_theta: 500000 } }, 500000, scaled(64)],
    [{ rope_scaling: { ...llama3, original_max_position_embeddings: 32 } }, 10000, scaled(32)],
    [{ rope_scaling: { ...llama3, original_max_position_embeddings: 32 }, original_max_position_embeddings: 16 }, 10000, scaled(16)],
    // By layer type: all layers of these families are of one.
    [{ rope_parameters: { full_attention: { rope_type: 'default', rope_theta: 1000 } } }, 1000, null],
    [{ rope_theta: 2000, rope_parameters: { full_attention: { ...linear }, sliding_attention: { rope_theta: 10 } } }, 2000, linear],
  ])('reads %j as transformers does', (change, theta, scaling) => {
    const { rope_theta: _, ...plain } = llama;
    expect(parsePolicyConfig({ ...plain, max_position_embeddings: 64, ...change })).toMatchObject({
      ropeTheta: theta,
      ropeScaling: scaling,
    });
  });

  it.each([null, [], 'llama', 3])('refuses %j', (json) => {
    expect(refusal(() => parsePolicyConfig(json))).toMatch(/JSON object/);
  });
});

describe('initial weights', () => {
  const config = parsePolicyConfig(llama);
  it('depend on the seed alone', () => {
    expect(initialWeights(config, 1)).toEqual(initialWeights(config, 1));
    expect(initialWeights(config, 1)).not.toEqual(initialWeights(config, 2));
  });
  it('have the shapes, deviations and norms they should', () => {
    const weights = initialWeights({ ...config, hiddenSize: 64, headDim: 16, intermediateSize: 128 }, 3);
    const deviation = (name: string) => Math.sqrt(weights[name]!.reduce((sum, w) => sum + w * w, 0) / weights[name]!.length);
    expect(deviation('model.layers.0.self_attn.q_proj.weight')).toBeCloseTo(0.02, 3);
    expect(deviation('model.layers.1.mlp.down_proj.weight')).toBeCloseTo(0.01, 3); // 0.02 / sqrt(2 · 2)
    expect(new Set(weights['model.norm.weight'])).toEqual(new Set([1]));
    expect(parameterCount(config)).toBe(Object.values(initialWeights(config, 1)).reduce((sum, w) => sum + w.length, 0));
  });
});

describe('safetensors', () => {
  const tensors = [
    { name: 'a', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, 1e-30, 6) },
    { name: 'b', shape: [1], data: Float32Array.of(7) },
  ];

  it('come back as they were written', async () => {
    const { tensors: read, metadata } = await opened(writeSafetensors(tensors, { format: 'pt', made: 'here' }));
    const found = [...read].map(async ([name, tensor]) => ({ name, shape: tensor.shape, data: await numbersOf(tensor) }));
    expect(await Promise.all(found)).toEqual(tensors);
    expect(metadata).toEqual({ format: 'pt', made: 'here' });
  });

  it('are read from any offset of a larger buffer', async () => {
    const bytes = writeSafetensors(tensors);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(await numbersIn(shifted.subarray(3), 'b')).toEqual(Float32Array.of(7));
  });

  it('widen F16 and BF16 exactly', async () => {
    const half = file(
      { x: { dtype: 'F16', shape: [6], data_offsets: [0, 12] } },
      Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0xfc00),
    );
    expect([...(await numbersIn(half, 'x'))]).toEqual([1, -2, 2 ** -24, 65504, -0, -Infinity]);
    const brain = file({ x: { dtype: 'BF16', shape: [3], data_offsets: [0, 6] } }, Uint16Array.of(0x3f80, 0xc049, 0x7f80));
    expect([...(await numbersIn(brain, 'x'))]).toEqual([1, -3.140625, Infinity]);
  });

  const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  it.each([
    ['nothing', new Uint8Array(3), /3 bytes/],
    ['a header cut off', file({ x: good }, new Float32Array(2)).subarray(0, 20), /claims/],
    ['data cut off', file({ x: good }, new Float32Array(1)), /tensor x ends at byte 8 of 4/],
    ['an absurd header length', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128, 1, 2), /too much/],
    ['a header that is not JSON', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 123, 123), /header .* not valid JSON/],
    ['a header that is a list', file([], new Float32Array(0)), /not a JSON object/],
    ['overlapping tensors', file({ x: good, y: { ...good, data_offsets: [4, 12] } }, new Float32Array(3)), /x and y overlap/],
    ['a size that does not fit the shape', file({ x: { ...good, shape: [3] } }, new Float32Array(3)), /tensor x .* needs 12 bytes/],
    ['a negative offset', file({ x: { ...good, data_offsets: [-8, 0] } }, new Float32Array(3)), /x has no valid data_offsets/],
    ['a shape that is none', file({ x: { ...good, shape: [1.5] } }, new Float32Array(3)), /x has no valid shape/],
    [
      'a hole between tensors',
      file({ x: good, y: { ...good, data_offsets: [12, 20] } }, new Float32Array(5)),
      /4 bytes before the tensor y/,
    ],
    ['a hole before the first', file({ x: { ...good, data_offsets: [4, 12] } }, new Float32Array(3)), /4 bytes before the tensor x/],
    ['bytes after the last', file({ x: good }, new Float32Array(3)), /4 bytes at its end/],
    ['bytes in a file without tensors', file({}, new Float32Array(1)), /4 bytes at its end/],
    ['one tensor at two places', file({ x: good, y: good }, new Float32Array(2)), /x and y overlap/],
    ['a dtype that is none', file({ x: { ...good, dtype: 'F7' } }, new Float32Array(2)), /x has the unknown dtype "F7"/],
    ['a shape beyond all numbers', file({ x: { ...good, shape: [2 ** 40, 2 ** 40, 0] } }, new Float32Array(2)), /larger than any file/],
    ['shapes of a thousand sizes', file({ x: { ...good, shape: Array(1000).fill(1) } }, new Float32Array(1)), /x has no valid shape/],
    ['metadata that are no texts', file({ __metadata__: { step: 3 }, x: good }, new Float32Array(2)), /__metadata__/],
    ['a key that is there twice', headed('{"x":{},"x":{}}'), /the key "x" is there twice/],
    ['a byte order mark', headed('\ufeff{}'), /not a JSON object/],
    ['a header of brackets', headed(`{"x":${'['.repeat(100_000)}`), /nested more than 100 deep/],
    ['an entry that is null', file({ x: null }, new Float32Array(2)), /x has no dtype/],
  ])('refuse %s', async (_, bytes, sentence) => {
    expect(await refused(opened(bytes))).toMatch(sentence);
  });

  it('decode nothing that is not asked for: 400 claims on the same bytes cost nothing', async () => {
    const claims = Object.fromEntries(
      Array.from({ length: 400 }, (_, i) => [`t${i}`, { ...good, shape: [2 ** 20], data_offsets: [0, 2 ** 22] }]),
    );
    const before = process.memoryUsage().arrayBuffers;
    expect(await refused(opened(file(claims, new Float32Array(2 ** 20))))).toMatch(/overlap/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  });

  it('may hold numbers that no weights are read from', async () => {
    const bytes = file(
      { flag: { dtype: 'BOOL', shape: [4], data_offsets: [0, 4] }, count: { dtype: 'I64', shape: [], data_offsets: [4, 12] } },
      new Float32Array(3),
    );
    const { tensors: read } = await opened(bytes);
    expect(read.get('count')!.shape).toEqual([]);
    expect(await refused(numbersOf(read.get('count')!))).toMatch(/tensor count is stored as I64/);
  });
});

describe('a checkpoint', () => {
  const config = parsePolicyConfig(llama);
  const stored = parameterShapes(config).map(({ name, shape }) => ({ name, shape, data: initialWeights(config, 4)[name]! }));
  const text = (json: unknown) => new TextEncoder().encode(typeof json === 'string' ? json : JSON.stringify(json));
  const files = (changes: Record<string, Uint8Array | null> = {}): PolicySource => {
    const all: Record<string, Uint8Array | null> = {
      'config.json': text(llama),
      'model.safetensors': writeSafetensors(stored),
      ...changes,
    };
    return { id: 'test', read: (path) => Promise.resolve(all[path] ?? null) };
  };
  const failure = (source: PolicySource) => refused(loadPolicy(source));

  it('loads without a tokenizer', async () => {
    const policy = await loadPolicy(files());
    expect(policy).toMatchObject({ id: 'test', config, tokenizer: null });
    expect(await weightsOf(policy.weights)).toEqual(initialWeights(config, 4));
  });

  it('uses a head of its own beside a tied embedding, as transformers 5 does, and says so; a copy is none', async () => {
    const weights = initialWeights(config, 4);
    const embedding = weights['model.embed_tokens.weight']!;
    const withHead = (data: Float32Array) => {
      const stored = parameterShapes(config).map(({ name, shape }) => ({ name, shape: [...shape], data: weights[name]! }));
      return files({ 'model.safetensors': writeSafetensors([...stored, { name: 'lm_head.weight', shape: [32, 8], data }]) });
    };
    const copy = await loadPolicy(withHead(embedding));
    expect([copy.config.tied, copy.notices]).toEqual([true, []]);
    const other = embedding.map((value) => value + 1);
    const own = await loadPolicy(withHead(other));
    expect(own.config.tied).toBe(false);
    expect(await numbersOf(own.weights.get('lm_head.weight')!)).toEqual(other);
    expect(own.notices).toEqual([expect.stringMatching(/tie_word_embeddings.* lm_head\.weight with other numbers: it is used\./)]);
  });

  it('says which ids are none, and reads the policy without them', async () => {
    const odd = text({ ...llama, pad_token_id: -1, eos_token_id: [2, 99], bos_token_id: 32 });
    const policy = await loadPolicy(files({ 'config.json': odd, 'generation_config.json': text({ eos_token_id: 3 }) }));
    expect(policy.config).toMatchObject({ eosIds: [3, 2], bosId: null, padId: null });
    expect(policy.notices).toEqual([
      'test: config.json gives eos_token_id 99, which is no id from 0 to 31: it is left out.',
      'test: config.json gives bos_token_id 32, which is no id from 0 to 31: it is left out.',
      'test: config.json gives pad_token_id -1, which is no id from 0 to 31: it is left out.',
    ]);
    expect((await loadPolicy(files())).notices).toEqual([]);
  });

  it('says that an added token lies above the vocabulary; of a learned one it is no policy', async () => {
    const tokenizer = (vocab: Record<string, number>, added: number) => ({
      added_tokens: [{ id: added, content: '<image>', special: true }],
      model: { type: 'BPE', vocab, merges: [] },
    });
    const policy = await loadPolicy(files({ 'tokenizer.json': text(tokenizer({ a: 0, b: 31 }, 32)) }));
    expect(policy.notices).toEqual([expect.stringMatching(/the added token "<image>", above the 32 ids of config\.json/)]);
    expect([...policy.tokenizer!.encode('ab')]).toEqual([0, 31]);
    expect(() => policy.tokenizer!.encode('a<image>')).toThrow(/token "<image>", for which the policy has no weights/);
    expect(await failure(files({ 'tokenizer.json': text(tokenizer({ a: 0, b: 32 }, 33)) }))).toMatch(
      /has 34 ids, its config\.json allows 32/,
    );
  });

  it('has room for no more than both its files allow', async () => {
    const tokenizer = text({ model: { type: 'BPE', vocab: { a: 0 }, merges: [] } });
    const maxLength = async (settings: object) =>
      (await loadPolicy(files({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': text(settings) }))).tokenizer!.maxLength;
    expect(await maxLength({})).toBe(64);
    expect(await maxLength({ model_max_length: 1e30 })).toBe(64);
    expect(await maxLength({ model_max_length: 4096 })).toBe(64);
    expect(await maxLength({ model_max_length: 40 })).toBe(40);
  });

  it('loads from shards', async () => {
    const weight_map = Object.fromEntries(stored.map(({ name }, i) => [name, i < 3 ? 'model-1.safetensors' : 'model-2.safetensors']));
    const shards = {
      'model.safetensors': null,
      'model.safetensors.index.json': text({ weight_map }),
      'model-1.safetensors': writeSafetensors(stored.slice(0, 3)),
      'model-2.safetensors': writeSafetensors(stored.slice(3)),
    };
    expect(await weightsOf((await loadPolicy(files(shards))).weights)).toEqual(initialWeights(config, 4));
    expect(await failure(files({ ...shards, 'model-2.safetensors': null }))).toMatch(/no model-2/);
    expect(
      await failure(files({ ...shards, 'model.safetensors.index.json': text({ weight_map: { a: '../../secret.safetensors' } }) })),
    ).toMatch(/secret/);
  });

  it('says what is missing or broken', async () => {
    expect(await failure(files({ 'config.json': null }))).toMatch(/no config\.json/);
    expect(await failure(files({ 'config.json': text('{"a":') }))).toMatch(/config\.json of test, line 1: this is not valid JSON/);
    expect(await failure(files({ 'model.safetensors': null }))).toMatch(/no model\.safetensors/);
    expect(await failure(files({ 'model.safetensors': writeSafetensors(stored.slice(1)) }))).toMatch(
      /no tensor model\.embed_tokens\.weight/,
    );
    expect(await failure(files({ 'model.safetensors': writeSafetensors(stored).subarray(0, 900) }))).toMatch(/broken/);
    expect(await failure(files({ 'tokenizer.json': text({ model: 3 }) }))).toMatch(/tokenizer\.json/);
  });

  it('may have other tensors beside its weights', async () => {
    const weights = writeSafetensors(stored);
    const end = weights.length - 8 - Number(new DataView(weights.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(weights.subarray(8, weights.length - end))) as Record<string, unknown>;
    const more = { ...header, 'attention.bias': { dtype: 'BOOL', shape: [8], data_offsets: [end, end + 8] } };
    const bytes = file(more, Uint8Array.of(...weights.subarray(weights.length - end), ...Array<number>(8).fill(1)));
    expect(await weightsOf((await loadPolicy(files({ 'model.safetensors': bytes }))).weights)).toEqual(initialWeights(config, 4));
  });

  it('is refused for what it claims before anything is made of it', async () => {
    for (const [change, sentence] of [
      [{ num_hidden_layers: 1e7 }, /10000000 layers, the weights have \d+ tensors/],
      [{ vocab_size: 1e12 }, /embed_tokens\.weight has the shape/],
      [{ hidden_size: 2 ** 52, head_dim: 2 }, /embed_tokens\.weight has the shape/],
    ] as const) {
      expect(await failure(files({ 'config.json': text({ ...llama, ...change }) }))).toMatch(sentence);
    }
  });

  it.each([NaN, Infinity, -Infinity])('with a weight of %d is no policy', async (value) => {
    const changed = stored.map(({ name, shape, data }) => ({
      name,
      shape,
      data: name.includes('layers.1.mlp.up') ? data.with(5, value) : data,
    }));
    expect(await failure(files({ 'model.safetensors': writeSafetensors(changed) }))).toMatch(
      `number 6 of the tensor model.layers.1.mlp.up_proj.weight is ${value}`,
    );
  });

  it('must have the shapes of its configuration', async () => {
    const { tensors } = await opened(writeSafetensors(stored));
    tensors.set('model.norm.weight', { ...tensors.get('model.norm.weight')!, shape: [4] });
    expect(() => policyTensors(config, tensors)).toThrow(/model\.norm\.weight has the shape \[4\], config\.json asks for \[8\]/);
  });
});

/** A safetensors file of this header, word for word, and no data. */
function headed(header: string): Uint8Array {
  const json = new TextEncoder().encode(header);
  return Uint8Array.of(...new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer), ...json);
}

/** A safetensors file of this header and this data. */
function file(header: unknown, data: ArrayBufferView): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + json.length);
  return bytes;
}
