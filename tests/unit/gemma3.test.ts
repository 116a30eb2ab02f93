/** Gemma 3 as a description: what transformers saved (tests/fixtures/gemma3/make.py) gives its logits here, and goes on as it does there. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { folderSource } from '../../src/cli/folder.ts';
import { parsePolicyConfig, parameterShapes, toHuggingFaceConfig, type PolicyConfig } from '../../src/policy/config.ts';
import { bytesFile } from '../../src/policy/file.ts';
import { ggufOf } from '../../src/policy/gguf-export.ts';
import { readGgufHeader } from '../../src/policy/gguf-header.ts';
import { ggufSource } from '../../src/policy/gguf.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { initialWeights, tensorsOf, weightsOf, type Weights } from '../../src/policy/weights.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { createEngine } from '../helpers/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { numbersOf } from '../../src/policy/tensor.ts';
import { livelyWeights, referenceLogits } from '../helpers/reference-decoder.ts';

/** As far as GGUF has words for it: every sixth layer looks at everything. */
const told = (config: PolicyConfig): PolicyConfig => ({
  ...config,
  ...{
    layers: 7,
    ropeScaling: { type: 'linear', factor: 8 },
    window: { size: 5, sliding: [true, true, true, true, true, false, true], ropeTheta: 1e4 },
  },
});

async function ggufBytes(config: PolicyConfig, weights: Weights): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const written = ggufOf('x.gguf', { name: 'x', config, tensors: tensorsOf(config, weights), tokenizer: null }, 'f16', []);
  for await (const part of written.bytes()) parts.push(part.slice());
  return new Uint8Array(Buffer.concat(parts));
}

const folder = 'tests/fixtures/gemma3';
const json = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, unknown>;
const theirs = JSON.parse(readFileSync(`${folder}/logits.json`, 'utf8')) as Readonly<
  Record<'ids' | 'greedy', readonly number[]> & { readonly logits: readonly [readonly number[], readonly number[]] }
>;
const furthest = (a: ArrayLike<number>, b: readonly number[]) => Math.max(...b.map((value, i) => Math.abs(value - a[i]!)));

