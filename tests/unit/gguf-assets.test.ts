/** GGUF files against the reference libraries, where ../shared is there: SmolLM2-135M-Instruct itself, and Qwen3's vocabulary. */
import { describe, expect, it } from 'vitest';
import { policySource } from '../../src/cli/folder.ts';
import { createEngine } from '../helpers/engine.ts';
import { bytesFile } from '../../src/policy/file.ts';
import { ggufSource } from '../../src/policy/gguf.ts';
import { loadPolicy, type Policy } from '../../src/policy/policy.ts';
import type { Message, Tokenizer } from '../../src/policy/tokenizer.ts';
import { ggufFile } from '../helpers/gguf-file.ts';
import { expectClose } from '../helpers/numbers.ts';
import { sharedFile, sharedJson } from '../helpers/shared.ts';

interface Prompt {
  readonly messages: readonly Message[];
  readonly rendered: string;
  readonly prompt_ids: readonly number[];
  readonly last_logits_first16: readonly number[];
  readonly max: number;
  readonly argmax: number;
  readonly logsumexp: number;
  readonly prompt_logprobs?: readonly (number | null)[];
  readonly greedy_new_token_ids: readonly number[];
  readonly greedy_top1_top2_gap: readonly number[];
}
interface Texts {
  readonly rows: readonly { readonly text: string; readonly ids: readonly number[]; readonly decoded?: string }[];
}

/** All of them take ten minutes of wasm; the shortest is what `npm test` has time for. */
const asked = process.env['GGUF_PROMPTS']?.split(',') ?? ['empty-system'];
const file = sharedFile('assets/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf');
const reference = sharedJson<{ readonly gguf: Readonly<Record<string, Prompt>> }>('assets/reference/smollm2-135m-instruct.json');
let read: Promise<Policy> | undefined;
const policy = () => (read ??= policySource(file!).then(loadPolicy));

function saysTheSame(tokenizer: Tokenizer, { rows }: Texts): void {
  for (const { text, ids } of rows) {
    expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
  }
}

describe.skipIf(!file)('SmolLM2-135M-Instruct from its GGUF', () => {
  it('has the configuration of its folder', async () => {
    const { config, notices, id } = await policy();
    expect({ id, notices, config }).toEqual({
      id: 'SmolLM2-135M-Instruct.Q4_1',
      notices: [],
      config: {
        ...{ family: 'llama', vocabSize: 49152, hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 },
        ...{ maxPositions: 8192, rmsNormEps: 1e-5, ropeTheta: 100000, ropeScaling: null, tied: true, qkvBias: false, qkNorm: false },
        ...{ bosId: 1, eosIds: [2], padId: 2 },
      },
    });
  });

  it('cuts 388 texts as the tokenizers library', async () => {
    const texts = sharedJson<Texts>('assets/tokenizers/testvectors/smollm2.json')!;
    expect(texts.rows.length).toBeGreaterThan(300);
    saysTheSame((await policy()).tokenizer!, texts);
  });

  it.each(['sum', 'persona', 'empty-system', 'scripts'])('renders %s as transformers', async (name) => {
    const { messages, rendered, prompt_ids } = reference!.gguf[name]!;
    const { tokenizer } = await policy();
    expect(tokenizer!.chat(messages, { addGenerationPrompt: true })).toBe(rendered);
    // transformers 5.24 leaves out that every digit stands alone, which changes ½ and ٤; the tokenizers library, above, does not.
    if (name !== 'scripts') expect([...tokenizer!.encode(rendered)]).toEqual(prompt_ids);
  });

  it.each(asked)('computes %s as transformers, on wasm', { timeout: 600_000 }, async (name) => {
    const { config, weights } = await policy();
    const expected = reference!.gguf[name]!;
    const engine = await createEngine({ config, weights, engine: 'portable', backend: 'wasm' });
    const prompt = Int32Array.from(expected.prompt_ids);
    const n = prompt.length;
    const logits = await engine.logits(prompt);
    const close = { relative: 0, absolute: 1e-3 };
    expectClose(logits.subarray(0, 16), expected.last_logits_first16, 'logits', close);
    expectClose([logits[expected.argmax]!], [expected.max], 'largest logit', close);
    expectClose([Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0))], [expected.logsumexp], 'logsumexp', close);
    const one = { rows: 1, width: n, completionWidth: n - 1, tokens: prompt, promptLengths: Int32Array.of(1), lengths: Int32Array.of(n) };
    const { logprobs } = await engine.score(one, { temperature: 1, policy: 'current' });
    if (expected.prompt_logprobs) expectClose(logprobs, expected.prompt_logprobs.slice(1) as number[], 'prompt log-probs', close);
    const unsure = expected.greedy_top1_top2_gap.findIndex((gap) => gap < 0.01);
    const count = unsure < 0 ? expected.greedy_new_token_ids.length : unsure;
    const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: count, eosIds: [], seed: 1, step: 0, firstRow: 0 };
    const { tokens } = await engine.generate({ prompts: [prompt], repeats: 1, sampling });
    expect([...tokens.subarray(n)]).toEqual(expected.greedy_new_token_ids.slice(0, count));
    engine.dispose();
  });
});

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly (readonly [string, string])[] };
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[];
}
const qwen3 = sharedJson<TokenizerJson>('assets/tokenizers/qwen3/tokenizer.json');

describe.skipIf(!qwen3)("Qwen3's vocabulary in a GGUF", () => {
  it('cuts texts as the tokenizers library', async () => {
    const { model, added_tokens } = qwen3!;
    const rows = 151_936;
    const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`);
    const kinds = new Int32Array(rows).fill(5);
    for (const [token, id] of Object.entries(model.vocab)) [tokens[id], kinds[id]] = [token, 1];
    for (const { id, content, special } of added_tokens) [tokens[id], kinds[id]] = [content, special ? 3 : 4];
    const tensor = (name: string, ...ne: number[]) => ({ name, ne, data: new Float32Array(ne.reduce((a, b) => a * b)) });
    const bytes = ggufFile({
      metadata: [
        ['general.architecture', 'qwen3'],
        ...(['block_count', 'attention.head_count'] as const).map((key) => [`qwen3.${key}`, 1] as const),
        ...(['embedding_length', 'feed_forward_length', 'attention.key_length'] as const).map((key) => [`qwen3.${key}`, 2] as const),
        ['qwen3.context_length', 40_960],
        ['qwen3.attention.layer_norm_rms_epsilon', 1e-6],
        ['tokenizer.ggml.model', 'gpt2'],
        ['tokenizer.ggml.pre', 'qwen2'],
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.token_type', kinds],
        ['tokenizer.ggml.merges', model.merges.map((merge) => merge.join(' '))],
      ],
      tensors: [
        tensor('token_embd.weight', 2, rows),
        ...['q', 'k', 'v', 'output'].map((name) => tensor(`blk.0.attn_${name}.weight`, 2, 2)),
        ...['attn_norm', 'attn_q_norm', 'attn_k_norm', 'ffn_norm'].map((name) => tensor(`blk.0.${name}.weight`, 2)),
        ...['gate', 'up', 'down'].map((name) => tensor(`blk.0.ffn_${name}.weight`, 2, 2)),
        tensor('output_norm.weight', 2),
      ],
    });
    const { tokenizer, notices } = await loadPolicy(await ggufSource('qwen3', bytesFile('qwen3.gguf', bytes)));
    expect(notices).toEqual(['qwen3: No file names a token that ends a reply, so every reply runs to the limit.']);
    saysTheSame(tokenizer!, sharedJson<Texts>('assets/tokenizers/testvectors/qwen3.json')!);
  });
});
