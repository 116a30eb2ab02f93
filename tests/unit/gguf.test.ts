/** GGUF files as policies: tiny ones that Python's gguf wrote (tests/fixtures/gguf), and every way in which one can be wrong. */
import { weightsOf } from '../../src/policy/weights.ts';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { policySource, writePolicyFolder } from '../../src/cli/folder.ts';
import { createEngine } from '../helpers/engine.ts';
import { LabError, labErrorCode } from '../../src/errors.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import { blobFile, bytesFile } from '../../src/policy/file.ts';
import { ggufSource } from '../../src/policy/gguf.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { fetchSource } from '../../src/policy/source.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { look } from '../../src/worker/look-at-policy.ts';
import { ggufFile, ggufText, type GgufParts, type GgufTensor, type Raw } from '../helpers/gguf-file.ts';

const folder = 'tests/fixtures/gguf/';
const families = ['llama', 'qwen2', 'qwen3'] as const;
type Family = (typeof families)[number];
interface Made {
  readonly vocab: number;
  readonly rows: number;
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
}
const made = JSON.parse(readFileSync(`${folder}texts.json`, 'utf8')) as Readonly<Record<Family, Made>>;

/** The weights of make.py, by Hugging Face's names: its tensors come in the order of `parameterShapes`. */
function formula(config: PolicyConfig): Weights {
  const numbers = (place: number, count: number) =>
    Float32Array.from({ length: count }, (_, i) => (((i * 7919 + 131 * place) % 1009) - 504) / 1024);
  const order = parameterShapes(config).map(({ name }) => name);
  // There the biases of queries, keys and values come behind each, and both norms of heads behind the three, as here.
  return Object.fromEntries(
    parameterShapes(config).map(({ name, shape }) => [
      name,
      numbers(
        order.indexOf(name),
        shape.reduce((a, b) => a * b),
      ),
    ]),
  );
}

const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 };
const shape = { hiddenSize: 32, intermediateSize: 48, layers: 2, heads: 4, kvHeads: 2, headDim: 8, maxPositions: 128 };
const own = {
  llama: { ropeScaling: scaling, tied: true, qkvBias: false, qkNorm: false },
  qwen2: { ropeScaling: null, tied: false, qkvBias: true, qkNorm: false },
  qwen3: { ropeScaling: null, tied: true, qkvBias: false, qkNorm: true },
};

describe.each(families)('a GGUF of %s that Python wrote', (family) => {
  it('has the shape, the ends and the numbers that went into it, its heads as Hugging Face has them', async () => {
    const policy = await loadPolicy(await policySource(`${folder}${family}.gguf`));
    const { vocab, rows } = made[family];
    const special = { bosId: vocab - 5, eosIds: [vocab - 3], padId: vocab - 5 };
    expect(policy.config).toEqual({ family, vocabSize: rows, rmsNormEps: 1e-5, ropeTheta: 500000, ...shape, ...own[family], ...special });
    expect([policy.id, policy.notices]).toEqual([family, []]);
    expect(await weightsOf(policy.weights)).toEqual(formula(policy.config));
  });

  it('cuts texts as the tokenizers library, and says what it says', async () => {
    const { tokenizer } = await loadPolicy(await policySource(`${folder}${family}.gguf`));
    for (const { text, ids } of made[family].texts) expect([...tokenizer!.encode(text)], JSON.stringify(text)).toEqual(ids);
    expect(tokenizer!.chat([{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true })).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(tokenizer!.decode(tokenizer!.encode('<|im_start|>It’s <think>42</think>'))).toBe('It’s <think>42</think>');
    expect([tokenizer!.tokens.eos_token, tokenizer!.maxLength]).toEqual(['<|im_end|>', 128]);
  });

  it('is trained into a Hugging Face folder that says the same', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'permix-gguf-'));
    const from = await policySource(`${folder}${family}.gguf`);
    const policy = await loadPolicy(from);
    const numbers = await weightsOf(policy.weights);
    const { id: name, config: own, weights: base, texts, tokenizer: words } = policy;
    await writePolicyFolder(scratch, { name, config: own, base, texts, tokenizer: words, weights: numbers, adapters: null });
    const again = await loadPolicy(await policySource(scratch));
    expect([again.config, await weightsOf(again.weights)]).toEqual([policy.config, numbers]);
    const [before, after] = await Promise.all(
      [policy, again].map(async ({ config, weights, tokenizer }) => {
        const engine = await createEngine({ config, weights, engine: 'portable', backend: 'cpu' });
        const logits = await engine.logits(tokenizer!.encode('What is 17 + 25?'));
        engine.dispose();
        return logits;
      }),
    );
    expect(after).toEqual(before);
    rmSync(scratch, { recursive: true });
  });
});