describe('Gemma 3', () => {
  it.each(['cpu', 'wasm'] as const)('has the logits of transformers on %s, within its window and beyond it', async (backend) => {
    const policy = await loadPolicy(await folderSource(folder));
    const weights = await weightsOf(policy.weights);
    const engine = await createEngine({ config: policy.config, weights, engine: 'portable', backend });
    expect(furthest(await engine.logits(Int32Array.from(theirs.ids.slice(0, 4))), theirs.logits[0])).toBeLessThan(1e-5);
    expect(furthest(await engine.logits(Int32Array.from(theirs.ids)), theirs.logits[1])).toBeLessThan(1e-5);
    const { tokens } = await engine.generate({
      prompts: [Int32Array.from(theirs.greedy.slice(0, 4))],
      repeats: 1,
      sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: 12, eosIds: [], seed: 0, step: 0, firstRow: 0 },
    });
    expect([...tokens]).toEqual(theirs.greedy);
    engine.dispose();
  });

  it('has them in the float64 reference, too, to which both engines are held; and every part of the description matters', async () => {
    const { config, weights } = await loadPolicy(await folderSource(folder));
    const numbers = await weightsOf(weights);
    const far = (change: object) => furthest(referenceLogits({ ...config, ...change }, numbers, theirs.ids).at(-1)!, theirs.logits[1]);
    expect(far({})).toBeLessThan(1e-5);
    const { window } = config;
    const changes = [
      { queryScalar: 6 },
      { ropeScaling: null },
      { ropeTheta: 10 },
      { window: { ...window, size: 6 } },
      { window: { ...window, size: 4 } },
      { window: { ...window, ropeTheta: 30 } },
      { window: { ...window, sliding: [true] } },
    ];
    for (const change of changes) expect(far(change), JSON.stringify(change)).toBeGreaterThan(1e-3);
  });

  it('is read from a file of either age, and written as one that is read as the same', () => {
    const expected = {
      ...{ family: 'gemma3_text', vocabSize: 32, hiddenSize: 8, intermediateSize: 10, layers: 3, heads: 2, kvHeads: 1, headDim: 6 },
      ...{ maxPositions: 64, rmsNormEps: 1e-6, ropeTheta: 1000, ropeScaling: { type: 'linear', factor: 8 }, queryScalar: 9 },
      ...{ window: { size: 5, sliding: [true, false], ropeTheta: 20 }, tied: true, qkvBias: false, qkNorm: true },
      ...{ bosId: 2, eosIds: [1, 3], padId: 0 },
    };
    expect(parsePolicyConfig(json)).toEqual(expected);
    expect(parsePolicyConfig(toHuggingFaceConfig(parsePolicyConfig(json)))).toEqual(expected);
    // As published: the keys of transformers 4.50.
    const { layer_types: _, rope_parameters: __, tie_word_embeddings: ___, ...older } = json;
    const published = { ...older, rope_theta: 1000, rope_local_base_freq: 20, rope_scaling: { rope_type: 'linear', factor: 8 } };
    expect(parsePolicyConfig(published)).toEqual(expected);
  });

  it('has transformers’ defaults', () => {
    const { model_type, vocab_size, hidden_size, intermediate_size, num_attention_heads, num_key_value_heads } = json;
    const sizes = { model_type, vocab_size, hidden_size, intermediate_size, num_attention_heads, num_key_value_heads };
    const config = parsePolicyConfig({ ...sizes, num_hidden_layers: 26 });
    expect(config).toMatchObject({ headDim: 256, ropeTheta: 1e6, ropeScaling: null, tied: true });
    expect(config.queryScalar).toBeUndefined();
    expect(config.window).toEqual({ size: 4096, sliding: [true, true, true, true, true, false], ropeTheta: 1e4 });
    // Fewer layers than a pattern: none looks at everything.
    expect(parsePolicyConfig({ ...sizes, num_hidden_layers: 3 }).window!.sliding).toEqual([true]);
    expect(parsePolicyConfig({ ...sizes, num_hidden_layers: 3, sliding_window_pattern: 1 }).window).toBeUndefined();
  });

  it.each<[object, RegExp]>([
    [{ model_type: 'gemma3' }, /with images/],
    [{ hidden_activation: 'silu' }, /silu.*hidden_activation.*gelu_pytorch_tanh/],
    [{ hidden_act: 'gelu' }, /gelu.*hidden_act/],
    [{ layer_types: ['full_attention'] }, /layer_types has 1 entries for 3 layers/],
    [{ layer_types: ['full_attention', 'chunked_attention', 'full_attention'] }, /chunked_attention/],
    [{ sliding_window: null }, /sliding_window is null/],
    [{ sliding_window: 0 }, /sliding_window must be/],
    [{ layer_types: null, sliding_window_pattern: 1e9, num_hidden_layers: 2e9 }, /sliding_window_pattern is 1000000000/],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 5 } }, /by layer type/],
    [{ rope_parameters: { sliding_attention: { rope_type: 'linear', factor: 2 } } }, /scaled rotary embeddings of sliding_attention/],
    [{ query_pre_attn_scalar: -1 }, /query_pre_attn_scalar/],
    [{ final_logit_softcapping: 30 }, /capped logits/],
    [{ use_bidirectional_attention: true }, /both directions/],
    [{ attention_bias: true }, /attention_bias/],
  ])('refuses %j', (change, sentence) => {
    let error: unknown;
    try {
      parsePolicyConfig({ ...json, ...change });
    } catch (reason) {
      error = reason;
    }
    expect(labErrorCode(error)).toBe('format');
    expect(String((error as Error).message)).toMatch(sentence);
  });

  it('begins with norms that multiply by one, stored as nought', () => {
    const config = parsePolicyConfig(json);
    const weights = initialWeights(config, 1);
    for (const { name, shape } of parameterShapes(config)) if (shape.length === 1) expect(new Set(weights[name])).toEqual(new Set([0]));
    expect(parameterShapes(config).filter(({ shape }) => shape.length === 1)).toHaveLength(3 * 6 + 1);
  });

  it('is written as GGUF as llama.cpp has it, norms as what they multiply by, and read back', async () => {
    const { queryScalar: _, ...plain } = parsePolicyConfig(json);
    const config = told(plain);
    const weights = livelyWeights(config, 5);
    const file = bytesFile('x.gguf', await ggufBytes(config, weights));
    const { tensors, metadata } = await readGgufHeader(file);
    const inBlock = [...tensors.keys()].filter((name) => name.startsWith('blk.6.')).map((name) => name.slice(6));
    const norms = ['attn_norm', 'attn_q_norm', 'attn_k_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm'];
    const products = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
    expect(inBlock.sort()).toEqual([...norms, ...products].map((name) => `${name}.weight`).sort());
    const shown = await numbersOf(tensors.get('blk.6.post_ffw_norm.weight')!);
    expect(shown).toEqual(weights['model.layers.6.post_feedforward_layernorm.weight']!.map((w) => w + 1));
    expect([metadata.get('general.architecture'), metadata.get('gemma3.attention.sliding_window')]).toEqual(['gemma3', 5]);

    const policy = await loadPolicy(await ggufSource('x', file));
    const window = { ...config.window!, sliding: [true, true, true, true, true, false] };
    // A file without a tokenizer names no tokens.
    expect(policy.config).toEqual({ ...config, window, bosId: null, eosIds: [], padId: null });
    for (const [name, values] of Object.entries(await weightsOf(policy.weights))) {
      expect(furthest(values, [...weights[name]!]), name).toBeLessThan(name.includes('norm') ? 2e-7 : 2e-3);
    }
  });

  it.each<[Partial<PolicyConfig>, RegExp]>([
    [{ queryScalar: 9 }, /scaling of attention scores/],
    [{ window: { size: 5, sliding: [true, false], ropeTheta: 1e4 } }, /which layers/],
    [{ window: { size: 5, sliding: [true, true, true, true, true, false], ropeTheta: 20 } }, /rotary embeddings/],
  ])('is not written as GGUF where that would be another policy: %j', async (change, sentence) => {
    const { queryScalar: _, ...plain } = parsePolicyConfig(json);
    const config = { ...told(plain), ...change };
    await expect(ggufBytes(config, livelyWeights(config, 5))).rejects.toThrow(sentence);
  });

  it('cuts texts as the tokenizers library, with bytes for what has no token, and says what it says', () => {
    const read = (name: string): unknown => JSON.parse(readFileSync(`${folder}/tokenizer/${name}`, 'utf8'));
    const tokenizer = loadTokenizer(read('tokenizer.json'), { eos_token: '<eos>', bos_token: '<bos>' });
    const { rows } = read('texts.json') as { rows: readonly { text: string; ids: number[]; decoded: string }[] };
    for (const { text, ids, decoded } of rows) {
      expect([text, [...tokenizer.encode(text)]]).toEqual([text, ids]);
      expect(tokenizer.pieces(ids).join(''), text).toBe(decoded);
    }
  });
});
