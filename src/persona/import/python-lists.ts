/**
 * Lists of texts in a Python file, as `data/personas.py` of principled-personas has them: NAME = ["…", …] and NAME = { "…": ["…", …] } at the
 * beginning of a line. Nothing of it is run, and everything else in it is passed over.
 */
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';

type Lists = Readonly<Record<string, readonly unknown[] | Readonly<Record<string, unknown>>>>;

const assignment = /^([A-Za-z_]\w*)[ \t]*=[ \t]*(?=[[{])/gm;
const token = /\s+|#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[[\]{},:]/y;

/** Empty where there are none. */
export function pythonLists(text: string, file: string): Lists {
  const lists: Record<string, readonly unknown[] | Readonly<Record<string, unknown>>> = {};
  for (const { 1: name, 0: head, index } of text.matchAll(assignment)) {
    const value = valueAt(text, index + head.length, file);
    if (value !== null) lists[name!] = value;
  }
  return lists;
}

/** Null for what is made of anything but texts, lists and dictionaries. */
function valueAt(text: string, from: number, file: string): readonly unknown[] | Readonly<Record<string, unknown>> | null {
  let json = '';
  let depth = 0;
  token.lastIndex = from;
  for (;;) {
    const found = token.exec(text)?.[0];
    if (found === undefined) return null;
    if ('[{'.includes(found)) depth++;
    if (']}'.includes(found)) {
      depth--;
      // A comma before the end is Python's, and none of JSON's.
      json = json.replace(/,$/, '');
    }
    if (found.startsWith('"') || found.startsWith("'")) json += JSON.stringify(textIn(found));
    else if (!/^[\s#]/.test(found)) json += found;
    if (depth === 0) break;
  }
  try {
    return parseJson(json, { file }) as readonly unknown[];
  } catch (error) {
    if (error instanceof LabError) return null;
    throw error;
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
const textIn = (quoted: string): string => quoted.slice(1, -1).replace(/\\(.)/g, (_, sign: string) => escapes[sign] ?? sign);