/** A right one of the smallest Llama; its matrices are zeros. */
const tensor = (name: string, ...ne: number[]): GgufTensor => ({ name, ne, data: new Float32Array(ne.reduce((a, b) => a * b)) });
const tensors: readonly GgufTensor[] = [
  tensor('token_embd.weight', 4, 6),
  tensor('blk.0.attn_norm.weight', 4),
  ...['q', 'k', 'v', 'output'].map((name) => tensor(`blk.0.attn_${name}.weight`, 4, 4)),
  tensor('blk.0.ffn_norm.weight', 4),
  ...['gate', 'up'].map((name) => tensor(`blk.0.ffn_${name}.weight`, 4, 8)),
  tensor('blk.0.ffn_down.weight', 8, 4),
  tensor('output_norm.weight', 4),
];
const metadata: NonNullable<GgufParts['metadata']> = [
  ['general.architecture', 'llama'],
  ['llama.block_count', 1],
  ['llama.context_length', 16],
  ['llama.embedding_length', 4],
  ['llama.feed_forward_length', 8],
  ['llama.attention.head_count', 2],
  ['llama.attention.layer_norm_rms_epsilon', 1e-5],
  ['tokenizer.ggml.model', 'gpt2'],
  ['tokenizer.ggml.pre', 'smollm'],
  ['tokenizer.ggml.tokens', ['a', 'b', 'c', 'ab', '<|end|>', 'fill']],
  ['tokenizer.ggml.token_type', Int32Array.of(1, 1, 1, 1, 3, 5)],
  ['tokenizer.ggml.merges', ['a b']],
  ['tokenizer.ggml.eos_token_id', 4],
  ['tokenizer.chat_template', '{{ messages[0].content }}<|end|>'],
];
const right: GgufParts = { metadata, tensors };
const load = async (bytes: Uint8Array) => loadPolicy(await ggufSource('made', bytesFile('made.gguf', bytes)));

/** The right one with other entries: in the place of those of their keys, or behind them. */
function saying(...changes: NonNullable<GgufParts['metadata']>): GgufParts {
  const others = new Map(changes);
  const kept = metadata.map(([key, value]) => [key, others.get(key) ?? value] as const);
  return { ...right, metadata: [...kept, ...changes.filter(([key]) => !metadata.some(([had]) => had === key))] };
}
const without = (key: string): GgufParts => ({ ...right, metadata: metadata.filter(([had]) => had !== key) });
const withTensor = (at: number, change: Partial<GgufTensor>): GgufParts => ({
  ...right,
  tensors: tensors.with(at, { ...tensors[at]!, ...change }),
});

const list = (type: number, count: bigint, ...items: Uint8Array[]): Raw => {
  const start = [new Uint8Array(Uint32Array.of(type).buffer), new Uint8Array(BigUint64Array.of(count).buffer)];
  return { type: 9, bytes: new Uint8Array(Buffer.concat([...start, ...items])) };
};

