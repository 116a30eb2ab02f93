/** Marks a probe's reply where the question holds one sum to work out; any other question gets no mark. */
import { parseExpression, wholeValue } from '../tasks/expression.ts';
import type { AnswerForm } from '../verify/answer-forms.ts';
import { verifyGold } from '../verify/verify.ts';

/** The value of the only expression in a question, null where there is none or it is no whole number. */
export function expectedAnswer(question: string): string | null {
  const symbols = question
    .replace(/\b(?:sum of|add) (\d+) and (\d+)\b/i, '$1 + $2')
    .replace(/\bsubtract (\d+) from (\d+)\b/i, '$2 - $1')
    .replace(/\btake (\d+) away from (\d+)\b/i, '$2 - $1')
    .replace(/\bplus\b/g, '+')
    .replace(/\bminus\b|[−–]/g, '-')
    .replace(/\btimes\b|×/g, '*');
  const expressions = symbols.match(/(?<!\()\(*\d+[\d\s+*()-]*\d\)*|\d/g)?.filter((text) => /[+*-]/.test(text)) ?? [];
  const expression = expressions.length === 1 ? parseExpression(expressions[0]!) : null;
  return expression ? (wholeValue(expression)?.toString() ?? null) : null;
}

/** Null: cannot be said. @param answers how the reply may say its answer */
export async function isRight(
  question: string,
  reply: string,
  thinking: string | null = null,
  answers?: readonly AnswerForm[],
): Promise<boolean | null> {
  const expected = expectedAnswer(question);
  return expected === null ? null : ((await verifyGold(reply, expected, thinking, answers))?.correct ?? null);
}
