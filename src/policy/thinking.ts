/**
 * The marks between which a policy thinks aloud before it replies, and whether a rendered prompt has already written the opening one, as
 * many chat templates do. What of a completion is then its reply is `verify/thinking.ts`.
 */

/** Case aside. Names between `<…>` and `</…>`, then those of families that write theirs differently. */
const names = ['think', 'thinking', 'thought', 'thoughts', 'reasoning', 'reason', 'analysis', 'scratchpad', 'seed:think'];
const pairs: readonly (readonly [opening: string, closing: string])[] = [
  ...names.map((name) => [`<${name}>`, `</${name}>`] as const),
  ['[think]', '[/think]'],
  ['◁think▷', '◁/think▷'],
  ['<|begin_of_thought|>', '<|end_of_thought|>'],
  ['<|start_thinking|>', '<|end_thinking|>'],
];

const anyMark = new RegExp(
  pairs
    .flat()
    .map((mark) => mark.replace(/[|[\]/]/g, '\\$&'))
    .join('|'),
  'gi',
);

export interface ThinkingMark {
  /** Where it begins and ends in the text. */
  readonly start: number;
  readonly end: number;
  readonly opens: boolean;
  /** The closing mark of its kind. */
  readonly closing: string;
}

/** All marks of a text, in order, in linear time. One that is quoted, as in `write "<think>" first`, is spoken of and does not count. */
export function thinkingMarks(text: string): ThinkingMark[] {
  const marks: ThinkingMark[] = [];
  for (const match of text.matchAll(anyMark)) {
    const start = match.index;
    const end = start + match[0].length;
    if (/["'`“‘«]/.test(text.charAt(start - 1)) && /["'`”’»]/.test(text.charAt(end))) continue;
    const mark = match[0].toLowerCase();
    const [opening, closing] = pairs.find((pair) => pair.includes(mark))!;
    marks.push({ start, end, opens: mark === opening, closing });
  }
  return marks;
}

/** Whether a token opens or closes a thinking. */
export function isThinkingMark(token: string): boolean {
  const mark = token.trim().toLowerCase();
  return pairs.some((pair) => pair.includes(mark));
}

/**
 * The closing mark of the thinking that a rendered prompt leaves open for the completion, e.g. `</think>`; null where it opens none.
 * Only what the template wrote after the question counts: a question or a persona may speak of such marks.
 */
export function openedThinking(prompt: string, question: string): string | null {
  const asked = question.trim();
  const at = asked === '' ? -1 : prompt.lastIndexOf(asked);
  const after = at < 0 ? prompt : prompt.slice(at + asked.length);
  const last = thinkingMarks(after).at(-1);
  return last?.opens && after.slice(last.end).trim() === '' ? last.closing : null;
}
