/**
 * Evaluations in the worker: which policies, personas and questions, in turns with training, kept cell by cell so that a half-finished
 * one goes on after a reload. What is asked and measured is `src/evaluate`; one evaluation runs at a time.
 */
import type { Candidate, ReplyKind } from '../evaluate/request.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { generatedQuestions, type QuestionSet } from '../evaluate/questions.ts';
import type { EvaluationReport } from '../evaluate/report.ts';
import { planEvaluation, type EvaluationPlan } from '../evaluate/plan.ts';
import { personaGroup } from '../persona/groups.ts';
import type { Persona } from '../persona/persona.ts';
import { personas as world, voices } from '../persona/world.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import {
  begun,
  continued,
  examinationMayDiffer,
  personaParts,
  policyParts,
  programParts,
  questionParts,
  settingParts,
  takenOverNotes,
  type Comparison,
  type Identity,
} from '../run/identity.ts';
import { fingerprint } from '../storage/hash.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import { taskById } from '../tasks/index.ts';
import type { AskedQuestion, EvaluationUpdate } from './api.ts';
import { bytesOf, examinedPolicies, lentEngine, type EvaluationTools } from './candidates.ts';
import { EvaluationClock } from './evaluation-progress.ts';
import { howToGoOn, policiesPart } from './origin.ts';

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
  async run(
    request: EvaluationSettings | string,
    onUpdate: (update: EvaluationUpdate) => void,
    accept: readonly string[] = [],
  ): Promise<EvaluationRecord> {
    if (this.#running) throw new LabError('usage', 'An evaluation is already under way.', 'Wait for it, or cancel it first.');
    const abort = new AbortController();
    this.#running = { id: typeof request === 'string' ? request : '', abort };
    try {
      const record = typeof request === 'string' ? await this.#reopen(request, accept) : await this.#create(request);
      this.#running = { id: record.id, abort };
      return record.reports.length > 0 ? record : await this.#carryOut(record, abort.signal, onUpdate);
    } finally {
      this.#running = null;
    }
  }

  /** What it began with, beside what it would go on with. @throws LabError 'storage' where one of its policies was deleted */
  async compare(id: string): Promise<Comparison> {
    const record = await this.#tools.storage.evaluation(id);
    return { origin: record.origin, now: await this.#now(record), mayDiffer: examinationMayDiffer };
  }

  async #reopen(id: string, accept: readonly string[]): Promise<EvaluationRecord> {
    const { storage } = this.#tools;
    const record = await storage.evaluation(id);
    if (record.reports.length > 0) return record;
    const at = `${Math.floor(100 * record.fraction)} %`;
    const next = howToGoOn('Evaluate again; its stored numbers stay as they are.');
    const origin = continued({ ...(await this.compare(id)), what: 'This evaluation', accept, at, next });
    const now = { ...record, origin };
    await storage.saveEvaluation(now);
    return now;
  }

  /** Every question a persona was asked, with what each policy said; null where that is not there yet. */
  async replies(id: string, kind: ReplyKind, personaId: string | null): Promise<readonly AskedQuestion[]> {
    const { storage } = this.#tools;
    const record = await storage.evaluation(id);
    const { set, plan } = await this.#sameQuestions(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const samples = kind === 'task' ? record.settings.samples : 1;
    return plan[kind].map((question, i) => ({
      question: question.text,
      answer: kind === 'task' ? question.answer : null,
      policies: record.policies.map((_, p) => {
        const cell = cells.get(`${p}/${kind}/${personaId ?? 'none'}`);
        if (!cell || !('replies' in cell)) return null;
        return cell.replies.slice(i * samples, (i + 1) * samples).map((reply) => ({
          text: reply.text,
          ended: reply.ended,
          correct: kind === 'task' ? set.judge(reply, question).correct : null,
        }));
      }),
    }));
  }

  async #create(asked: EvaluationSettings): Promise<EvaluationRecord> {
    const { storage, bench, base } = this.#tools;
    const policies = await examinedPolicies(this.#tools, asked.checkpoints);
    const checkpoints = policies.flatMap(({ checkpoint }) => checkpoint ?? []);
    const settings: EvaluationSettings = { ...asked, checkpoints };
    const origin = begun(await this.#now({ settings, policies }));
    const { info } = await bench.engineFor(base.id);
    const now = Date.now();
    const record: EvaluationRecord = {
      id: newId('evaluation'),
      created: now,
      updated: now,
      settings,
      policies,
      engine: info,
      origin,
      fraction: 0,
      work: { asked: { rows: 0, seconds: 0 }, scored: { rows: 0, seconds: 0 } },
      reports: [],
    };
    await storage.saveEvaluation(record);
    return record;
  }

  async #carryOut(record: EvaluationRecord, signal: AbortSignal, onUpdate: (update: EvaluationUpdate) => void): Promise<EvaluationRecord> {
    const { storage } = this.#tools;
    const { id, settings, policies } = record;
    const { set, plan, personas, policy, tokenizer } = await this.#material(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const progress = new EvaluationClock(record, plan, set, personas, onUpdate);
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
      const reports: EvaluationReport[] = [];
      const notes = takenOverNotes(record.origin?.takenOver ?? []);
      for (const [place] of policies.entries()) if (place > 0 || policies.length === 1) reports.push(await report(place));
      await storage.saveEvaluation({
        ...(await storage.evaluation(id)),
        updated: Date.now(),
        fraction: 1,
        reports: reports.map((one) => ({ ...one, notes: [...one.notes, ...notes] })),
      });
    } catch (error) {
      if (!(signal.aborted && labErrorCode(error) === 'cancelled')) throw error;
    }
    return storage.evaluation(id);
  }

  async #now(record: Pick<EvaluationRecord, 'settings' | 'policies'>): Promise<Identity> {
    const { storage, bench } = this.#tools;
    const { checkpoints: _, ...settings } = record.settings;
    const { policy, personas, plan } = await this.#material(record);
    return {
      ...(await policyParts(policy)),
      ...(await policiesPart(storage, record.policies, 'evaluation')),
      ...(await personaParts(personas, voices)),
      ...(await questionParts(plan)),
      ...settingParts(settings),
      ...programParts(bench.chosen),
    };
  }

  /** For questions that are shown beside stored replies. @throws LabError 'config' where those of today are others */
  async #sameQuestions(record: EvaluationRecord): Promise<Material> {
    const material = await this.#material(record);
    const { personas, plan, policy } = material;
    const now = { ...(await personaParts(personas, voices)), ...(await questionParts(plan)) };
    const then = record.origin?.identity;
    const same = then
      ? Object.entries(now).every(([part, value]) => then[part] === value)
      : record.material === (await fingerprint(bytesOf(policy.weights, JSON.stringify([personas, plan]))));
    if (same) return material;
    throw new LabError(
      'config',
      'The personas or the questions have changed since this evaluation was made, so that its replies cannot be shown beside them.',
      'Its numbers stay as they are; evaluate again to read replies.',
    );
  }

  /** Questions and personas are made anew from the settings. */
  async #material(record: Pick<EvaluationRecord, 'settings' | 'policies'>): Promise<Material> {
    const { bench, base } = this.#tools;
    const { settings, policies } = record;
    const [policy, tokenizer] = [await bench.policy(base.id), await bench.tokenizer(base.id)];
    const set = generatedQuestions(taskById(settings.task), settings.problems, settings.seed);
    const personas = personaGroup(world, settings.personas);
    const reader = { tokenizer, maxPositions: policy.config.maxPositions };
    const readers = policies.map(({ name }) => ({ ...reader, name }));
    return { set, plan: planEvaluation(set, personas, readers, settings), personas, policy, tokenizer };
  }
}

interface Material {
  readonly set: QuestionSet;
  readonly plan: EvaluationPlan;
  readonly personas: readonly Persona[];
  readonly policy: Policy;
  readonly tokenizer: Tokenizer;
}
