/**
 * Where a reply, or a solution in a question file, says its answer, and in which order the ways of saying it are tried. Reading only, in
 * linear time: what the answer is worth is `number.ts`.
 */
import { noSuch } from '../errors.ts';
import type { AnswerForm } from './answer-forms.ts';
import { readAmount } from './number.ts';

export interface Extracted {
  readonly form: AnswerForm;
  /** In order: the last one counts. Several are steps, or a guess at more than one answer. */
  readonly answers: readonly string[];
  /** Nothing but a comma, `and` or `or` stands between them: they are one list. */
  readonly joined: boolean;
}

/** What the first form that the reply uses says; null where it uses none of them. */
export function extractAnswers(reply: string, order: readonly AnswerForm[]): Extracted | null {
  for (const form of order) {
    const found = form === 'boxed' ? boxesOf(reply) : { answers: answersOf(reply, form), joined: false };
    if (found.answers.length > 0) return { form, ...found };
  }
  return null;
}

/** A solution that says its answer in this form. @param boxed the task's own, `\\boxed{42}` */
export function solutionAs(boxed: string, answer: string, form: AnswerForm): string {
  switch (form) {
    case 'boxed':
      return boxed;
    case 'hashes':
      return `#### ${answer}`;
    case 'answer-is':
      return `The answer is ${answer}.`;
    case 'answer-tag':
      return `<answer>${answer}</answer>`;
    case 'choice':
    case 'last-number':
      return answer;
    default:
      return noSuch('form of an answer', form);
  }
}

function answersOf(reply: string, form: Exclude<AnswerForm, 'boxed'>): readonly string[] {
  const one = (answer: string | null) => (answer === null ? [] : [answer]);
  switch (form) {
    case 'answer-tag':
      return one(taggedAnswer(reply));
    case 'hashes':
      return one(markedAnswer(reply));
    case 'answer-is':
      return one(statedAnswer(reply));
    case 'choice':
      return one(lastChoice(reply));
    case 'last-number':
      return one(lastNumber(reply));
    default:
      return noSuch('form of an answer', form);
  }
}

/**
 * The contents of every `\boxed{…}` with balanced braces, in order; of boxes within a box the outermost. `\boxed 5` boxes what follows.
 * An unclosed one, as in a truncated completion, is none.
 */
export function boxedAnswers(text: string): readonly string[] {
  return boxesOf(text).answers;
}

function boxesOf(text: string): { readonly answers: readonly string[]; readonly joined: boolean } {
  const answers: string[] = [];
  /** Where the box before ended. */
  let before: number | null = null;
  let joined = true;
  const box = /\\(?:boxed|fbox)(?![a-zA-Z])\s*/g;
  let closings: ReadonlyMap<number, number> | null = null;
  for (let match = box.exec(text); match; match = box.exec(text)) {
    if (text[box.lastIndex] !== '{') {
      const content = bare(text, box.lastIndex);
      if (content !== '') {
        answers.push(content);
        joined &&= before === null || joins(text.slice(before, match.index));
      }
      box.lastIndex += content.length;
      before = box.lastIndex;
      continue;
    }
    closings ??= closingBraces(text);
    const start = box.lastIndex + 1;
    const end = closings.get(box.lastIndex);
    if (end !== undefined) {
      answers.push(text.slice(start, end).trim());
      joined &&= before === null || joins(text.slice(before, match.index));
      before = end + 1;
    }
    box.lastIndex = end === undefined ? start : end + 1;
  }
  return { answers, joined: joined && answers.length > 1 };
}

/** Whether what stands between two boxes makes one list of them. */
function joins(between: string): boolean {
  return between.length < 30 && /^(?:and|or|,|,and|,or|\\text\{and\}|\\text\{or\}|\\quad)$/.test(between.replace(/[\s$]/g, ''));
}

