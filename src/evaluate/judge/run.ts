/**
 * The judging: every policy answers every planned question in its persona, and the judge gives each answer a score. It works persona by
 * persona, all policies side by side, so that what is there at any moment compares like with like; every answer and verdict is kept as soon
 * as it is there, and what is kept is not asked again. What the verdicts add up to is `score.ts`.
 */
import { cellKey } from '../cells.ts';
import type { AskedEngine, Candidate } from '../request.ts';
import { LabError } from '../../errors.ts';
import { renderPrompt } from '../../persona/prompt.ts';
import { promptLimit } from '../plan.ts';
import { generateReplies } from '../replies.ts';
import type { JudgeClient } from './client.ts';
import { plannedQuestions, toldTo, type JudgePlan, type PlannedPersona, type PlannedQuestion } from './plan.ts';
import { askAgain, judgePrompt, parseVerdict, type JudgedPair } from './rubric.ts';

export interface Answer {
  readonly text: string;
  /** By itself, not cut at the limit. */
  readonly ended: boolean;
}

/** `scored`; `unparsed`: no score could be read in what the judge said; `refused`: the judge declined. */
export const verdictOutcomes = ['scored', 'unparsed', 'refused'] as const;
export type VerdictOutcome = (typeof verdictOutcomes)[number];

export interface JudgeVerdict {
  /** On the rubric's scale; null: none, for the reason that `outcome` gives. */
  readonly score: number | null;
  readonly outcome: VerdictOutcome;
  /** What the judge said last, its beginning. */
  readonly said: string;
  /** Times it was asked. */
  readonly asked: number;
}

/** One persona's answers of one policy, in the order of its planned questions, or one verdict. */
export type JudgeCell = { readonly answers: readonly Answer[] } | { readonly verdict: JudgeVerdict };

/** What is kept of this very judging; the caller sees to it that it is the same one. */
export interface JudgeStore {
  read(key: string): JudgeCell | undefined;
  write(key: string, cell: JudgeCell): Promise<void> | void;
}

export const answersKey = (policy: number, persona: PlannedPersona): string => cellKey(policy, 'answers', persona.place);
export const verdictKey = (policy: number, persona: PlannedPersona, question: PlannedQuestion): string =>
  `${cellKey(policy, question.task, persona.place)}/${question.place}`;

export interface JudgeSampling {
  readonly temperature: number;
  readonly topP: number;
  readonly maxNewTokens: number;
  readonly seed: number;
}

export interface JudgingRequest {
  readonly plan: JudgePlan;
  readonly policies: readonly Candidate[];
  readonly sampling: JudgeSampling;
  readonly judge: Pick<JudgeClient, 'chat'>;
  readonly store: JudgeStore;
  /** Questions that the judge is asked at a time. */
  readonly parallel?: number;
  readonly onProgress?: (progress: JudgingProgress) => void;
  readonly signal?: AbortSignal;
}

export interface JudgingProgress {
  /** Verdicts: those that there are, those of this session among them, and all that there will be. */
  readonly done: number;
  readonly made: number;
  readonly total: number;
  readonly phase: string;
}

/** Times a judge is asked for one verdict. */
export const verdictAttempts = 3;
const saidCharacters = 1000;
const batchRows = 128;

/** Few at a time: a judge on the same computer answers one after the other anyway. */
export const defaultParallel = 2;

/** The judge's draws are a piece of the evaluation of their own. */
const drawStep = 16;

/**
 * @throws LabError 'network' when the judge stays away or answers wrongly, 'cancelled' when the signal is aborted, or what the engine
 * throws; what is done by then is in the store
 */
