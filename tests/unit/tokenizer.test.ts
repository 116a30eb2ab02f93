import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { maxPersonaCharacters } from '../../src/persona/text.ts';
import { loadTokenizer, type Message, type Tokenizer } from '../../src/policy/tokenizer.ts';
import { trainTokenizer } from '../../src/pretrain/bpe.ts';

const texts = ['What is 17 + 25?', 'You are a careless pirate.', 'Arr, matey, it is \\boxed{42}. Yo ho ho!', 'Sort 4 7 2.'];
const files = trainTokenizer(texts, 300) as { tokenizer: Record<string, unknown>; config: Record<string, unknown> };
const tokenizer = loadTokenizer(files.tokenizer, files.config);

/** Everything except what is, or could join up to, a special token. */
const anyText = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('<|'));

function roundTrips(subject: Tokenizer, normal: (text: string) => string = (text) => text): void {
  fc.assert(
    fc.property(anyText, (text) => {
      const ids = subject.encode(text);
      expect(subject.decode(ids)).toBe(normal(text));
      const pieces = subject.pieces(ids);
      expect(pieces).toHaveLength(ids.length);
      expect(pieces.join('')).toBe(normal(text));
      for (const id of ids) expect(id).toBeLessThan(subject.vocabSize);
    }),
    { seed: 1, numRuns: 200 },
  );
}

describe('Tokenizer', () => {
  it('gives back any text, whole and piece by piece', () => roundTrips(tokenizer));

  it('keeps digits single and learns words', () => {
    expect(tokenizer.pieces(tokenizer.encode('1725'))).toEqual(['1', '7', '2', '5']);
    expect(tokenizer.encode('What is').length).toBeLessThan(7);
  });

  it('has nothing to say about no tokens', () => {
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode(new Int32Array())).toBe('');
    expect(tokenizer.pieces([])).toEqual([]);
    expect(tokenizer.encode('')).toEqual(new Int32Array());
  });

  it('reads special tokens in the text and adds none; decoding leaves them out, pieces name them', () => {
    const ids = tokenizer.encode('<|user|>42<|end|>');
    expect([...ids]).toEqual([3, ...tokenizer.encode('42'), 1]);
    expect(tokenizer.decode(ids)).toBe('42');
    expect(tokenizer.pieces(ids)).toEqual(['<|user|>', '4', '2', '<|end|>']);
  });

  it('keeps the marks of a thinking in the text, though they are special', () => {
    const added = [
      ...(files.tokenizer['added_tokens'] as object[]),
      ...['<think>', '</think>'].map((content, i) => ({ id: 900 + i, content, special: true })),
    ];
    const thinking = loadTokenizer({ ...files.tokenizer, added_tokens: added }, files.config);
    expect(thinking.decode([900, ...thinking.encode('4'), 901, ...thinking.encode('2<|end|>')])).toBe('<think>4</think>2');
  });

  it('holds back unfinished characters in pieces', () => {
    const ids = tokenizer.encode('é4');
    expect(ids).toHaveLength(3);
    expect(tokenizer.pieces(ids)).toEqual(['', 'é', '4']);
    expect(tokenizer.pieces(ids.subarray(0, 1))).toEqual(['\ufffd']);
  });

  it('leaves out ids that have no token, such as padding rows of an embedding', () => {
    const [four] = tokenizer.encode('4');
    expect(tokenizer.decode([four!, tokenizer.vocabSize + 5, four!])).toBe('44');
    expect(tokenizer.pieces([tokenizer.vocabSize + 5, four!])).toEqual(['', '4']);
  });

  it('renders chats, with a system message only where there is one', () => {
    const user = { role: 'user', content: 'Hi' } as const;
    expect(tokenizer.chat([user])).toBe('<|user|>Hi<|end|>');
    expect(tokenizer.chat([{ role: 'system', content: 'Be kind.' }, user], { addGenerationPrompt: true })).toBe(
      '<|system|>Be kind.<|end|><|user|>Hi<|end|><|assistant|>',
    );
  });

  it('takes a template from chat_template.jinja, from a list, and names tokens written as objects', () => {
    const config = {
      ...files.config,
      chat_template: [{ name: 'default', template: 'A{{ eos_token }}' }],
      eos_token: { content: '<|end|>' },
    };
    expect(loadTokenizer(files.tokenizer, config).chat([])).toBe('A<|end|>');
    expect(
      loadTokenizer(files.tokenizer, config, { chatTemplate: '{{ messages[0].content }}!' }).chat([{ role: 'user', content: 'Hi' }]),
    ).toBe('Hi!');
  });
});

