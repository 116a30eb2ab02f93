/**
 * The examination of a policy, and of the base it came from: asks every persona the same questions, lets the frozen base score the
 * replies, and makes one report of it. It works cell by cell (one persona's replies of one kind), so that finished cells can be kept and a
 * stopped evaluation goes on where it was. One engine is open at a time, the policy's before the base's.
 */
import { cellKey, evaluationCells, plannedSizes, rowsOfCells, workOf, type AskedKind } from './cells.ts';
import type { AskedEngine, Candidate, EvaluationRequest, ReplyKind } from './request.ts';
import { LabError } from '../errors.ts';
import type { Persona } from '../persona/persona.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { Question } from '../tasks/question.ts';
import { sequenceLogprobs } from './likelihood.ts';
import { checkPersonas, planEvaluation, promptLimit, type EvaluationPlan } from './plan.ts';
import { generateReplies, stopped, type Reply } from './replies.ts';
import type { EvaluationReport } from './report.ts';
import { summarise, type Answers, type Scored } from './summary.ts';

/** Counter of the draws, by kind; under `task` the draws are those of `accuracyByPersona`. */
const steps: Readonly<Record<AskedKind, number>> = { task: 0, roleplay: 1, 'task training': 2, 'roleplay training': 3 };

/**
 * @throws LabError 'config' for a request that makes no sense, 'cancelled' when the signal is aborted (finished cells are stored), or
 * what the engine throws
 */
export async function evaluate(request: EvaluationRequest): Promise<EvaluationReport> {
  checkRequest(request);
  const readers = [request.policy, ...(request.base ? [request.base] : [])];
  const plan = planEvaluation(request.questions, request.personas, readers, request);
  const run = new Run(request, plan);
  const { policy, base } = request;
  const measured = request.fidelityReplies > 0;

  const own = await run.with(policy, async (engine) => {
    const answers = await run.answers('policy', policy, engine);
    return base ? { answers, scored: null } : { answers, scored: measured ? await run.scoring(policy, engine, answers, null) : null };
  });
  if (!base) return summarise(request, plan, own.answers, null, own.scored);
  const compared = await run.with(base, async (engine) => {
    const answers = await run.answers('base', base, engine);
    return { answers, scored: measured ? await run.scoring(base, engine, own.answers, answers) : null };
  });
  return summarise(request, plan, own.answers, compared.answers, compared.scored);
}

/** An engine that is opened only when a cell is missing. */
type Lazy = () => Promise<AskedEngine>;

class Run {
  readonly #request: EvaluationRequest;
  readonly #plan: EvaluationPlan;
  readonly #batchRows: number;
  /** Work in rows: a reply is one, a scored row a fraction of it. */
  readonly #work: number;
  readonly #cells: number;
  #done = 0;
  #doneCells = 0;

  constructor(request: EvaluationRequest, plan: EvaluationPlan) {
    this.#request = request;
    this.#plan = plan;
    this.#batchRows = request.batchRows ?? 128;
    const owners = request.base ? ['policy', 'base'] : ['policy'];
    const ids = request.personas.map(({ id }) => id);
    // With nothing to compare with, the policy is the base.
    const cells = evaluationCells(owners, owners.at(-1)!, ids, plannedSizes(plan), request);
    this.#work = workOf(rowsOfCells(cells), scoringWork);
    this.#cells = cells.length;
  }

  async with<T>(candidate: Candidate, work: (engine: Lazy) => Promise<T>): Promise<T> {
    let opening: Promise<AskedEngine> | null = null;
    try {
      return await work(() => (opening ??= candidate.open()));
    } finally {
      // An engine that did not open has nothing to close, and its error is already on its way.
      const engine = await (opening as Promise<AskedEngine> | null)?.catch(() => null);
      if (engine) await candidate.close(engine);
    }
  }

  async answers(who: 'policy' | 'base', candidate: Candidate, engine: Lazy): Promise<Answers> {
    const { personas, samples, fidelityReplies } = this.#request;
    const [none, ...task] = await this.#ask(who, 'task', candidate, engine, [null, ...personas], this.#plan.task, samples);
    const roleplay = fidelityReplies > 0 ? await this.#ask(who, 'roleplay', candidate, engine, personas, this.#plan.roleplay, 1) : [];
    return { none: none!, task, roleplay };
  }

  /** What the frozen base has to say: its replies to other questions, and the log-probs of everybody's replies. */
  async scoring(base: Candidate, engine: Lazy, policyAnswers: Answers, baseAnswers: Answers | null): Promise<Scored> {
    const { personas } = this.#request;
    const { taskTraining, roleplayTraining } = this.#plan;
    return {
      training: {
        task: await this.#ask('base', 'task training', base, engine, personas, taskTraining, 1),
        roleplay: await this.#ask('base', 'roleplay training', base, engine, personas, roleplayTraining, 1),
      },
      policy: await this.#scoreAll('policy', base, engine, policyAnswers),
      base: baseAnswers && (await this.#scoreAll('base', base, engine, baseAnswers)),
    };
  }

  async #scoreAll(who: 'policy' | 'base', base: Candidate, engine: Lazy, answers: Answers) {
    const { samples, fidelityReplies } = this.#request;
    const task = this.#plan.task.slice(0, fidelityReplies);
    const firstSamples = answers.task.map((replies) => task.map((_, i) => replies[i * samples]!));
    return {
      task: await this.#score(who, 'task', base, engine, firstSamples, task),
      roleplay: await this.#score(who, 'roleplay', base, engine, answers.roleplay, this.#plan.roleplay),
    };
  }

