/** The engine for strangers' patterns finds what JavaScript's finds, and takes no longer on any text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinearPattern } from '../../src/policy/linear-pattern.ts';

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const llama3 = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Native first, ours second. */
function both<T>(source: string, ask: (pattern: RegExp) => T): readonly [T, T] {
  return [ask(new RegExp(source, 'gu')), ask(new LinearPattern(source) as unknown as RegExp)];
}
const indices = (text: string) => (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => [match.index, match[0]]);

describe('a pattern', () => {
  it.each([
    gpt2,
    llama3,
    'a|ab',
    '(?:a|ab)(?:c|bcd)',
    'a*?b',
    '(?<=a)b+',
    '(?<!a)b',
    '(?=ab)a',
    '\\bx',
    'x\\B',
    '^a|a$',
    'a{2,3}',
    'a{2}',
    '(a*)*',
    '',
    '(?<=ab|b)c',
    '(?:(?!a)[\\s\\S])+',
  ])('%s finds what the native engine finds', (source) => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', 'b', 'c', 'd', 'x', ' ', '\n', '\r', '1', 'é', '½', '😀', "'", 's', '.', '\ud800'),
          maxLength: 30,
        }),
        (text) => {
          const [right, found] = both(source, indices(text));
          expect(found).toEqual(right);
          const [match, ours] = both(source, (pattern) => text.match(pattern)?.slice() ?? null);
          expect(ours).toEqual(match);
          const [replaced, mine] = both(source, (pattern) => text.replaceAll(pattern, '<>'));
          expect(mine).toBe(replaced);
          if (!source.includes('(a')) {
            const [pieces, own] = both(source, (pattern) => text.split(pattern));
            expect(own).toEqual(pieces);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('made at random finds what the native engine finds', () => {
    const { pattern } = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
      atom: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom('a', 'b', '[ab]', '.', '\\w', '[^a]'),
        // What is repeated may not be empty: see the head of linear-pattern.ts.
        tie('pattern').map((inner) => `(?:[ab](?:${inner}))`),
        tie('pattern').map((inner) => `(?:(?:${inner})[bc])`),
        tie('pattern').map((inner) => `(?=${inner})`),
        tie('pattern').map((inner) => `(?<!${inner})`),
      ),
      pattern: fc
        .array(
          fc
            .tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '*?', '+?', '{1,2}'))
            .map(([atom, many]) => (/^\(\?[=<]/.test(atom) ? atom : atom + many)),
          { minLength: 1, maxLength: 3 },
        )
        .chain((parts) => fc.constantFrom(parts.join(''), parts.join('|'))),
    }));
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 }), (source, text) => {
        const [right, found] = both(source, indices(text));
        expect(found, source).toEqual(right);
      }),
      { numRuns: 1500 },
    );
  });

  it.each(['(a+)+$', '(a|a)*b', '(a*)*b', '(?:a?){30}a{30}', '(a|aa)+$', '(?=(a+)+b)a', 'a*a*a*a*b', '(?<=(a+)+b)c'])(
    '%s takes no time',
    (source) => {
      const began = performance.now();
      const text = 'a'.repeat(3000) + 'c';
      text.match(new LinearPattern(source) as unknown as RegExp);
      expect(performance.now() - began).toBeLessThan(4000);
    },
  );

  it.each([
    ['(a)\\1', /escape/],
    ['(?i:a)', /group/],
    ['a{99999}', /too large/],
    ['(', /closed/],
    [')', /closed/],
    ['[', /closed/],
    ['*', /repeated/],
    ['('.repeat(5000), /deep/],
  ])('%s is refused', (source, sentence) => {
    expect(() => new LinearPattern(source)).toThrow(sentence);
  });
});