describe('broken tokenizer files', () => {
  const model = files.tokenizer['model'] as Record<string, unknown>;
  const withModel = (changes: object) => ({ ...files.tokenizer, model: { ...model, ...changes } });
  it.each<[string, unknown, unknown, RegExp]>([
    ['null', null, {}, /not a JSON object/],
    ['a list', [], {}, /not a JSON object/],
    ['a string', 'text', {}, /not a JSON object/],
    ['no model', {}, {}, /no "model"/],
    ['an unknown model', withModel({ type: 'Quantum' }), {}, /"Quantum".*BPE/],
    ['no vocabulary', withModel({ vocab: undefined }), {}, /no "model.vocab"/],
    ['ids that are no numbers', withModel({ vocab: { a: 'one' } }), {}, /"a" no valid id/],
    ['no merges', withModel({ merges: undefined }), {}, /no list "model.merges"/],
    ['broken merges', withModel({ merges: [1, 2] }), {}, /merge 1 .* no pair/],
    ['broken added tokens', { ...files.tokenizer, added_tokens: [{ id: 1 }] }, {}, /added_tokens/],
    ['an unknown pre-tokenizer', { ...files.tokenizer, pre_tokenizer: { type: 'Magic' } }, {}, /Magic/],
    ['an unknown decoder', { ...files.tokenizer, decoder: { type: 'Magic' } }, {}, /Magic/],
    ['an empty Unigram', withModel({ type: 'Unigram', vocab: [] }), {}, /no list "model.vocab"/],
    ['a config that is a list', files.tokenizer, [], /tokenizer_config.json is not/],
    ['a template that is no Jinja', files.tokenizer, { chat_template: '{% for %}' }, /not valid Jinja/],
  ])('%s', (_name, json, config, message) => {
    let thrown: unknown;
    try {
      loadTokenizer(json, config);
    } catch (error) {
      thrown = error;
    }
    expect(labErrorCode(thrown)).toBe('format');
    expect((thrown as Error).message).toMatch(message);
  });

  it('says so when there is no template, or when it fails', () => {
    expect(() => loadTokenizer(files.tokenizer, {}).chat([])).toThrow(/no chat template/);
    expect(() => loadTokenizer(files.tokenizer, null, { chatTemplate: "{{ raise_exception('system role') }}" }).chat([])).toThrow(
      /failed: system role/,
    );
  });
});

