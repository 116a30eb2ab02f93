/**
 * What of the benchmark is asked: personas drawn by the seed, and of each task the first questions that every policy can read. It is the
 * same for all policies, and small enough to be stored with the judgement, which then needs the file no more.
 */
import { LabError, labErrorCode } from '../../errors.ts';
import { personaPrompt } from '../../persona/describe.ts';
import { needPersonaPlace, ownPromptSentence } from '../../persona/place.ts';
import { PromptTooLong, renderPrompt } from '../../persona/prompt.ts';
import { Purpose, Stream } from '../../random/counter.ts';
import { promptLimit, type Reader } from '../plan.ts';
import type { Benchmark } from './benchmark.ts';
import type { RubricName } from './scale.ts';
import { benchmarkTasks, judgeTasks, type JudgeTask } from './tasks.ts';

export interface JudgePlan {
  readonly benchmark: string;
  readonly personas: readonly PlannedPersona[];
  /** Questions that were looked at and could not be asked, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** What the judge is asked for; absent: PersonaGym's scores, and in older judgements. */
  readonly rubric?: RubricName;
  /** Of policies whose chat template has a system prompt of its own, a sentence each; absent where none has, and in older judgements. */
  readonly ownPrompts?: readonly string[];
}

export interface PlannedPersona {
  /** Place in the file. */
  readonly place: number;
  readonly description: string;
  /** What the policy is told, where it is not made of the description. */
  readonly prompt?: string;
  readonly questions: readonly PlannedQuestion[];
}

export interface PlannedQuestion {
  readonly task: JudgeTask;
  /** Place in the file's list. */
  readonly place: number;
  readonly text: string;
}

export interface JudgePlanSettings {
  readonly personas: number;
  /** Of each task and persona, at most. */
  readonly questions: number;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Absent: PersonaGym's. */
  readonly rubric?: RubricName;
}

/** The system prompt of a planned persona. */
export const toldTo = ({ description, prompt }: Pick<PlannedPersona, 'description' | 'prompt'>): string =>
  prompt ?? personaPrompt(description);

/** @throws LabError 'config' where the chat template takes no persona, or none has a question that can be asked */
export function planJudging(benchmark: Benchmark, readers: readonly Reader[], asked: JudgePlanSettings): JudgePlan {
  for (const { tokenizer } of readers) needPersonaPlace(tokenizer);
  const { rubric = 'personagym' } = asked;
  const tasks = rubric === 'role' ? judgeTasks : benchmarkTasks;
  const onlyRoles = benchmark.personas.every(({ questions }) => tasks.every(({ id }) => questions[id] === undefined));
  if (onlyRoles) {
    const next = 'Choose the role rubric (permix judge --rubric role).';
    throw new LabError('config', `${benchmark.name} has questions of roles, which PersonaGym's criteria do not fit.`, next);
  }
  const leftOut: Record<string, number> = {};
  let first: LabError | null = null;
  const readable = (persona: Pick<PlannedPersona, 'description' | 'prompt'>, question: string): boolean => {
    try {
      for (const reader of readers) {
        renderPrompt(reader.tokenizer, toldTo(persona), question, promptLimit(reader, asked.maxNewTokens));
      }
      return true;
    } catch (error) {
      const code = labErrorCode(error);
      if (code !== 'format' && code !== 'config') throw error;
      first ??= error as LabError;
      const changed = error instanceof PromptTooLong ? 'longer than the policy can read' : 'persona changed by the chat template';
      const reason = code === 'format' ? 'characters the policy cannot read' : changed;
      leftOut[reason] = (leftOut[reason] ?? 0) + 1;
      return false;
    }
  };
  const order = new Stream(asked.seed, Purpose.evaluation, 0, 5).shuffle(benchmark.personas.map((_, place) => place));
  const personas: PlannedPersona[] = [];
  for (const place of order) {
    if (personas.length === asked.personas) break;
    const { description, prompt, questions } = benchmark.personas[place]!;
    const told = { description, ...(prompt === undefined ? {} : { prompt }) };
    const planned = tasks.flatMap(({ id: task }) => {
      const taken: PlannedQuestion[] = [];
      for (const [q, text] of (questions[task] ?? []).entries()) {
        if (taken.length === asked.questions) break;
        if (readable(told, text)) taken.push({ task, place: q, text });
      }
      return taken;
    });
    if (planned.length > 0) personas.push({ place, ...told, questions: planned });
  }
  if (personas.length === 0) {
    throw new LabError(
      'config',
      `No question of ${benchmark.name} can be asked: ${(first as LabError | null)?.message ?? 'there is none.'}`,
      'Choose a policy that reads more, or shorter replies.',
    );
  }
  const ownPrompts = readers.map(({ tokenizer, name }) => ownPromptSentence(tokenizer, name)).filter((sentence) => sentence !== null);
  return {
    benchmark: benchmark.name,
    personas,
    leftOut,
    ...(rubric === 'personagym' ? {} : { rubric }),
    ...(ownPrompts.length > 0 ? { ownPrompts } : {}),
  };
}

/** Questions of the plan, for one policy. */
export function plannedQuestions({ personas }: JudgePlan): number {
  return personas.reduce((sum, { questions }) => sum + questions.length, 0);
}

/** Tokens of a reply where nothing else is asked for: a fifth of what the policy reads, so that most of it is left for the question. */
export function replyTokens(maxPositions: number): number {
  return Math.max(1, Math.min(256, Math.floor(maxPositions / 5)));
}
