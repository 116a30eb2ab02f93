/**
 * JSON from outside, checked before anything is built of it: valid, not nested too deep, no key twice in an object (`JSON.parse` takes the
 * last one without a word, other readers the first), no number too large to be one. One pass, no recursion. What the values mean is the
 * caller's business.
 */
import { LabError } from './errors.ts';

/** No file that this program reads nests deeper than a dozen; whoever walks a value by recursion is safe at this depth. */
export const maxJsonDepth = 100;

export interface JsonReading {
  /** The file's name, for sentences. */
  readonly file: string;
  /** What to do about a broken one, a sentence. */
  readonly next?: string;
  /** Of the text's first line in the file, where it is not the first: a row of JSON lines. */
  readonly line?: number;
  /** Numbers that no double holds pass, as ±Infinity, for a caller that reads their digits itself. */
  readonly anyNumber?: boolean;
}

/** @throws LabError 'format' naming the file and the line */
export function parseJson(
  text: string,
  { file, next = 'Correct the file, or fetch it again.', line = 1, anyNumber = false }: JsonReading,
): unknown {
  const plain = text.startsWith('\ufeff') ? text.slice(1) : text;
  const fault = jsonFault(plain, anyNumber);
  if (!fault) return JSON.parse(plain) as unknown;
  const [at, before] = [fault.at, fault.before ?? fault.at].map((place) => line - 1 + lineAt(plain, place));
  const where = before === at ? '' : `, before in line ${before}`;
  throw new LabError('format', `${file}, line ${at}: ${fault.what}${where}.`, next);
}

/** Of a text that was read strictly when the page was built: ten times as fast. @throws LabError 'format' where it did not come whole */
export function parseCheckedJson(text: string, reading: JsonReading): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return parseJson(text, reading);
  }
}

/** Strictly from bytes. @throws LabError 'format' also for bytes that are not UTF-8 */
export function parseJsonBytes(bytes: Uint8Array, reading: JsonReading): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const { file, next = 'Correct the file, or fetch it again.' } = reading;
    throw new LabError('format', `${file} is not valid JSON: it is not text in UTF-8.`, next, { cause });
  }
  return parseJson(text, reading);
}

/** Lines are counted from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < position; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

interface Fault {
  readonly at: number;
  readonly what: string;
  /** Where the same stood before. */
  readonly before?: number;
}

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const [quote, backslash, space, letterU] = [0x22, 0x5c, 0x20, 0x75];
const escapable: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map((character) => character.charCodeAt(0)));

/** The first thing that is wrong with a text as JSON; null where nothing is. Linear in its length. */
function jsonFault(text: string, anyNumber: boolean): Fault | null {
  const invalid = (at: number): Fault => ({ at, what: 'this is not valid JSON' });
  /** The keys of every open object and where they stand, null for every open list. */
  const open: (Map<string, number> | null)[] = [];
  /** What may stand here. `first`: the bracket has just been opened, so that it may be closed again. */
  let state: 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'after' = 'value';
  let at = 0;
  for (;;) {
    for (let code = text.charCodeAt(at); code === space || (code >= 9 && code <= 13 && code !== 11 && code !== 12);) {
      code = text.charCodeAt(++at);
    }
    if (at >= text.length) return state === 'after' && open.length === 0 ? null : invalid(at);
    const character = text[at]!;
    if (state === 'after') {
      const keys = open.at(-1);
      if (keys === undefined) return invalid(at);
      if (character === ',') state = keys ? 'key' : 'value';
      else if (character === (keys ? '}' : ']')) open.pop();
      else return invalid(at);
      at++;
    } else if (state === 'colon') {
      if (character !== ':') return invalid(at);
      state = 'value';
      at++;
    } else if ((state === 'first key' && character === '}') || (state === 'first value' && character === ']')) {
      open.pop();
      state = 'after';
      at++;
    } else if (state === 'key' || state === 'first key') {
      const end = character === '"' ? stringEnd(text, at) : -1;
      const key = end < 0 ? null : unescaped(text.slice(at, end));
      if (key === null) return invalid(at);
      const keys = open.at(-1)!;
      const before = keys.get(key);
      if (before !== undefined) return { at, what: `the key ${shortened(key)} is there twice`, before };
      keys.set(key, at);
      state = 'colon';
      at = end;
    } else if (character === '{' || character === '[') {
      if (open.length === maxJsonDepth) return { at, what: `lists and objects are nested more than ${maxJsonDepth} deep` };
      open.push(character === '{' ? new Map() : null);
      state = character === '{' ? 'first key' : 'first value';
      at++;
    } else if (character === '"') {
      const end = stringEnd(text, at);
      if (end < 0) return invalid(at);
      state = 'after';
      at = end;
    } else {
      scalar.lastIndex = at;
      const value = scalar.exec(text)?.[0];
      if (value === undefined) return invalid(at);
      if (!anyNumber && /^[-\d]/.test(value) && !Number.isFinite(Number(value))) return { at, what: 'this number is too large' };
      state = 'after';
      at += value.length;
    }
  }
}

/** The place after the closing quote; -1 where it is not closed, or holds what JSON forbids. @param from of the opening quote */
function stringEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code < space) return -1;
    if (code !== backslash) continue;
    const escape = text.charCodeAt(++at);
    if (escape === letterU) {
      for (let digit = 0; digit < 4; digit++) if (!isHex(text.charCodeAt(++at))) return -1;
    } else if (!escapable.has(escape)) return -1;
  }
  return -1;
}

function isHex(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

/** What a string says. @param literal with its quotes, of text that was accepted */
export function unescaped(literal: string): string {
  return literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
}

function shortened(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
