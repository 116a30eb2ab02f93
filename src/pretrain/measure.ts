/**
 * What the pre-trained base does, persona by persona: how often it is right and in whose voice it speaks. These are the
 * figures of the model card. It samples at temperature 1, as a rollout does; the evaluation of trained runs is `evaluate/`.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona } from '../persona/persona.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { personas, voiceOf } from '../persona/world.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { taskById } from '../tasks/index.ts';
import { roleplayQuestion } from '../tasks/roleplay.ts';
import type { Question } from '../tasks/question.ts';
import { verify } from '../verify/verify.ts';

/** Counts over the replies to one persona's questions; `voice` is the voice heard, `mixed` where markers of two meet. */
export interface VoiceCounts {
  readonly [voice: string]: { readonly replies: number; readonly correct: number };
}

export interface PersonaMeasure {
  readonly persona: Persona | null;
  readonly task: VoiceCounts;
  readonly roleplay: VoiceCounts;
}

export interface MeasureOptions {
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  readonly taskId: string;
  /** Held-out questions per persona, the same for every persona. */
  readonly problems: number;
  readonly seed: number;
  readonly eosIds: readonly number[];
  readonly onProgress?: (done: number, total: number) => void;
}

const rowsPerCall = 128;
const maxNewTokens = 40;

/** Accuracy and voices of the policy under no persona and under every one of the world, sampled at temperature 1, [1 + P]. */
export async function measureBase(options: MeasureOptions): Promise<PersonaMeasure[]> {
  const { taskId, problems, seed } = options;
  const task = taskById(taskId);
  const draw = (make: (stream: Stream) => Question) =>
    Array.from({ length: problems }, (_, i) => make(new Stream(seed, Purpose.evaluation, i)));
  const taskQuestions = draw((stream) => task.generate(stream, 'evaluation'));
  const roleplayQuestions = draw((stream) => roleplayQuestion(stream, 'evaluation'));
  const everyone = [null, ...personas];
  const measures: PersonaMeasure[] = [];
  for (const persona of everyone) {
    const firstRow = measures.length * problems * 2;
    const taskCounts = await count(
      options,
      persona,
      taskQuestions,
      firstRow,
      async (reply, q, thinking) => (await verify(reply, q, task, thinking)).correct,
    );
    const roleplayCounts = await count(options, persona, roleplayQuestions, firstRow + problems, () => Promise.resolve(false));
    measures.push({ persona, task: taskCounts, roleplay: roleplayCounts });
    options.onProgress?.(measures.length, everyone.length);
  }
  return measures;
}

async function count(
  options: MeasureOptions,
  persona: Persona | null,
  questions: readonly Question[],
  firstRow: number,
  isCorrect: (reply: string, question: Question, thinking: string | null) => Promise<boolean>,
): Promise<VoiceCounts> {
  const { engine, tokenizer, seed, eosIds } = options;
  const counts: Record<string, { replies: number; correct: number }> = {};
  for (let first = 0; first < questions.length; first += rowsPerCall) {
    const chunk = questions.slice(first, first + rowsPerCall);
    const prompts = chunk.map((question) => renderPrompt(tokenizer, persona?.text ?? null, question.text));
    const rollouts = await engine.generate({
      prompts: prompts.map(({ tokens }) => tokens),
      repeats: 1,
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens, eosIds, seed, step: 0, firstRow: firstRow + first },
    });
    for (const [r, question] of chunk.entries()) {
      const row = r * rollouts.width;
      const end = rollouts.lengths[r]! - rollouts.ended[r]!;
      const reply = tokenizer.decode(rollouts.tokens.subarray(row + rollouts.promptLengths[r]!, row + end));
      const cell = (counts[voiceOf(reply) ?? 'mixed'] ??= { replies: 0, correct: 0 });
      cell.replies++;
      if (await isCorrect(reply, question, prompts[r]!.thinking)) cell.correct++;
    }
  }
  return counts;
}

/** Share of right answers over all voices. */
export function accuracyOf(counts: VoiceCounts): number {
  const cells = Object.values(counts);
  return cells.reduce((sum, c) => sum + c.correct, 0) / cells.reduce((sum, c) => sum + c.replies, 0);
}

/** Share of replies in one voice. */
export function voiceShare(counts: VoiceCounts, voice: string): number {
  const total = Object.values(counts).reduce((sum, c) => sum + c.replies, 0);
  return (counts[voice]?.replies ?? 0) / total;
}
