/**
 * How often the policy is right under each persona: the same held-out questions for every persona, never trained on.
 * It is not the training reward (`rl/`), and what is concluded from the accuracies (stability, fidelity) is not here.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona } from '../persona/persona.ts';
import { LabError } from '../errors.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { PromptRoom } from '../persona/room.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { Purpose, Stream } from '../random/counter.ts';
import type { Knobs, Question, Task } from '../tasks/question.ts';
import type { QuestionSource } from '../tasks/source.ts';
import { generatedSource } from '../tasks/sources.ts';
import { verify } from '../verify/verify.ts';
import { generateReplies } from './replies.ts';

export interface AccuracyRequest {
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  /** null: without a persona. */
  readonly personas: readonly (Persona | null)[];
  readonly task: Task;
  readonly knobs?: Partial<Knobs>;
  /** Questions per persona. */
  readonly problems: number;
  readonly seed: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly maxNewTokens?: number;
  /** Rows of one generation; the result does not depend on it, the memory does. */
  readonly batchRows?: number;
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

export interface PersonaScore {
  readonly personaId: string | null;
  readonly correct: number;
  readonly total: number;
}

/** Questions that the policy has no room for under one of the personas are passed over. @throws LabError 'cancelled' when the signal is aborted, 'config' where no question fits */
export async function accuracyByPersona(request: AccuracyRequest): Promise<PersonaScore[]> {
  const { tokenizer, personas, task, maxNewTokens = 24, batchRows = 128 } = request;
  const room = new PromptRoom(tokenizer, personas, maxNewTokens);
  const { limit } = room;
  const fits = ({ text }: Question) => room.fits(text);
  const questions = evaluationQuestions(generatedSource(task, request.knobs), request.problems, request.seed, fits);
  let done = 0;
  const replies = await generateReplies({
    ...request,
    prompts: personas.flatMap((persona) =>
      questions.map((question) => renderPrompt(tokenizer, persona?.text ?? null, question.text, limit)),
    ),
    samples: 1,
    step: 0,
    firstRow: 0,
    maxNewTokens,
    batchRows,
    onReplies: (count) => request.onProgress?.((done += count) / (personas.length * questions.length)),
  });
  const verdicts = await Promise.all(
    replies.map(({ text, thinking }, row) => verify(text, questions[row % questions.length]!, task, thinking)),
  );
  return personas.map((persona, index) => ({
    personaId: persona?.id ?? null,
    correct: verdicts.slice(index * questions.length, (index + 1) * questions.length).filter(({ correct }) => correct).length,
    total: questions.length,
  }));
}

/**
 * `count` questions of the evaluation split, all different as long as the source has that many; of an imported set no more than it has.
 * The same for every persona, checkpoint and policy that is asked with this seed.
 * @param fits questions for which it is false are passed over  @throws LabError 'config' where that leaves none
 */
export function evaluationQuestions(
  source: QuestionSource,
  count: number,
  seed: number,
  fits: (question: Question) => boolean = () => true,
): Question[] {
  const different = new Map<string, Question>();
  const all: Question[] = [];
  const has = source.count?.evaluation;
  const wanted = Math.min(count, has ?? count);
  // A small task runs out of new questions; ten times as many draws find nearly all there are. A set deals each of its own once.
  for (let draw = 0; draw < (has ?? 10 * count) && different.size < wanted; draw++) {
    const question = source.draw(new Stream(seed, Purpose.evaluation, draw), 'evaluation');
    if (!fits(question)) continue;
    all.push(question);
    different.set(question.id, question);
  }
  const questions = [...different.values()];
  if (questions.length === 0) {
    throw new LabError(
      'config',
      `The policy has no room for a question of ${has === undefined ? `the task ${source.id}` : source.id}.`,
      `Generate fewer tokens, or choose another ${has === undefined ? 'task' : 'set'}.`,
    );
  }
  if (has === undefined) for (let i = 0; questions.length < count; i++) questions.push(all[i]!);
  return questions;
}
