/** JSON from outside: what is refused, where, and that no text is too much for the reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { parsePersonas } from '../../src/persona/file.ts';
import { maxJsonDepth, parseJson, parseJsonBytes } from '../../src/json.ts';

function refusal(run: () => unknown): string {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expect(labErrorCode(caught)).toBe('format');
  return (caught as Error).message;
}
const read = (text: string) => parseJson(text, { file: 'a.json' });

describe('JSON', () => {
  it('is what JSON.parse says it is, value by value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(read(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  it('is refused where JSON.parse refuses it, and nowhere else', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      '0',
      'true',
      'nul',
      ' ',
      '\n',
      '"\\u00e9"',
      '"\\x"',
      '"',
      '\u000b',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (list) => {
        const text = list.join('');
        let right: unknown;
        try {
          right = JSON.parse(text);
        } catch {
          expect(refusal(() => read(text))).toMatch(/a\.json, line \d+: (this is not valid JSON|the key .* is there twice)/);
          return;
        }
        try {
          expect(read(text)).toEqual(right);
        } catch (error) {
          expect((error as Error).message).toMatch(/the key "[ab]" is there twice|number/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['{"a": 1,\n "b": {"a": 2,\n "a": 3}}', 'a.json, line 3: the key "a" is there twice, before in line 2'],
    ['{"a": 1, "\\u0061": 2}', 'the key "a" is there twice'],
    ['[1,\n1e999]', 'line 2: this number is too large'],
    ['{}\n\n{}', 'line 3: this is not valid JSON'],
    ['', 'line 1: this is not valid JSON'],
  ])('%j is refused', (text, sentence) => {
    expect(refusal(() => read(text))).toContain(sentence);
  });

  it('nests as deep as a file may, and a million brackets are a sentence', () => {
    expect(read('['.repeat(maxJsonDepth) + ']'.repeat(maxJsonDepth))).toEqual([expect.anything()]);
    for (const open of ['[', '{"a":', '[{"a":']) expect(refusal(() => read(open.repeat(1_000_000)))).toMatch(/nested more than 100 deep/);
  });

  it('may begin with a byte order mark, and must be UTF-8', () => {
    expect(read('\ufeff[1]')).toEqual([1]);
    expect(refusal(() => parseJsonBytes(Uint8Array.of(0x22, 0xff, 0x22), { file: 'a.json' }))).toMatch(/a\.json is not valid JSON.*UTF-8/);
  });

  it('takes time in proportion to its length', () => {
    const began = performance.now();
    read(JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key ${i}`, '\\'.repeat(20)]))));
    refusal(() => read(`["${'\\u0041'.repeat(500_000)}`));
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe('a personas file', () => {
  it('of a million brackets, or of thirty thousand personas with the last one twice, is a sentence, and soon', () => {
    const began = performance.now();
    expect(refusal(() => parsePersonas('['.repeat(1_000_000), 'p.json'))).toMatch(/p\.json, line 1: .*nested/);
    const many = Array.from({ length: 30_000 }, (_, i) => ({ id: `p${i}`, text: 'You are one.' }));
    expect(refusal(() => parsePersonas(JSON.stringify([...many, many[5]]), 'p.json'))).toMatch(/"p5" is there twice/);
    expect(performance.now() - began).toBeLessThan(6000);
  });
});