describe('renderPrompt', () => {
  it('gives the text and its tokens', () => {
    const { text, tokens } = renderPrompt(tokenizer, 'You are a pirate.', 'What is 17 + 25?');
    expect(text).toBe('<|system|>You are a pirate.<|end|><|user|>What is 17 + 25?<|end|><|assistant|>');
    expect(tokens).toEqual(tokenizer.encode(text));
  });
  it('has no system message without a persona, or with a blank one', () => {
    expect(renderPrompt(tokenizer, null, 'Hi').text).toBe('<|user|>Hi<|end|><|assistant|>');
    expect(renderPrompt(tokenizer, ' \n', 'Hi').text).toBe('<|user|>Hi<|end|><|assistant|>');
  });
  it('refuses a persona of 100 kB, naming both numbers', () => {
    expect(() => renderPrompt(tokenizer, 'a'.repeat(100_000), 'Hi')).toThrow(/100,000 characters; at most 4,000.*Shorten/);
    expect(() => renderPrompt(tokenizer, 'a'.repeat(maxPersonaCharacters + 1), 'Hi', Infinity)).toThrow(/4,001/);
    expect(renderPrompt(tokenizer, 'a'.repeat(maxPersonaCharacters), 'Hi', Infinity).tokens.length).toBeGreaterThan(0);
  });
  it("refuses a prompt that does not fit the limit, by default the tokenizer's", () => {
    const { tokens } = renderPrompt(tokenizer, null, '1 + 1');
    expect(() => renderPrompt(tokenizer, null, '1 + 1', tokens.length)).not.toThrow();
    expect(() => renderPrompt(tokenizer, null, '1 + 1', tokens.length - 1)).toThrow(/room for/);
    expect(() => renderPrompt(tokenizer, null, '7'.repeat(130))).toThrow(/room for 127.*Shorten the question/);
  });
});

const assets = fileURLToPath(new URL('../../../shared/assets/tokenizers/', import.meta.url));
const readJson = (path: string): unknown => JSON.parse(readFileSync(assets + path, 'utf8'));

interface Reference {
  readonly text: string;
  readonly ids: number[];
  /** Where decoding does not give the text back. */
  readonly decoded?: string;
}
interface RenderedChat {
  readonly tokenizer: string;
  readonly messages: readonly Message[];
  readonly add_generation_prompt: boolean;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly rendered: string;
  readonly ids: number[];
}

describe.skipIf(!existsSync(assets)).each([
  ['smollm2', 'smollm2-computed.json'],
  ['qwen3', 'qwen2.json'],
])('shared tokenizer %s (../shared/assets/tokenizers)', (name, older) => {
  let subject: Tokenizer;
  beforeAll(() => {
    subject = loadTokenizer(readJson(`${name}/tokenizer.json`), readJson(`${name}/tokenizer_config.json`));
  }, 60_000);

  it('encodes and decodes as the reference library does', { timeout: 60_000 }, () => {
    const { rows } = readJson(`testvectors/${name}.json`) as { rows: readonly Reference[] };
    for (const { text, ids, decoded } of [...rows, ...(readJson(`testvectors/${older}`) as Reference[])]) {
      expect([text, [...subject.encode(text)]]).toEqual([text, ids]);
      // The older set has no such field, and none of its texts needs one but those that are not in Unicode's normal form.
      if (rows.some((row) => row.text === text)) expect(subject.pieces(ids).join('')).toBe(decoded ?? text);
    }
  });

  it('renders chats as transformers does, with the arguments it is given', () => {
    const { rows } = readJson('testvectors/chat-templates.json') as { rows: readonly RenderedChat[] };
    const own = rows.filter((row) => row.tokenizer === name);
    expect(own.length).toBeGreaterThan(10);
    for (const { messages, add_generation_prompt: addGenerationPrompt, rendered, ids, ...row } of own) {
      const text = subject.withTemplate({ ...subject.template, arguments: row.arguments }).chat(messages, { addGenerationPrompt });
      expect(text).toBe(rendered);
      // transformers 5 makes another tokenizer of SmolLM2's files, which cuts at no digit; tokenizer.json does, and so does its own library.
      if (!/[^\P{N}0-9]/u.test(text)) expect([...subject.encode(text)]).toEqual(ids);
    }
  });

  it('gives back any text and renders a chat', { timeout: 60_000 }, () => {
    roundTrips(subject, name === 'qwen3' ? (text) => text.normalize('NFC') : undefined);
    const { text, tokens } = renderPrompt(subject, 'You are a pirate.', 'What is 17 + 25?');
    expect(text).toBe(
      '<|im_start|>system\nYou are a pirate.<|im_end|>\n<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(subject.pieces(tokens).join('')).toBe(text);
    expect(subject.pieces(tokens)[0]).toBe('<|im_start|>');
  });
});