/** What the last `<answer>…</answer>` holds; null where there is none that is closed. */
function taggedAnswer(text: string): string | null {
  const end = text.lastIndexOf('</answer>');
  const start = end < 0 ? -1 : text.lastIndexOf('<answer>', end);
  return start < 0 ? null : text.slice(start + '<answer>'.length, end).trim();
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

/** A reply of more headings has no answer among them. */
const maxHeadings = 50;

/**
 * What the last `####` says, GSM8K's mark: the rest of its line, whole. A Markdown heading (`#### 1. Setup`, `#### Step 2`) says nothing.
 * Null where there is no mark.
 */
export function markedAnswer(text: string): string | null {
  if (!text.includes('####')) return null;
  const lines = text.split('\n').map((line) => line.trim());
  /** The next line that is not blank. */
  let following = '';
  let looked = 0;
  for (const line of lines.reverse()) {
    if (looked === maxHeadings) return null;
    const mark = line.includes('####') ? [...line.matchAll(/#+/g)].findLast(([hashes]) => hashes.length === 4) : undefined;
    if (mark) {
      looked++;
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
  return /^[^\p{L}\d]*(?:\p{L}|\d+(?:[.):]\s[^\p{L}\d]*\p{L}|\s+\p{Lu}))/u.test(said.slice(0, 100));
}

/** `The answer is`, `the final answer to 3 + 5 is:`, `**Answer:**`; what follows is the answer. */
const statement = /\banswer(?:\s(?:to|of|for)\s[^\n.?!:]{1,80}?)?(?:\s{1,4}(?:is|are|equals|will be|would be)\b|\*{0,2}\s*[:=])/giu;
/** Longer than any answer with what surrounds it. */
const longestStatement = 300;

/** What the last sentence that announces an answer says: its rest, whole, without emphasis. Null where there is none. */
export function statedAnswer(text: string): string | null {
  for (const match of [...text.matchAll(statement)].reverse()) {
    const from = match.index + match[0].length;
    const after = text.slice(from, from + longestStatement).replace(/^[\s:*_`"'“”]+/, '');
    const formula = formulaOf(after);
    if (formula !== null) return formula;
    const rest = after.replace(/^[\s:*_$`"'“”]+/, '');
    const [sentence = ''] = /^[^\n]*?(?=[.!?](?:[\s*_$`"'“”]|$)|\n|$)/.exec(rest) ?? [];
    const said = sentence.replace(/[\s*_$`"'“”,;]{1,20}$/, '');
    if (said !== '') return said;
  }
  return null;
}

const fences: readonly (readonly [string, string])[] = [
  ['$$', '$$'],
  ['\\[', '\\]'],
  ['\\(', '\\)'],
  ['$', '$'],
];

/** A formula between its marks at the beginning of a text, where nothing but the end of a sentence follows it; null where there is none. */
function formulaOf(text: string): string | null {
  const fence = fences.find(([open]) => text.startsWith(open));
  const end = fence ? text.indexOf(fence[1], fence[0].length) : -1;
  if (!fence || end < 0 || !/^[.!?,;*_"'”]*(?:\s|$)/.test(text.slice(end + fence[1].length))) return null;
  const after = text.slice(end + fence[1].length).replace(/^[.!?,;*_"'”]+/, (stop) => (/[.!?]/.test(stop) ? '\n' : ''));
  // Its unit, or a second formula, is part of what is said.
  if (!/^[^\S\n]*(?:\n|$)/.test(after)) return null;
  return text.slice(fence[0].length, end).trim() || null;
}

/** `(C)`, `option C`, `choice: C`, `**C**`, or a line of its own that is `C` or `C.`; the last of them. */
const anyChoice =
  /\(([A-J])\)|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s?(?:is|:)?[\s*]{0,4}\(?([A-J])(?![\p{L}\d])|^[\s*(]{0,4}([A-J])[).:*]{0,3}$/gmu;

/** The last letter of a choice that a text names; null where it names none. */
function lastChoice(text: string): string | null {
  const match = [...text.matchAll(anyChoice)].at(-1);
  return match ? (match[1] ?? match[2] ?? match[3])! : null;
}

/** `1,234.5` `-7` `.5` `3/4` `50%`: one number, as far as it goes. */
const anyNumber = /[-\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\/\d+)?(?:\s?\\?%)?|[-\u2212]?\.\d+/gu;

/** The last number of a text, as it is written; null where there is none. A dash between two numbers (`9-5`, `9 - 5`) is no sign. */
export function lastNumber(text: string): string | null {
  const match = [...text.matchAll(anyNumber)].at(-1);
  if (!match) return null;
  const [written] = match;
  const joined = /[\p{L}\d)\]}%.]/u.test(text.charAt(match.index - 1));
  return joined ? written.replace(/^[-\u2212]/, '') : written;
}
