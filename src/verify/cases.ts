/** One case of a file of cases: a gold answer, and a completion or the answer itself. What is equal is `grade.ts`. */
import type { AnswerForm } from './answer-forms.ts';
import { extractAnswers } from './extract.ts';
import { readGold } from './grade.ts';
import { withoutThinking } from './thinking.ts';
import { goldAnswer, verifyGold } from './verify.ts';

export interface Case {
  readonly gold: string;
  /** A whole reply, whose answer is looked for. */
  readonly completion?: string;
  /** The answer itself; where it boxes, marks or announces one it is read as a reply. */
  readonly pred?: string;
}

export interface CaseVerdict {
  /** Null where the gold answer is none that can be compared. */
  readonly equal: boolean | null;
  readonly extracted: string | null;
  readonly trace: readonly string[];
}

export async function verifyCase({ gold, completion, pred }: Case, order: readonly AnswerForm[]): Promise<CaseVerdict> {
  if (pred !== undefined) {
    // An answer is not searched for a number in it.
    const said = order.filter((form) => form !== 'last-number' && form !== 'choice');
    const reply = withoutThinking(pred);
    if (reply !== null && extractAnswers(reply, said) === null) return alone(gold, reply.trim());
    return inReply(gold, pred, said);
  }
  return inReply(gold, completion ?? '', order);
}

async function inReply(gold: string, reply: string, order: readonly AnswerForm[]): Promise<CaseVerdict> {
  const verdict = await verifyGold(reply, gold, null, order);
  if (verdict) return { equal: verdict.correct, extracted: verdict.parsed, trace: verdict.trace };
  const extracted = extractAnswers(withoutThinking(reply) ?? '', order)?.answers.at(-1) ?? null;
  return { equal: null, extracted, trace: [noGold] };
}

async function alone(gold: string, answer: string): Promise<CaseVerdict> {
  const expected = await readGold(goldAnswer(gold));
  if (!expected) return { equal: null, extracted: answer, trace: [noGold] };
  return { ...(await expected.grade(answer)), extracted: answer };
}

const noGold = 'the gold answer is none that can be compared';