  /** @returns [personas][questions * samples] */
  async #ask(
    who: 'policy' | 'base',
    kind: AskedKind,
    candidate: Candidate,
    engine: Lazy,
    personas: readonly (Persona | null)[],
    questions: readonly Question[],
    samples: number,
  ): Promise<Reply[][]> {
    const { cells, signal, seed, temperature, maxNewTokens } = this.#request;
    const phase = `${candidate.name}: ${kind} replies`;
    const perCell = questions.length * samples;
    if (perCell === 0) return personas.map(() => []);
    const key = (persona: Persona | null) => cellKey(who, kind, persona?.id ?? null);
    const found = personas.map((persona) => cells?.read(key(persona)));
    const replies = found.map((cell) => (cell && 'replies' in cell ? [...cell.replies] : null));
    this.#advance(perCell * replies.filter((one) => one !== null).length, phase, replies.filter((one) => one !== null).length);
    const limit = promptLimit(candidate, maxNewTokens);

    // Small neighbouring cells go through the engine together; the draws are numbered by cell, so that the result is the same.
    for (let first = 0; first < personas.length; first++) {
      if (replies[first]) continue;
      let end = first + 1;
      while (end < personas.length && !replies[end] && (end + 1 - first) * perCell <= this.#batchRows) end++;
      const group = personas.slice(first, end);
      if (signal?.aborted) throw stopped();
      const all = await generateReplies({
        engine: await engine(),
        tokenizer: candidate.tokenizer,
        eosIds: candidate.eosIds,
        prompts: group.flatMap((persona) =>
          questions.map(({ text }) => renderPrompt(candidate.tokenizer, persona?.text ?? null, text, limit)),
        ),
        samples,
        seed,
        step: steps[kind],
        firstRow: first * perCell,
        temperature,
        maxNewTokens,
        batchRows: this.#batchRows,
        onReplies: (count) => this.#advance(count, phase),
        ...(signal ? { signal } : {}),
      });
      for (const [i, persona] of group.entries()) {
        const own = all.slice(i * perCell, (i + 1) * perCell);
        replies[first + i] = own;
        await cells?.write(key(persona), { replies: own });
      }
      this.#advance(0, phase, group.length);
    }
    return replies.map((one) => one!);
  }

  /** log pi_base of every reply under every persona. @param replies [P][questions] @returns [P][questions][P] */
  async #score(
    who: 'policy' | 'base',
    kind: ReplyKind,
    base: Candidate,
    engine: Lazy,
    replies: readonly (readonly Reply[])[],
    questions: readonly Question[],
  ): Promise<number[][][]> {
    const { personas, cells, signal, maxNewTokens } = this.#request;
    if (questions.length === 0) return personas.map(() => []);
    const phase = `${base.name}: likelihood of ${kind} replies`;
    const limit = promptLimit(base, maxNewTokens);
    let prompts: Int32Array[][] | null = null;
    const out: number[][][] = [];
    for (const [p, persona] of personas.entries()) {
      const key = cellKey(who, `likelihood ${kind}`, persona.id);
      const found = cells?.read(key);
      if (found && 'logprobs' in found) {
        out.push(found.logprobs.map((row) => [...row]));
        this.#advance(questions.length * personas.length * scoringWork, phase, 1);
        continue;
      }
      // [questions][P], the same for everybody's replies.
      prompts ??= questions.map(({ text }) => personas.map((other) => renderPrompt(base.tokenizer, other.text, text, limit).tokens));
      const rows = replies[p]!.flatMap((reply, i) => {
        checkSameTokens(base, reply);
        return prompts![i]!.map((prompt) => ({ prompt, completion: reply.tokens }));
      });
      const totals = await sequenceLogprobs(await engine(), rows, {
        batchRows: this.#batchRows,
        onProgress: (count) => this.#advance(count * scoringWork, phase),
        ...(signal ? { signal } : {}),
      });
      const logprobs = replies[p]!.map((_, i) => totals.slice(i * personas.length, (i + 1) * personas.length));
      await cells?.write(key, { logprobs });
      out.push(logprobs);
      this.#advance(0, phase, 1);
    }
    return out;
  }

  #advance(work: number, phase: string, cells = 0): void {
    this.#done += work;
    this.#doneCells += cells;
    const fraction = this.#work > 0 ? Math.min(1, this.#done / this.#work) : 1;
    this.#request.onProgress?.({ fraction, phase, cells: this.#doneCells, total: this.#cells });
  }
}

/** A scored row takes one pass where a reply takes one a token. */
const scoringWork = 0.2;

/** Token ids are only comparable where they mean the same. */
function checkSameTokens(base: Candidate, reply: Reply): void {
  if (base.tokenizer.decode(reply.ended ? reply.tokens.slice(0, -1) : reply.tokens) === reply.text) return;
  throw new LabError(
    'config',
    `The base ${base.name} has another tokenizer than the policy, so that it cannot score its replies.`,
    'Choose the base the policy was trained from, or leave fidelity out.',
  );
}

function checkRequest({ personas, problems, samples, temperature, fidelityReplies, maxNewTokens, batchRows = 1 }: EvaluationRequest): void {
  const wrong = (what: string, next: string) => new LabError('config', what, next);
  checkPersonas(personas);
  for (const [name, value, low] of [
    ['problems', problems, 1],
    ['samples', samples, 1],
    ['tokens of a reply', maxNewTokens, 1],
    ['rows of a batch', batchRows, 1],
    ['replies for fidelity', fidelityReplies, 0],
  ] as const) {
    if (!(Number.isInteger(value) && value >= low)) throw wrong(`The number of ${name} is ${value}.`, `Take a whole number from ${low}.`);
  }
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw wrong(`A temperature of ${temperature} cannot be sampled at.`, 'Take 0 or more.');
  if (temperature === 0 && samples > 1) {
    throw wrong(`Greedy decoding gives the same reply ${samples} times.`, 'Take 1 sample, or a temperature above 0.');
  }
}