describe('a GGUF', () => {
  it('says its licence, before a card beside it', async () => {
    const card = bytesFile('README.md', new TextEncoder().encode('---\nlicense: mit\n---\n'));
    const licence = async (parts: GgufParts, beside = false) => {
      const files = new Map([['made.gguf', () => Promise.resolve(bytesFile('made.gguf', ggufFile(parts)))]]);
      if (beside) files.set('README.md', () => Promise.resolve(card));
      const { facts, sizes } = await look('made', files);
      expect([...sizes.keys()]).toEqual(['made.gguf']);
      return facts.licence;
    };
    expect(await licence(saying(['general.license', 'apache-2.0']))).toBe('apache-2.0');
    expect(await licence(saying(['general.license', 'apache-2.0']), true)).toBe('apache-2.0');
    expect(await licence(saying(['general.license', 'other'], ['general.license.name', 'llama3.2']))).toBe('llama3.2');
    expect(await licence(saying(['general.license', 'mit\n---\nlicense: none']))).toBe('mit --- license: none');
    expect(await licence(saying(['general.license', 7]))).toBeNull();
    expect(await licence(right)).toBeNull();
    expect(await licence(right, true)).toBe('mit');
  });

  it('is read from a Blob as from memory, with what nobody asks for in it', async () => {
    const other = ggufFile({
      ...saying(
        ['general.file_type', 1],
        ['general.tags', ['a', 'b']],
        ['x.deep', list(9, 1n, list(8, 1n, ggufText('y')).bytes)],
        ['x.large', { type: 10, bytes: new Uint8Array(8).fill(255) }],
        ['x.double', { type: 12, bytes: new Uint8Array(Float64Array.of(0.1).buffer) }],
        ['general.alignment', 64],
      ),
      alignment: 64,
    });
    const source = await ggufSource('made', blobFile('made.gguf', new Blob([other.slice()])));
    const { config, tokenizer, notices } = await loadPolicy(source);
    expect([config.tied, config.kvHeads, config.eosIds, notices]).toEqual([true, 2, [4], []]);
    expect([...tokenizer!.encode('abc<|end|>')]).toEqual([3, 2, 4]);
  });

  it("gives a Llama's heads in any range, which never ends where a row does", async () => {
    const source = await policySource(`${folder}llama.gguf`);
    const queries = (await source.tensors!()).get('model.layers.1.self_attn.q_proj.weight')!;
    const whole = await queries.read(0, queries.byteLength);
    for (const [from, to] of [
      [0, 1],
      [63, 65],
      [510, 1030],
      [700, 2048],
      [2047, 2048],
    ] as const)
      expect(await queries.read(from, to)).toEqual(whole.subarray(from, to));
    expect(queries.byteLength).toBe(2048);
  });

  it('is read from a server in ranges, or whole', async () => {
    const bytes = readFileSync(`${folder}qwen3.gguf`);
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (request.url === '/whole/x.gguf' || from === undefined) return void response.end(bytes);
      const end = Math.min(Number(to), bytes.length - 1);
      response.writeHead(206, { 'content-range': `bytes ${from}-${end}/${bytes.length}` }).end(bytes.subarray(Number(from), end + 1));
    }).listen(0);
    const { port } = server.address() as AddressInfo;
    const local = await loadPolicy(await policySource(`${folder}qwen3.gguf`));
    for (const way of ['ranges', 'whole']) {
      const file = await fetchSource('far', `http://127.0.0.1:${port}/${way}`).open!('x.gguf');
      const far = await loadPolicy(await ggufSource('qwen3', file!));
      expect([far.config, far.files]).toEqual([local.config, local.files]);
      expect(await weightsOf(far.weights)).toEqual(await weightsOf(local.weights));
    }
    expect(asked).toBeGreaterThan(1);
    server.close();
  });

  it('may have a vocabulary longer than what is read of it first', async () => {
    const long = ['a', 'b', 'c', 'ab', '<|end|>', 'x'.repeat(3 * 2 ** 20)];
    const tokenTypes = Int32Array.of(1, 1, 1, 1, 3, 1);
    const { tokenizer } = await load(ggufFile(saying(['tokenizer.ggml.tokens', long], ['tokenizer.ggml.token_type', tokenTypes])));
    expect(tokenizer!.idOf(long[5]!)).toBe(5);
  });

  it('may have no tokenizer', async () => {
    expect((await load(ggufFile(without('tokenizer.ggml.model')))).tokenizer).toBe(null);
  });

  it.each<[string, GgufParts | Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /^made\.gguf is no GGUF file/],
    ['another file', new TextEncoder().encode('{"a": 1, "b": [1, 2, 3]}'), /^made\.gguf is no GGUF file/],
    ['four letters', new TextEncoder().encode('GGUF'), /^made\.gguf: the file ends within it/],
    ['version 1', { ...right, version: 1 }, /its version is 1; 2 and 3 are read/],
    ['a big-endian one', { ...right, version: 0x03000000 }, /big-endian/],
    [
      'tensors beyond its end',
      { ...right, tensorCount: 2n ** 40n },
      /the number of its tensors is 1099511627776, for which \d+ bytes are left/,
    ],
    ['a number beyond all numbers', { ...right, tensorCount: 2n ** 63n }, /the number of its tensors is 9223372036854775808/],
    ['metadata beyond its end', { ...right, entryCount: 10n ** 6n }, /the number of its metadata is 1000000/],
    ['fewer metadata than it says', { ...right, entryCount: 20n }, /metadata entry 1[56]/],
    [
      'a text beyond its end',
      saying(['x', { type: 8, bytes: new Uint8Array(8).fill(1) }]),
      /metadata entry 15 \(x\): the length of a text is 7\d+/,
    ],
    [
      'a text that is none',
      saying(['x', { type: 8, bytes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 255) }]),
      /entry 15 \(x\): a text is not UTF-8/,
    ],
    ['a list beyond its end', saying(['x', list(0, 2n ** 50n)]), /entry 15 \(x\): the length of a list is 1125899906842624/],
    ['a list of texts beyond its end', saying(['x', list(8, 1000n)]), /entry 15 \(x\): the length of a list is 1000/],
    ['lists without end', saying(['x', deep(100)]), /entry 15 \(x\): its lists lie more than 4 deep/],
    ['a list of what is none', saying(['x', list(13, 0n)]), /entry 15 \(x\): its list is of type 13, which is none/],
    ['a value of what is none', saying(['x', { type: 99, bytes: new Uint8Array(4) }]), /entry 15 \(x\): its type is 99, which is none/],
    [
      'a key that is there twice',
      { ...right, metadata: [...metadata, metadata[0]!] },
      /entry 15 \(general\.architecture\): its key is there twice/,
    ],
    ['an alignment of 3', saying(['general.alignment', 3]), /general\.alignment is 3/],
    ['an alignment of 2^31', saying(['general.alignment', 2 ** 31]), /general\.alignment is 2147483648/],
    ['one of several parts', saying(['split.count', 3]), /it is one of 3 parts.*Join them/],
    [
      'a tensor that is there twice',
      { ...right, tensors: [...tensors, tensors[0]!] },
      /tensor 12 \(token_embd\.weight\): its name is there twice/,
    ],
    ['a name without end', withTensor(0, { name: 'x'.repeat(300) }), /tensor 1: a name has 300 bytes/],
    ['no dimension', withTensor(1, { ne: [] }), /tensor 2 \(blk\.0\.attn_norm\.weight\): it has 0 dimensions/],
    ['five dimensions', withTensor(1, { ne: [1, 1, 1, 1, 4] }), /it has 5 dimensions/],
    ['a dimension of 0', withTensor(1, { ne: [0] }), /its shape is \[0\]/],
    ['a dimension beyond all numbers', withTensor(1, { ne: [2n ** 60n] }), /a dimension is 1152921504606846976/],
    ['a shape beyond all numbers', withTensor(1, { ne: [2 ** 40, 2 ** 40] }), /larger than any file/],
    [
      'a tensor beyond its end',
      withTensor(10, { ne: [2 ** 30] }),
      /tensor 11 \(output_norm\.weight\): its data end at byte \d+ of a file of \d+/,
    ],
    ['a type of another quantisation', withTensor(1, { type: 23 }), /it is stored as IQ4_XS, which is not read.*Choose a file in another/],
    ['a type that is none', withTensor(1, { type: 77 }), /its type is 77, which is none/],
    ['rows that are no blocks', withTensor(1, { type: 8 }), /its rows \[4\] are no whole blocks of 32/],
    [
      'tensors that overlap',
      withTensor(2, { offset: 96 }),
      /tensor 3 \(blk\.0\.attn_q\.weight\): its data begin at byte 96, those before it end at 112/,
    ],
    ['a hole between tensors', withTensor(2, { offset: 160 }), /its data begin at byte 160, those before it end at 112/],
    ['an offset beside the alignment', withTensor(1, { offset: 97 }), /its data begin at byte 97, those before it end at 96/],
    ['data cut off', ggufFile(right).subarray(0, -32), /made\.gguf: its data end at byte \d+, it has \d+/],
    ['no architecture', without('general.architecture'), /the architecture null is not supported/],
    ['another architecture', saying(['general.architecture', 'gpt2']), /the architecture "gpt2" is not supported/],
    ['an inherited architecture', saying(['general.architecture', 'constructor']), /"constructor" is not supported/],
    ['no number of layers', without('llama.block_count'), /its metadata have no llama\.block_count/],
    [
      'a number of layers that is a text',
      saying(['llama.block_count', 'one']),
      /llama\.block_count must be a positive whole number, it is "one"/,
    ],
    ['layers beyond its tensors', saying(['llama.block_count', 1e9]), /it claims 1000000000 layers, and has 11 tensors/],
    [
      'a feed-forward by layer',
      saying(['llama.feed_forward_length', Int32Array.of(8)]),
      /feed_forward_length must be .*, it is a list of 1/,
    ],
    ['heads that do not divide', saying(['llama.attention.head_count', 3]), /key_length must be a positive whole number|head_dim/],
    ['an odd head', saying(['llama.attention.head_count', 4]), /made\.gguf, its metadata as config\.json: head_dim is 1; rotary/],
    [
      'partial rotary embeddings',
      saying(['llama.attention.key_length', 4], ['llama.rope.dimension_count', 2]),
      /partial rotary embeddings \(2 of 4/,
    ],
    ['values of another length', saying(['llama.attention.value_length', 4]), /keys of 2 numbers and values of 4/],
    ['scaling of another kind', saying(['llama.rope.scaling.type', 'yarn']), /rope scaling of type "yarn"/],
    [
      'another scaling',
      { ...right, tensors: [...tensors, { name: 'rope_freqs.weight', ne: [1], data: Float32Array.of(NaN) }] },
      /rope_freqs\.weight is not that of a Llama 3/,
    ],
    ['experts', saying(['llama.expert_count', 8]), /a mixture of experts \(llama\.expert_count\)/],
    ['scaled logits', saying(['llama.logit_scale', 0.5]), /scaled logits \(llama\.logit_scale\)/],
    ['attention in both directions', saying(['llama.attention.causal', false]), /attention in both directions/],
    ['a window', saying(['llama.attention.sliding_window', 8]), /sliding-window attention/],
    ['no embedding', { ...right, tensors: tensors.slice(1) }, /made\.gguf: it has no tensor token_embd\.weight/],
    ['no norm', { ...right, tensors: tensors.slice(0, -1) }, /made\.gguf: it has no tensor output_norm\.weight/],
    [
      'another shape',
      withTensor(10, { ne: [8], data: new Float32Array(8) }),
      /output_norm\.weight has the shape \[8\], its metadata ask for \[4\]/,
    ],
    [
      'biases of a Llama',
      { ...right, tensors: [...tensors, tensor('blk.0.attn_q.bias', 4)] },
      /of the family llama has no tensor blk\.0\.attn_q\.bias/,
    ],
    ['a weight that is none', withTensor(10, { data: Float32Array.of(1, NaN, 1, 1) }), /number 2 of the tensor model\.norm\.weight is NaN/],
    ['a SentencePiece tokenizer', saying(['tokenizer.ggml.model', 'llama']), /its tokenizer is of the kind "llama".*Hugging Face folder/],
    ['another cut', saying(['tokenizer.ggml.pre', 'qwen35']), /cuts text as "qwen35"; read are smollm, qwen2/],
    ['no cut', without('tokenizer.ggml.pre'), /cuts text as null/],
    ['no tokens', without('tokenizer.ggml.tokens'), /its metadata have no tokenizer\.ggml\.tokens/],
    ['tokens that are numbers', saying(['tokenizer.ggml.tokens', Int32Array.of(1)]), /tokens must be a list of texts/],
    [
      'tokens twice',
      saying(['tokenizer.ggml.tokens', ['a', 'b', 'c', 'a', 'd', 'e']]),
      /tokens 0 and 3 of tokenizer\.ggml\.tokens are the same/,
    ],
    ['kinds of other tokens', saying(['tokenizer.ggml.token_type', Int32Array.of(1)]), /token_type is no list of 6 numbers/],
    ['merges that are none', saying(['tokenizer.ggml.merges', ['a b c']]), /merge 1 of tokenizer\.ggml\.merges is no pair/],
    [
      'merges of other tokens',
      saying(['tokenizer.ggml.merges', ['a c']]),
      /made\.gguf: merge 1 of tokenizer\.ggml\.merges has "ac", which is no token/,
    ],
    ['a name that a terminal obeys', withTensor(1, { name: '\u001b[2Jx\n', type: 77 }), /tensor 2 \( \[2Jx \): its type is 77/],
    ['a foreign name that a terminal obeys', { ...right, tensors: [...tensors, tensor('\u001b[2Jx', 4)] }, /has no tensor {2}\[2Jx\. /],
    ['a template that is none', saying(['tokenizer.chat_template', '{% for %}']), /not valid Jinja/],
    ['more tokens than rows', withRows(5), /tokenizer\.ggml\.tokens has 6 tokens, for which token_embd\.weight has 5 rows/],
  ])('is refused in a sentence: %s', async (_, parts, sentence) => {
    const bytes = parts instanceof Uint8Array ? parts : ggufFile(parts);
    const before = process.memoryUsage().arrayBuffers;
    const error: unknown = await load(bytes).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(labErrorCode(error)).toBe('format');
    expect((error as Error).message).toMatch(sentence);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  });

  it('with bytes and numbers changed at random is read, or refused in a sentence, at once', { timeout: 120_000 }, async () => {
    const whole = ggufFile(right);
    const headerEnd = whole.length - tensors.reduce((sum, { data }) => sum + Math.ceil(data.byteLength / 32) * 32, 0);
    const extremes = [0, 1, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    const change = fc.oneof(
      fc.record({ at: fc.nat(headerEnd - 1), bits: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ at: fc.nat(headerEnd - 4), word: fc.constantFrom(...extremes) }),
      fc.record({ at: fc.nat(headerEnd - 1), cut: fc.constant(true) }),
      fc.record({ at: fc.nat(headerEnd - 1), put: fc.uint8Array({ minLength: 1, maxLength: 24 }) }),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let bytes = whole.slice();
        for (const one of changes) {
          const at = Math.min(one.at, Math.max(0, bytes.length - 4));
          if ('bits' in one) bytes[at]! ^= one.bits;
          else if ('word' in one && bytes.length >= 4) new DataView(bytes.buffer).setUint32(at, one.word, true);
          else if ('cut' in one) bytes = bytes.slice(0, at);
          else if ('put' in one) bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), one.put, bytes.subarray(at)]));
        }
        const began = performance.now();
        try {
          const { tokenizer } = await load(bytes);
          tokenizer?.encode('abc');
        } catch (error) {
          if (!(error instanceof LabError)) throw error;
          refused += 1;
        }
        expect(performance.now() - began).toBeLessThan(5000);
      }),
      { seed: 7, numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(500);
  });
});