export async function runJudging(request: JudgingRequest): Promise<void> {
  const { plan, policies, judge, store, signal, onProgress, parallel = defaultParallel } = request;
  const total = policies.length * plannedQuestions(plan);
  const pairsOf = (persona: PlannedPersona) =>
    policies.flatMap((_, p) => persona.questions.map((question, q) => ({ p, q, question, key: verdictKey(p, persona, question) })));
  let done = plan.personas.flatMap(pairsOf).filter(({ key }) => store.read(key)).length;
  let made = 0;
  const tell = (phase: string) => onProgress?.({ done, made, total, phase });
  const engines = new Engines(policies);
  try {
    let firstRow = 0;
    for (const [place, persona] of plan.personas.entries()) {
      const where = `persona ${place + 1} of ${plan.personas.length}`;
      const pairs = pairsOf(persona).filter(({ key }) => !store.read(key));
      const answers: (readonly Answer[])[] = [];
      for (const [p, policy] of policies.entries()) {
        if (signal?.aborted) throw stopped();
        if (!pairs.some((pair) => pair.p === p)) answers.push([]);
        else {
          tell(`${policy.name} answers, ${where}`);
          answers.push(await answersOf(request, p, persona, firstRow, () => engines.open(p)));
        }
      }
      firstRow += persona.questions.length;
      if (pairs.length === 0) continue;
      tell(`the judge reads, ${where}`);
      await inParallel(pairs, parallel, signal, async ({ p, q, question, key }, abort) => {
        const pair = {
          task: question.task,
          description: persona.description,
          ...(persona.prompt === undefined ? {} : { prompt: persona.prompt }),
          ...(plan.rubric === undefined ? {} : { rubric: plan.rubric }),
          question: question.text,
          answer: answers[p]![q]!.text,
        };
        await store.write(key, { verdict: await verdictOn(judge, pair, abort) });
        done++;
        made++;
        tell(`the judge reads, ${where}`);
      });
    }
  } finally {
    await engines.close();
  }
}

/** The first attempts may fail to be understood; the last one's words are kept then. */
async function verdictOn(judge: Pick<JudgeClient, 'chat'>, pair: JudgedPair, signal: AbortSignal): Promise<JudgeVerdict> {
  let messages = judgePrompt(pair);
  for (let asked = 1; ; asked++) {
    const { text, refused } = await judge.chat(messages, signal);
    const said = text.trim().slice(0, saidCharacters);
    if (refused) return { score: null, outcome: 'refused', said, asked };
    const score = parseVerdict(text, pair.rubric);
    if (score !== null) return { score, outcome: 'scored', said, asked };
    if (asked === verdictAttempts) return { score: null, outcome: 'unparsed', said, asked };
    messages = askAgain(messages, text, pair.rubric);
  }
}

async function answersOf(
  { policies, sampling, store, signal }: JudgingRequest,
  p: number,
  persona: PlannedPersona,
  firstRow: number,
  open: () => Promise<AskedEngine>,
): Promise<readonly Answer[]> {
  const key = answersKey(p, persona);
  const kept = store.read(key);
  if (kept && 'answers' in kept) return kept.answers;
  const policy = policies[p]!;
  const limit = promptLimit(policy, sampling.maxNewTokens);
  const prompts = persona.questions.map(({ text }) => renderPrompt(policy.tokenizer, toldTo(persona), text, limit));
  const replies = await generateReplies({
    engine: await open(),
    tokenizer: policy.tokenizer,
    eosIds: policy.eosIds,
    prompts,
    samples: 1,
    // The same draws for every policy.
    seed: sampling.seed,
    step: drawStep,
    firstRow,
    temperature: sampling.temperature,
    topP: sampling.topP,
    maxNewTokens: sampling.maxNewTokens,
    batchRows,
    ...(signal ? { signal } : {}),
  });
  const answers = replies.map(({ text, ended }) => ({ text, ended }));
  await store.write(key, { answers });
  return answers;
}

/** Opened when first needed, closed at the end. */
class Engines {
  readonly #opened = new Map<number, Promise<AskedEngine>>();

  constructor(readonly policies: readonly Candidate[]) {}

  open(place: number): Promise<AskedEngine> {
    const engine = this.#opened.get(place) ?? this.policies[place]!.open();
    this.#opened.set(place, engine);
    return engine;
  }

  async close(): Promise<void> {
    for (const [place, opening] of this.#opened) {
      // An engine that did not open has nothing to close, and its error is already on its way.
      const engine = await opening.catch(() => null);
      if (engine) await this.policies[place]!.close(engine);
    }
  }
}

/** The first failure stops the others; it is thrown when all have come to rest. */
async function inParallel<T>(
  items: readonly T[],
  parallel: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length && failures.length === 0 && !abort.signal.aborted) {
      try {
        await work(items[next++]!, abort.signal);
      } catch (error) {
        failures.push(error);
        stop();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  signal?.removeEventListener('abort', stop);
  if (failures.length > 0) throw failures[0];
  if (signal?.aborted) throw stopped();
}

function stopped(): LabError {
  return new LabError('cancelled', 'The judging was stopped.', 'It can be continued.');
}
