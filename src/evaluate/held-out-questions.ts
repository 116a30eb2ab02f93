/** Asks a policy the held-out questions of a run; what they are for is `held-out.ts`. */
import type { PolicyEngine } from '../engine/engine.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import { personaPlace } from '../persona/place.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { PromptRoom } from '../persona/room.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { AskingSettings } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import { instructed } from '../tasks/instruction.ts';
import type { Question } from '../tasks/question.ts';
import type { ImportedSets } from '../tasks/source.ts';
import { sourceOf } from '../tasks/sources.ts';
import { verifyAs } from '../verify/verify.ts';
import { evaluationQuestions } from './accuracy.ts';
import { heldOutRows, type HeldOutEvaluation } from './held-out.ts';
import { generateReplies } from './replies.ts';
import { StyleScorer } from './style.ts';

/** The same questions for every run, whatever its seed. */
const questionSeed = 1;
/** Rows of one generation. */
const batchRows = 256;

export interface HeldOutRequest {
  readonly engine: Pick<PolicyEngine, 'generate'>;
  readonly tokenizer: Tokenizer;
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  readonly personas: readonly Persona[];
  readonly voices: readonly Voice[];
  readonly config: RunConfig;
  /** Those that the configuration names, read; absent: it names none. */
  readonly sets?: ImportedSets;
  /** How the run asks and reads. */
  readonly asking: Required<Pick<AskingSettings, 'instruction' | 'answers'>>;
  /** Steps done. */
  readonly step: number;
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** Leaves the policy as it is. @throws LabError 'cancelled' when the signal is aborted, 'config' where no question fits */
export async function heldOutEvaluation(request: HeldOutRequest): Promise<HeldOutEvaluation> {
  const { engine, tokenizer, eosIds, config, step } = request;
  const started = performance.now();
  const { maxNewTokens } = config.sampling;
  const { instruction, answers } = request.asking;
  // Where no persona reaches the policy, all rows would be one.
  const reach = personaPlace(tokenizer).obstacle === null;
  const rows = heldOutRows(reach ? request.personas : []);
  const room = new PromptRoom(
    tokenizer,
    rows.map(({ persona }) => persona),
    maxNewTokens,
  );
  const fits = (question: Question) => room.fits(instructed(question, instruction).text);
  const questions = questionsOf(config, request.sets ?? {}, fits).map(({ question, source }) => ({
    source,
    question: instructed(question, instruction),
  }));
  const style = new StyleScorer(request.voices);
  let done = 0;
  request.onProgress?.(done);
  const replies = await generateReplies({
    engine,
    tokenizer,
    eosIds,
    prompts: rows.flatMap(({ persona }) =>
      questions.map(({ question }) => renderPrompt(tokenizer, persona?.text ?? null, question.text, room.limit)),
    ),
    samples: 1,
    seed: questionSeed,
    step: 0,
    firstRow: 0,
    temperature: 0,
    maxNewTokens,
    batchRows,
    onReplies: (count) => request.onProgress?.((done += count) / (rows.length * questions.length)),
    ...(request.signal ? { signal: request.signal } : {}),
  });
  const verdicts = await Promise.all(
    replies.map(({ text, thinking }, at) => {
      const { question, source } = questions[at % questions.length]!;
      return verifyAs(source, text, question, thinking, answers);
    }),
  );
  return {
    step,
    rows: rows.map(({ id, persona }, row) => ({
      row: id,
      personaId: persona?.id ?? null,
      replies: questions.map(({ question }, i) => {
        const { text } = replies[row * questions.length + i]!;
        const { correct, parsed, reason } = verdicts[row * questions.length + i]!;
        const voice = style.score(text, persona?.voice ?? null);
        return {
          question: question.text,
          answer: question.answer,
          text,
          correct,
          parsed,
          reason,
          ...(voice ? { inVoice: voice.strict } : {}),
        };
      }),
    })),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Those of every source of the run in turn, as many of each as its weight asks for and it has. */
function questionsOf({ tasks, heldOut }: RunConfig, sets: ImportedSets, fits: (question: Question) => boolean) {
  const asked = tasks.filter(({ weight }) => weight > 0).slice(0, heldOut.questions);
  const total = asked.reduce((sum, { weight }) => sum + weight, 0);
  let [before, taken] = [0, 0];
  return asked.flatMap((choice, i) => {
    before += choice.weight;
    const end = i === asked.length - 1 ? heldOut.questions : Math.round((heldOut.questions * before) / total);
    const count = Math.max(1, end - taken);
    taken += count;
    const source = sourceOf(choice, sets);
    return evaluationQuestions(source, count, questionSeed, fits).map((question) => ({ question, source }));
  });
}
