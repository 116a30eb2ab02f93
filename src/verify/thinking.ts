/** Which part of a completion is the reply, where the policy thinks aloud before it. The marks are `policy/thinking.ts`. */
import { thinkingMarks } from '../policy/thinking.ts';

/**
 * The completion without its thinking; null where the thinking never ended, as in a completion that was cut off inside it.
 * A mark that is only spoken of (`I use no <think> here`) is text. Linear time.
 * @param opened the closing mark of a thinking that the prompt opened (`openedThinking`)
 */
export function withoutThinking(completion: string, opened: string | null = null): string | null {
  const marks = thinkingMarks(completion);
  const lastClosing = new Map<string, number>();
  for (const { opens, closing, start } of marks) if (!opens) lastClosing.set(closing, start);
  if (opened !== null && !lastClosing.has(opened)) return null;
  let kept: string[] = [];
  /** Where the text begins that is not kept yet, and where the marks that were seen end. */
  let from = 0;
  let seen = 0;
  let inside = opened;
  /** Where the reply opened the thinking that it is inside of; null where the prompt did. */
  let openedAt: number | null = null;
  /** Whether nothing but blanks was said so far, and in this line. */
  let silent = true;
  let silentLine = true;
  for (const { start, end, opens, closing } of marks) {
    if (inside !== null) {
      if (opens || closing !== inside) continue;
      if (openedAt === null) kept = [];
      else kept.push(completion.slice(from, openedAt));
      inside = null;
      from = seen = end;
      continue;
    }
    const gap = completion.slice(seen, start);
    const line = gap.lastIndexOf('\n') + 1;
    silentLine = (line > 0 || silentLine) && gap.slice(line).trim() === '';
    silent &&= gap.trim() === '';
    seen = end;
    if (!opens) {
      // Its opening was never written: all of it was thinking.
      kept = [];
      from = end;
      silent = silentLine = true;
    } else if ((lastClosing.get(closing) ?? -1) > start) {
      inside = closing;
      openedAt = start;
    } else {
      // Never closed: it begins a thinking where it comes first or has its line to itself.
      if (silent || (silentLine && restOfLine(completion, end).trim() === '')) return null;
      silent = silentLine = false;
    }
  }
  return inside === null ? kept.join('') + completion.slice(from) : null;
}

function restOfLine(text: string, from: number): string {
  const end = text.indexOf('\n', from);
  return text.slice(from, end < 0 ? text.length : end);
}
