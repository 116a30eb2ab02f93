/**
 * The elements of a JSON list as texts, one by one, while the file is being read: `JSON.parse` would need the whole of it. Only where elements
 * begin and end is found here; whether each is valid is for who parses it.
 */
import { LabError } from '../../errors.ts';
import { longestRow, tooLong } from './row.ts';

export interface Element {
  readonly text: string;
  /** That it begins in. */
  readonly line: number;
  /** What is wrong there instead, in the words that follow `line 3: `; the last of all. */
  readonly fault?: string;
}

const broken = 'this is not valid JSON';

/** Of a list, or of the list that an object has as its `data`. @throws LabError 'format' where there is none */
export async function* jsonElements(text: AsyncIterable<string>, file: string): AsyncGenerator<Element> {
  let line = 1;
  /** Brackets open around this character. */
  let depth = 0;
  /** Depth within the list; -1: it has not begun. */
  let inside = -1;
  let ended = false;
  let [inString, escaped] = [false, false];
  /** The last string of the outer object, and whether a colon came after it. */
  let [key, afterColon, keyStart] = ['', false, -1];
  /** What may stand between two elements. */
  let expects: 'element' | 'first' | 'comma' = 'first';
  /** The element that is being read: its text in earlier pieces, and where it goes on in this one. */
  let [kept, from, startLine] = ['', -1, 0];
  /** An element without brackets: a number or a word. */
  let bare = false;
  let outer = '';

  for await (const piece of text) {
    for (let at = 0; at < piece.length; at++) {
      const character = piece[at]!;
      if (character === '\n') line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (character === '\\') escaped = true;
        else if (character === '"') {
          inString = false;
          if (inside < 0) key = outer + piece.slice(keyStart, at);
          else if (depth === inside && from >= 0) {
            yield { text: kept + piece.slice(from, at + 1), line: startLine };
            [kept, from] = ['', -1];
            expects = 'comma';
          }
        }
        continue;
      }
      const blank = character === ' ' || character === '\n' || character === '\r' || character === '\t';
      if (ended) {
        // What an object has beside its list is its own business.
        if (inside === 1 && !blank) return yield { text: '', line, fault: 'there is more after the end of the list' };
        continue;
      }
      if (inside < 0) {
        if (blank) continue;
        if (character === '"') [inString, keyStart, outer, afterColon] = [true, at + 1, '', false];
        else if (character === ':') afterColon = depth === 1;
        else if (character === '[' && (depth === 0 || (depth === 1 && afterColon && key === 'data'))) inside = ++depth;
        else if (character === '{' || character === '[') depth++;
        else if (character === '}' || character === ']') depth--;
        if (character === ',') afterColon = false;
        continue;
      }
      if (from < 0) {
        if (blank) continue;
        if (character === ',') {
          if (expects !== 'comma') return yield { text: '', line, fault: broken };
          expects = 'element';
          continue;
        }
        if (character === ']') {
          if (expects === 'element') return yield { text: '', line, fault: broken };
          [ended, depth] = [true, depth - 1];
          continue;
        }
        if (expects === 'comma') return yield { text: '', line, fault: broken };
        [from, startLine, bare] = [at, line, false];
        if (character === '"') inString = true;
        else if (character === '{' || character === '[') depth++;
        else bare = true;
        continue;
      }
      if (bare) {
        if (!blank && character !== ',' && character !== ']') continue;
        yield { text: kept + piece.slice(from, at), line: startLine };
        [kept, from, expects] = ['', -1, 'comma'];
        // Read once more, as what stands between two elements.
        if (character === '\n') line--;
        at--;
      } else if (character === '"') inString = true;
      else if (character === '{' || character === '[') depth++;
      else if ((character === '}' || character === ']') && --depth === inside) {
        yield { text: kept + piece.slice(from, at + 1), line: startLine };
        [kept, from, expects] = ['', -1, 'comma'];
      }
    }
    if (from >= 0) {
      kept += piece.slice(from);
      from = 0;
      if (kept.length > longestRow) throw tooLong(file, startLine);
    }
    if (inString && inside < 0) {
      outer += piece.slice(keyStart);
      keyStart = 0;
      if (outer.length > longestRow) throw tooLong(file, line);
    }
  }
  if (inside < 0) {
    throw new LabError(
      'format',
      `${file} is neither a JSON list nor an object with a list called "data".`,
      'Give JSON lines, a JSON list, or CSV with a heading.',
    );
  }
  if (!ended) yield { text: '', line, fault: 'the file ends within the list' };
}
