/** Where a completion says its answer. Reading only: whether the answer is right is `equivalence.ts` and the tasks. */

/** What counts as the reply of a completion that thinks aloud: the text after the last `</think>`; null where thinking never ended. */
export function replyOf(completion: string): string | null {
  const end = completion.lastIndexOf('</think>');
  if (end >= 0) return completion.slice(end + '</think>'.length);
  return completion.includes('<think>') ? null : completion;
}

/** The contents of every `\boxed{…}` with balanced braces, in order. An unclosed one, as in a truncated completion, is none. */
export function boxedAnswers(text: string): string[] {
  const answers: string[] = [];
  const opening = /\\boxed\s*\{/g;
  for (let match = opening.exec(text); match; match = opening.exec(text)) {
    const end = closingBrace(text, opening.lastIndex);
    if (end < 0) break;
    answers.push(text.slice(opening.lastIndex, end).trim());
    opening.lastIndex = end + 1;
  }
  return answers;
}

/** Index of the brace that closes a group whose content starts at `from`; -1 where it stays open. `\{` and `\}` are text. */
function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

/** The number after the last `####`, GSM8K's mark, without currency and thousands separators; null where there is none. */
export function gsm8kAnswer(text: string): string | null {
  const marks = [...text.matchAll(/####:?\s*(-?)\s*\$?\s*(-?[\d.,]*\d)/g)];
  const last = marks.at(-1);
  return last ? `${last[1]}${last[2]}`.replaceAll(',', '') : null;
}
