/** Where a text is cut, against the reference library (`tokenizers` 0.23.3): the pieces below are its own. */
import { SplitPreTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { referencePreTokenizer } from '../../src/policy/pre-tokenizer.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';

function cut(json: object, text: string): string[] {
  type Split = ConstructorParameters<typeof SplitPreTokenizer>[0];
  const read = referencePreTokenizer(json) as Split | { type: 'Sequence'; pretokenizers: Split[] };
  const parts = read.type === 'Sequence' ? read.pretokenizers : [read];
  return parts.reduce((pieces, part) => pieces.flatMap((piece) => new SplitPreTokenizer(part).pre_tokenize_text(piece)), [text]);
}
const digits = { type: 'Digits' };
const punctuation = { type: 'Punctuation' };
const marks = (behavior: string, invert: boolean) => ({ type: 'Split', pattern: { Regex: '[.,!?]' }, behavior, invert });

const blanks = 'x\u0085y\ufeffz  wé, \u2028!?¡k$+';

describe('referencePreTokenizer', () => {
  it.each<[object, string, string[]]>([
    [{ ...digits, individual_digits: true }, 'a1½b٤٢, Ⅳ!?c', ['a', '1', '½', 'b', '٤', '٢', ', ', 'Ⅳ', '!?c']],
    [{ ...digits, individual_digits: true }, 'été²_w_①', ['été', '²', '_w_', '①']],
    [{ ...digits, individual_digits: false }, 'a1½b٤٢, Ⅳ!?c', ['a', '1½', 'b', '٤٢', ', ', 'Ⅳ', '!?c']],
    [{ type: 'Whitespace' }, 'a1½b٤٢, Ⅳ!?c', ['a1', '½', 'b٤٢', ',', 'Ⅳ', '!?', 'c']],
    [{ type: 'Whitespace' }, 'été²_w_①', ['été', '²', '_w_', '①']],
    [punctuation, 'x..y  z-', ['x', '.', '.', 'y  z', '-']],
    [{ ...punctuation, behavior: 'Removed' }, 'x..y  z-', ['x', 'y  z']],
    [{ ...punctuation, behavior: 'Contiguous' }, 'x..y  z-', ['x', '..', 'y  z', '-']],
    [{ ...punctuation, behavior: 'MergedWithPrevious' }, 'x..y  z-', ['x.', '.', 'y  z-']],
    [{ ...punctuation, behavior: 'MergedWithNext' }, 'x..y  z-', ['x', '.', '.y  z', '-']],
    [marks('Isolated', false), 'x..y  z-', ['x', '.', '.', 'y  z-']],
    [marks('Isolated', true), 'x..y  z-', ['x', '.', '.', 'y  z-']],
    [marks('Removed', false), 'x..y  z-', ['x', 'y  z-']],
    [marks('Removed', true), 'x..y  z-', ['.', '.']],
    [marks('Contiguous', false), 'x..y  z-', ['x', '..', 'y  z-']],
    [marks('MergedWithPrevious', false), 'x..y  z-', ['x.', '.', 'y  z-']],
    [marks('MergedWithPrevious', true), 'x..y  z-', ['x', '.', '.y  z-']],
    [marks('MergedWithNext', false), 'x..y  z-', ['x', '.', '.y  z-']],
    [marks('MergedWithNext', true), 'x..y  z-', ['x.', '.', 'y  z-']],
    [{ type: 'Split', pattern: { String: '.' }, behavior: 'Removed' }, 'x..y  z-', ['x', 'y  z-']],
    [{ type: 'WhitespaceSplit' }, blanks, ['x', 'y\ufeffz', 'wé,', '!?¡k$+']],
    [{ type: 'BertPreTokenizer' }, blanks, ['x', 'y\ufeffz', 'wé', ',', '!', '?', '¡', 'k', '$', '+']],
    [{ type: 'Whitespace' }, blanks, ['x', 'y', '\ufeff', 'z', 'wé', ',', '!?¡', 'k', '$+']],
  ])('%j cuts %s', (json, text, pieces) => expect(cut(json, text)).toEqual(pieces));

  it('leaves what the library reads rightly as it is, within a sequence too', () => {
    const bytes = { type: 'ByteLevel', use_regex: true };
    expect(referencePreTokenizer(null)).toBe(null);
    expect(referencePreTokenizer({ type: 'Sequence', pretokenizers: [bytes, digits] })).toEqual({
      type: 'Sequence',
      pretokenizers: [bytes, { type: 'Split', pattern: { Regex: '(?:\\p{N})+' }, behavior: 'Isolated', invert: false }],
    });
  });

  it('is what a loaded tokenizer cuts with: no merge reaches across a digit of any script', () => {
    const vocab = ['Â', '²', 'x', 'Ù', '¤', '¢', 'xÂ', 'Â²', 'Ù¤', 'Ù¢', '²x'];
    const tokenizer = loadTokenizer(
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { ...digits, individual_digits: true },
            { type: 'ByteLevel', use_regex: false },
          ],
        },
        decoder: { type: 'ByteLevel' },
        model: {
          type: 'BPE',
          vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
          merges: ['x Â', 'Â ²', 'Ù ¤', 'Ù ¢', '² x'],
        },
      },
      {},
    );
    // Without the cut "x²" would begin with the merge "xÂ".
    expect([...tokenizer.encode('x²x٤٢')]).toEqual([2, 7, 2, 8, 9]);
    expect(tokenizer.decode(tokenizer.encode('x²x٤٢'))).toBe('x²x٤٢');
  });

  it('takes for blanks what Rust takes for blanks, where the file leaves the pattern to the library', () => {
    const vocab = ['a', 'b', 'Ġ', 'Â', 'ħ', 'ï', '»', '¿', 'ĠÂ', 'Ġï'];
    const tokenizer = loadTokenizer(
      {
        pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
        decoder: { type: 'ByteLevel' },
        model: { type: 'BPE', vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: ['Ġ Â', 'Ġ ï'] },
      },
      {},
    );
    const tokens = (text: string) => [...tokenizer.encode(text)].map((id) => vocab[id]);
    // Of two blanks before a letter the first stands alone; a blank before anything else belongs to it.
    expect(tokens('a \u0085b')).toEqual(['a', 'Ġ', 'Â', 'ħ', 'b']);
    expect(tokens('a \ufeffb')).toEqual(['a', 'Ġï', '»', '¿', 'b']);
  });

  it('leaves out what the vocabulary has no token for before anything is merged', () => {
    const vocab = ['a', 'b', 'ab'];
    const tokenizer = loadTokenizer(
      {
        pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
        decoder: { type: 'ByteLevel' },
        model: { type: 'BPE', vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: ['a b'] },
      },
      {},
    );
    expect(['a\u0004b', 'ab', '\u0004'].map((text) => [...tokenizer.encode(text)])).toEqual([[2], [2], []]);
  });

  it('knows no other behaviour', () => {
    expect(() => referencePreTokenizer(marks('Glued', false))).toThrow(/"Glued"/);
  });
});
