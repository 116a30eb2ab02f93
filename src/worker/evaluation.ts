/**
 * Evaluations in the worker: which policies, personas and questions, in turns with training, kept cell by cell so that a half-finished
 * one goes on after a reload. What is asked and measured is `src/evaluate`; one evaluation runs at a time.
 */
import type { Candidate } from '../evaluate/request.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { generatedQuestions, type QuestionSet } from '../evaluate/questions.ts';
import { planEvaluation, type Plan } from '../evaluate/plan.ts';
import { personaGroup } from '../persona/groups.ts';
import type { Persona } from '../persona/persona.ts';
import { personas as world, voices } from '../persona/world.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { fingerprint } from '../storage/hash.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import { taskById } from '../tasks/index.ts';
import type { AskedQuestion, EvaluationNews } from './api.ts';
import { bytesOf, examinedPolicies, lentEngine, type EvaluationTools } from './candidates.ts';
import { EvaluationProgress } from './evaluation-progress.ts';

export class Evaluations {
  readonly #tools: EvaluationTools;
  #running: { readonly id: string; readonly abort: AbortController } | null = null;

  constructor(tools: EvaluationTools) {
    this.#tools = tools;
  }

  get running(): string | null {
    return this.#running?.id ?? null;
  }

  cancel(): void {
    this.#running?.abort.abort();
  }

  /**
   * A new evaluation, or one that was left unfinished, by its id. Resolves with what is stored at its end: with reports, or, where it was
   * cancelled, with the fraction that is done.
   */
  async run(request: EvaluationSettings | string, onNews: (news: EvaluationNews) => void): Promise<EvaluationRecord> {
    if (this.#running) throw new LabError('usage', 'An evaluation is already under way.', 'Wait for it, or cancel it first.');
    const abort = new AbortController();
    this.#running = { id: typeof request === 'string' ? request : '', abort };
    try {
      const record = typeof request === 'string' ? await this.#tools.storage.evaluation(request) : await this.#create(request);
      this.#running = { id: record.id, abort };
      return record.reports.length > 0 ? record : await this.#carryOut(record, abort.signal, onNews);
    } finally {
      this.#running = null;
    }
  }

  /** Every question a persona was asked, with what each policy said; null where that is not there yet. */
  async replies(id: string, kind: 'task' | 'roleplay', personaId: string | null): Promise<readonly AskedQuestion[]> {
    const { storage } = this.#tools;
    const record = await storage.evaluation(id);
    const { set, plan } = await this.#material(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const samples = kind === 'task' ? record.settings.samples : 1;
    return plan[kind].map((question, i) => ({
      question: question.text,
      answer: kind === 'task' ? question.answer : null,
      policies: record.policies.map((_, p) => {
        const cell = cells.get(`${p}/${kind}/${personaId ?? 'none'}`);
        if (!cell || !('replies' in cell)) return null;
        return cell.replies.slice(i * samples, (i + 1) * samples).map(({ text, ended }) => ({
          text,
          ended,
          correct: kind === 'task' ? set.judge(text, question).correct : null,
        }));
      }),
    }));
  }

  async #create(wish: EvaluationSettings): Promise<EvaluationRecord> {
    const { storage, bench, base } = this.#tools;
    const policies = await examinedPolicies(this.#tools, wish.checkpoints);
    const checkpoints = policies.flatMap(({ checkpoint }) => checkpoint ?? []);
    const settings: EvaluationSettings = { ...wish, checkpoints };
    const { print } = await this.#material({ settings, policies });
    const { info } = await bench.engineFor(base.id);
    const now = Date.now();
    const record: EvaluationRecord = {
      id: newId('evaluation'),
      created: now,
      updated: now,
      settings,
      policies,
      engine: info,
      material: print,
      fraction: 0,
      work: { asked: { rows: 0, seconds: 0 }, scored: { rows: 0, seconds: 0 } },
      reports: [],
    };
    await storage.saveEvaluation(record);
    return record;
  }

  async #carryOut(record: EvaluationRecord, signal: AbortSignal, onNews: (news: EvaluationNews) => void): Promise<EvaluationRecord> {
    const { storage } = this.#tools;
    const { id, settings, policies } = record;
    const { set, plan, personas, policy, tokenizer } = await this.#material(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const progress = new EvaluationProgress(record, plan, set, personas, onNews);
    for (const [key, cell] of cells) progress.found(key, cell);
    progress.tell();

    const candidate = (place: number): Candidate => ({
      name: policies[place]!.name,
      tokenizer,
      eosIds: policy.config.eosIds,
      maxPositions: policy.config.maxPositions,
      open: () => lentEngine(this.#tools, policies[place]!.checkpoint, policy.weights, signal),
      close: () => {},
    });
    const report = (place: number) => {
      // With nothing to compare with, the base is the policy.
      const whole = (key: string) => key.replace(/^(policy|base)/, (who) => String(who === 'policy' ? place : 0));
      return evaluate({
        ...settings,
        policy: candidate(place),
        base: place > 0 ? candidate(0) : null,
        personas,
        voices,
        questions: set,
        cells: {
          read: (key) => cells.get(whole(key)),
          write: async (key, cell) => {
            cells.set(whole(key), cell);
            await storage.saveCell({ evaluationId: id, key: whole(key), cell }, progress.made(whole(key), cell));
          },
        },
        onProgress: ({ phase }) => progress.tell(phase),
        signal,
      });
    };

    try {
      const reports = [];
      for (const [place] of policies.entries()) if (place > 0 || policies.length === 1) reports.push(await report(place));
      await storage.saveEvaluation({ ...(await storage.evaluation(id)), updated: Date.now(), fraction: 1, reports });
    } catch (error) {
      if (!(signal.aborted && labErrorCode(error) === 'cancelled')) throw error;
    }
    return storage.evaluation(id);
  }

  /** Questions and personas are made anew from the settings; for an evaluation that is stored they must be those it began with. */
  async #material(record: Pick<EvaluationRecord, 'settings' | 'policies'> & { readonly material?: string }): Promise<{
    readonly set: QuestionSet;
    readonly plan: Plan;
    readonly personas: readonly Persona[];
    readonly policy: Policy;
    readonly tokenizer: Tokenizer;
    readonly print: string;
  }> {
    const { bench, base } = this.#tools;
    const { settings, policies } = record;
    const [policy, tokenizer] = [await bench.policy(base.id), await bench.tokenizer(base.id)];
    const set = generatedQuestions(taskById(settings.task), settings.problems, settings.seed);
    const personas = personaGroup(world, settings.personas);
    const reader = { tokenizer, maxPositions: policy.config.maxPositions };
    const plan = planEvaluation(
      set,
      personas,
      policies.map(({ name }) => ({ ...reader, name })),
      settings,
    );
    const print = await fingerprint(bytesOf(policy.weights, JSON.stringify([personas, plan])));
    if (record.material !== undefined && record.material !== print) {
      throw new LabError(
        'config',
        'The bundled policy, personas or questions have changed since this evaluation was begun.',
        'Evaluate again; its stored numbers stay as they are.',
      );
    }
    return { set, plan, personas, policy, tokenizer, print };
  }
}
