/** From the replies of an examination to votes: what every persona answered to every problem, whether it was right, and what that cost in tokens. */
import { breathe } from '../engine/breathe.ts';
import type { Persona } from '../persona/persona.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { Question } from '../tasks/question.ts';
import type { Vote, VoteTable } from './inference.ts';
import type { QuestionSet } from './questions.ts';
import { stopped, type Reply } from './replies.ts';

export interface Votes {
  readonly personas: readonly Persona[];
  /** [N] */
  readonly questions: readonly Question[];
  /** [P][N * samples], the samples of a question consecutive: the first of them votes. */
  readonly replies: readonly (readonly Reply[])[];
  readonly samples: number;
  readonly judge: QuestionSet['judge'];
  readonly tokenizer: Tokenizer;
  readonly signal?: AbortSignal;
}

/** @throws LabError 'cancelled' when the signal is aborted */
export async function voteTable({ personas, questions, replies, samples, judge, tokenizer, signal }: Votes): Promise<VoteTable> {
  const table: Vote[][] = [];
  for (const [p, persona] of personas.entries()) {
    await breathe();
    if (signal?.aborted) throw stopped();
    table.push(
      await Promise.all(
        questions.map(async (question, i): Promise<Vote> => {
          const reply = replies[p]![i * samples]!;
          const { parsed, correct } = await judge(reply, question);
          const read = renderPrompt(tokenizer, persona.text, question.text, Infinity).tokens.length;
          return { answer: parsed, correct, read, written: reply.tokens.length };
        }),
      ),
    );
  }
  return table;
}
