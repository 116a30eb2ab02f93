/**
 * No regular expression has two neighbouring runs that can take the same characters: `\s*[\s*]+`, `a*a*`, `\d+\.?\d*`. How such a pattern fails
 * is tried in every way to share the text between the two, which takes quadratic time and more. What stands between them does not help where it
 * may be left out.
 */
import { RegExpParser, type AST } from '@eslint-community/regexpp';
import ts from 'typescript';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
/** Rooms whose patterns meet what a policy or a stranger wrote. */
const rooms = ['src/verify', 'src/tasks', 'src/evaluate', 'src/policy', 'src/exchange'];

const samples = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  '\u00a0',
  '\u2028',
  'é',
  'Ж',
  '½',
  '²',
  '٤',
  '中',
  '\u0301',
  '😀',
];

/** Which of the samples one element takes; null where it is no single character. */
function taken(element: AST.Element, flags: string): ReadonlySet<string> | null {
  if (element.type === 'Group' && element.alternatives.every(({ elements }) => elements.length === 1)) {
    const each = element.alternatives.map(({ elements }) => taken(elements[0]!, flags));
    return each.every((set) => set !== null) ? new Set(each.flatMap((set) => [...set])) : null;
  }
  if (!['Character', 'CharacterClass', 'CharacterSet'].includes(element.type)) return null;
  const pattern = new RegExp(`^(?:${element.raw})$`, flags.replace(/[gy]/g, ''));
  return new Set(samples.filter((sample) => pattern.test(sample)));
}

/** A run has no end of its own; what may be left out stands between two that are neighbours all the same. */
const isRun = (element: AST.Element): element is AST.Quantifier => element.type === 'Quantifier' && element.max === Infinity;

function neighbours(source: string, flags: string): string[] {
  const found: string[] = [];
  const look = ({ elements }: AST.Alternative): void => {
    for (const [i, element] of elements.entries()) {
      if (element.type === 'Quantifier' ? 'alternatives' in element.element : 'alternatives' in element) {
        const inner = element.type === 'Quantifier' ? element.element : element;
        if ('alternatives' in inner) inner.alternatives.forEach((one) => 'elements' in one && look(one));
      }
      if (!isRun(element)) continue;
      const own = taken(element.element, flags);
      for (let j = i + 1; own && j < elements.length; j++) {
        const next = elements[j]!;
        if (isRun(next)) {
          const other = taken(next.element, flags);
          if (other && [...own].some((sample) => other.has(sample))) found.push(source);
        }
        if (!(next.type === 'Quantifier' && next.min === 0) && next.type !== 'Assertion') break;
      }
    }
  };
  const pattern = new RegExpParser().parsePattern(source, 0, source.length, {
    unicode: flags.includes('u'),
    unicodeSets: flags.includes('v'),
  });
  pattern.alternatives.forEach(look);
  return found;
}

function patternsOf(file: string): [source: string, flags: string][] {
  const found: [string, string][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      found.push([node.text.slice(1, end), node.text.slice(end + 1)]);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return found;
}

describe('the rule', () => {
  it.each(['a*a*', String.raw`\s*[\s*]+x`, String.raw`\d+\.?\d*`, '(?:a|b)+b*', 'x(?:[a-z]+[a-y]*)?', String.raw`\w+(?=x)\d*`])(
    'finds %s',
    (source) => {
      expect(neighbours(source, 'u')).not.toEqual([]);
    },
  );
  it.each(['a*b*', String.raw`\s+x\s+`, String.raw`\d+\.\d*`, 'a{1,80}a*', '(?:a*)b', 'a*|a*'])('lets %s be', (source) => {
    expect(neighbours(source, 'u')).toEqual([]);
  });
});

it.each(rooms)('no pattern of %s has two', (room) => {
  const files = readdirSync(resolve(root, room), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const patterns = files.flatMap((name) => patternsOf(resolve(root, room, name)).map((pattern) => [name, ...pattern] as const));
  expect(patterns.length).toBeGreaterThan(0);
  expect(patterns.flatMap(([name, source, flags]) => neighbours(source, flags).map((bad) => `${name}: ${bad}`))).toEqual([]);
});