describe.skipIf(process.platform === 'win32')('in place of a GGUF file', () => {
  let scratch: string;
  beforeAll(() => (scratch = mkdtempSync(join(tmpdir(), 'permix-gguf-'))));
  afterAll(() => rmSync(scratch, { recursive: true }));

  it('a pipe, another file and none are named', async () => {
    execFileSync('mkfifo', [join(scratch, 'pipe.gguf')]);
    writeFileSync(join(scratch, 'model.safetensors'), 'x'.repeat(100));
    await expect(policySource(join(scratch, 'pipe.gguf'))).rejects.toThrow(/pipe\.gguf is a pipe, not a file/);
    await expect(policySource(join(scratch, 'model.safetensors'))).rejects.toThrow(/model\.safetensors is no GGUF file/);
    await expect(policySource(join(scratch, 'none.gguf'))).rejects.toThrow(/There is no file .*none\.gguf\..*or a GGUF file/);
  });
});

function deep(depth: number): Raw {
  let inner = list(8, 0n).bytes;
  for (let i = 0; i < depth; i++) inner = list(9, 1n, inner).bytes;
  return { type: 9, bytes: inner };
}

/** The right one with an embedding of fewer rows. */
function withRows(rows: number): GgufParts {
  const tokenTypes = Int32Array.of(1, 1, 1, 1, 3, 1);
  const embedding = { ne: [4, rows], data: new Float32Array(4 * rows) };
  return { ...withTensor(0, embedding), metadata: saying(['tokenizer.ggml.token_type', tokenTypes]).metadata! };
}
