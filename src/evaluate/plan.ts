/**
 * What exactly will be asked: the first questions that every candidate can read under every persona, the same for all of them.
 * Nothing is generated here.
 */
import { LabError, labErrorCode } from '../errors.ts';
import type { Persona } from '../persona/persona.ts';
import { needPersonaPlace } from '../persona/place.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { roleplayKinds, roleplayQuestions } from '../tasks/roleplay.ts';
import type { Question, Split } from '../tasks/question.ts';
import type { QuestionSet } from './questions.ts';
import { trainingFactor } from './training-factor.ts';

/** What reads the prompts. */
export interface Reader {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** Of the policy: prompt and reply together. */
  readonly maxPositions: number;
}

export interface EvaluationPlan {
  readonly task: readonly Question[];
  readonly roleplay: readonly Question[];
  /** For the voice classifier; no question of the above. */
  readonly taskTraining: readonly Question[];
  readonly roleplayTraining: readonly Question[];
  /** Questions of the set that were left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

export interface EvaluationPlanSettings {
  readonly problems: number;
  /** Replies per persona that fidelity is measured on, of each kind; 0: none. */
  readonly fidelityReplies: number;
  readonly maxNewTokens: number;
}

/** @throws LabError 'config' for fewer than two, or for two that nobody could tell apart */
export function checkPersonas(personas: readonly Persona[]): void {
  const wrong = (what: string, next: string) => new LabError('config', what, next);
  if (personas.length < 2) {
    const there = personas.length === 0 ? 'there is none' : 'there is 1';
    throw wrong(`An evaluation compares personas, and ${there}.`, 'Choose at least two personas.');
  }
  const twice = personas.find(({ id }, i) => personas.findIndex((other) => other.id === id) < i);
  if (twice) throw wrong(`The persona "${twice.id}" is there twice.`, 'Give each persona once.');
  if (personas.some(({ id }) => id === 'none')) throw wrong('"none" cannot be the id of a persona.', 'Choose another id.');
}

/** @throws LabError 'config' where nothing can be asked, or a tokenizer's own error where no question is the reason */
export function planEvaluation(
  set: QuestionSet,
  personas: readonly Persona[],
  readers: readonly Reader[],
  settings: EvaluationPlanSettings,
): EvaluationPlan {
  const leftOut: Record<string, number> = { ...set.leftOut };
  const obstacle = obstacleFinder(personas, readers, settings.maxNewTokens);
  let first: LabError | null = null;
  const take = (questions: readonly Question[], most: number, count: boolean) => {
    const taken: Question[] = [];
    for (const question of questions) {
      if (taken.length === most) break;
      const error = obstacle(question);
      if (!error) taken.push(question);
      else if (count) {
        first ??= error;
        const reason = labErrorCode(error) === 'format' ? 'has characters the policy cannot read' : 'longer than the policy can read';
        leftOut[reason] = (leftOut[reason] ?? 0) + 1;
      }
    }
    return taken;
  };

  const task = take(set.questions, settings.problems, true);
  if (task.length === 0) {
    throw first ?? new LabError('config', `There is no question in ${set.name}.`, 'Choose other questions.');
  }
  const most = Math.min(settings.fidelityReplies, task.length);
  const asked = new Set(task.map(({ id }) => id));
  const unasked = [...set.questions, ...set.others].filter(({ id }) => !asked.has(id));
  return {
    task,
    roleplay: take(spread('evaluation'), most, false),
    taskTraining: take(unasked, trainingFactor * most, false),
    roleplayTraining: take(spread('train'), trainingFactor * most, false),
    leftOut,
  };
}

/** Why a question cannot be asked, tried under the persona with the longest prompt; null where it can. */
function obstacleFinder(personas: readonly Persona[], readers: readonly Reader[], maxNewTokens: number) {
  const tries = readers.map((reader) => {
    const limit = promptLimit(reader, maxNewTokens);
    if (limit < 1) {
      throw new LabError(
        'config',
        `${reader.name} reads ${reader.maxPositions} tokens, which leaves no room for replies of ${maxNewTokens}.`,
        'Generate fewer tokens.',
      );
    }
    const rendered = personas.map((persona) => ({ text: persona.text, length: personaTokens(reader, persona) }));
    const longest = rendered.reduce((a, b) => (b.length > a.length ? b : a)).text;
    return (question: Question) => renderPrompt(reader.tokenizer, longest, question.text, limit - margin);
  });
  return (question: Question): LabError | null => {
    try {
      for (const attempt of tries) attempt(question);
      return null;
    } catch (error) {
      if (error instanceof LabError) return error;
      throw error;
    }
  };
}

function personaTokens({ name, tokenizer }: Reader, persona: Persona): number {
  // A tokenizer that cannot be used at all, or takes no persona, is no persona's fault.
  renderPrompt(tokenizer, null, '', Infinity);
  needPersonaPlace(tokenizer);
  try {
    return renderPrompt(tokenizer, persona.text, '', Infinity).tokens.length;
  } catch (cause) {
    if (!(cause instanceof LabError)) throw cause;
    throw new LabError(cause.code, `${name} cannot be asked as "${persona.name}": ${cause.what}`, 'Choose other personas.', { cause });
  }
}

/** Tokens at a seam may merge differently under another persona. */
const margin = 2;

/** Most tokens a prompt may have. */
export function promptLimit({ tokenizer, maxPositions }: Reader, maxNewTokens: number): number {
  return Math.min(tokenizer.maxLength ?? Infinity, maxPositions) - maxNewTokens;
}

/** Role-play questions, the five kinds in turn, topics before wordings: a few of them are already varied. */
function spread(split: Split): Question[] {
  const kinds = roleplayKinds.map(({ id, wordings }) => {
    const questions = roleplayQuestions(split, id);
    return wordings.flatMap((_, w) => questions.filter((_, i) => (i + Math.floor(i / wordings.length)) % wordings.length === w));
  });
  const longest = Math.max(...kinds.map((questions) => questions.length));
  return Array.from({ length: longest }, (_, i) => kinds.flatMap((questions) => questions.slice(i, i + 1))).flat();
}
