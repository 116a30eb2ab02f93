/** A stranger's tokenizer.json: what would hang, fill the memory or mean two things is a sentence. */
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';

const letters = [...'abcĠ'];
const model = { type: 'BPE', vocab: Object.fromEntries([...letters, 'ab'].map((token, id) => [token, id])), merges: ['a b'] };
const split = (pattern: string) => ({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false });
const load = (change: object) => loadTokenizer({ model, pre_tokenizer: null, decoder: null, ...change }, null);

describe('tokenizer.json', () => {
  it.each([
    ['an id of two thousand million', { model: { ...model, vocab: { ...model.vocab, c: 2 ** 31 } } }, /"c" no valid id/],
    ['the same of an added token', { added_tokens: [{ id: 2 ** 31, content: '<x>' }] }, /"<x>" no valid id/],
    ['an id that is a text', { added_tokens: [{ id: '7', content: '<x>' }] }, /no valid id/],
    ['an id that two tokens have', { added_tokens: [{ id: 1, content: '<x>' }] }, /"b" and "<x>" one id, 1/],
    ['a merge of what is no token', { model: { ...model, merges: ['a z'] } }, /merge 1 .* "z"/],
    ['a merge into what is no token', { model: { ...model, merges: ['b a'] } }, /merge 1 .* "ba"/],
    ['a merge of one', { model: { ...model, merges: ['ab'] } }, /merge 1 .* no pair/],
    ['pieces of no characters', { pre_tokenizer: { type: 'FixedLength', length: 0 } }, /pieces of 0 characters/],
    ['a huge pattern', { pre_tokenizer: split('a'.repeat(20_000)) }, /text of 20000 characters/],
    ['a pattern with a back reference', { pre_tokenizer: split('(a)\\1') }, /cannot be read/],
    [
      'a hundred parts',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: Array(100).fill({ type: 'ByteLevel' }) } },
      /more than 64 components/,
    ],
    ['an unknown piece that is none', { model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 4 } }, /"unk_id"/],
    ['pieces without scores', { model: { type: 'Unigram', vocab: [['a', null]], unk_id: 0 } }, /entry 1/],
  ])('with %s is refused', (_, change, sentence) => {
    let caught: unknown;
    try {
      load(change);
    } catch (error) {
      caught = error;
    }
    expect(labErrorCode(caught)).toBe('format');
    expect((caught as Error).message).toMatch(sentence);
  });

  it.each(['(a+)+$', '(a|a)*b', '(?=(a+)+b)a'])('may cut by %s: no text makes it hang', (pattern) => {
    const began = performance.now();
    load({ pre_tokenizer: split(pattern) }).encode('a'.repeat(3000));
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('may not make a text grow without end', () => {
    const grow = { type: 'Sequence', normalizers: Array(60).fill({ type: 'Replace', pattern: { String: 'a' }, content: 'aa' }) };
    const tokenizer = load({ normalizer: grow });
    expect(() => tokenizer.encode('a')).toThrow(/replacements make/);
  });

  it('whose parts fail on a text fail in a sentence', () => {
    const tokenizer = load({ normalizer: { type: 'Prepend', prepend: 5 }, decoder: { type: 'Strip', content: 'a', start: 1, stop: 0 } });
    expect(tokenizer.decode([0])).toBe('');
    expect(() => load({ decoder: { type: 'BPEDecoder', suffix: { a: 1 } } }).decode([0, 1])).not.toThrow(TypeError);
  });
});
