/** Where a reply, or a solution in a question file, says its answer. Reading only, in linear time: what the answer is worth is `number.ts`. */
import { readAmount } from './number.ts';

/**
 * The contents of every `\boxed{…}` with balanced braces, in order; of boxes within a box the outermost. `\boxed 5` boxes what follows.
 * An unclosed one, as in a truncated completion, is none.
 */
export function boxedAnswers(text: string): string[] {
  const answers: string[] = [];
  const box = /\\(?:boxed|fbox)(?![a-zA-Z])\s*/g;
  let closings: ReadonlyMap<number, number> | null = null;
  for (let match = box.exec(text); match; match = box.exec(text)) {
    if (text[box.lastIndex] !== '{') {
      const content = bare(text, box.lastIndex);
      if (content !== '') answers.push(content);
      box.lastIndex += content.length;
      continue;
    }
    closings ??= closingBraces(text);
    const start = box.lastIndex + 1;
    const end = closings.get(box.lastIndex);
    if (end !== undefined) answers.push(text.slice(start, end).trim());
    box.lastIndex = end === undefined ? start : end + 1;
  }
  return answers;
}

/** Where each brace is closed. `\{` and `\}` are text; a brace that stays open is left out. */
function closingBraces(text: string): Map<number, number> {
  const closings = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') open.push(i);
    else if (text[i] === '}' && open.length > 0) closings.set(open.pop()!, i);
  }
  return closings;
}

/** What a box without braces holds: a number to its end (`3 1/2`), or a command with its arguments, or one character. */
function bare(text: string, from: number): string {
  const content = /[-+\u2212]?[\d.]?[\d.,/ ]*\d|\\[a-zA-Z]+(?:\{[^{}]*\})*\d*|[^\s$]|/y;
  content.lastIndex = from;
  return content.exec(text)![0];
}

/**
 * What the last `####` says, GSM8K's mark: the rest of its line, whole. A Markdown heading (`#### 1. Setup`, `#### Step 2`) says nothing.
 * Null where there is no mark.
 */
export function markedAnswer(text: string): string | null {
  if (!text.includes('####')) return null;
  const lines = text.split('\n').map((line) => line.trim());
  /** The next line that is not blank. */
  let following = '';
  for (const line of lines.reverse()) {
    const mark = line.includes('####') ? [...line.matchAll(/#+/g)].findLast(([hashes]) => hashes.length === 4) : undefined;
    if (mark) {
      const rest = line
        .slice(mark.index + 4)
        .replace(/^:/, '')
        .trim();
      // A mark on a line of its own stands over its answer.
      const said = rest === '' ? following : rest;
      if (said !== '' && !isHeading(said, following === '')) return said;
    }
    if (line !== '') following = line;
  }
  return null;
}

/** @param final nothing follows it */
function isHeading(said: string, final: boolean): boolean {
  const amount = readAmount(said);
  // `#### 5 apples`, but not `#### 2 Setup` over a paragraph.
  if (amount) return !final && amount.unit === '' && /^\P{L}*\p{Lu}/u.test(said);
  return /^[^\p{L}\d]*(?:\p{L}|\d+(?:[.):]\s+[^\p{L}\d]*\p{L}|\s+\p{Lu}))/u.test(said.slice(0, 100));
}
