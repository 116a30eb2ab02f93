/**
 * Evaluations in the worker: which policies, personas and questions, in turns with training, kept cell by cell so that a half-finished
 * one goes on after a reload (`job.ts`). What is asked and measured is `src/evaluate`.
 */
import type { Candidate, ReplyKind } from '../evaluate/request.ts';
import { cellKey } from '../evaluate/cells.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { generatedQuestions, type QuestionSet } from '../evaluate/questions.ts';
import type { Question } from '../tasks/question.ts';
import type { EvaluationReport } from '../evaluate/report.ts';
import { checkPersonas, planEvaluation, type EvaluationPlan } from '../evaluate/plan.ts';
import type { PersonaLibrary } from '../persona/file.ts';
import { askedPersonas } from '../persona/groups.ts';
import { libraryOf } from '../persona/libraries.ts';
import { mostOwnPersonas } from '../persona/library-names.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { withoutUsual } from '../rl/asking.ts';
import { personaParts, policyParts, programParts, questionParts, settingParts, takenOverNotes, type Identity } from '../run/identity.ts';
import { fingerprint } from '../storage/hash.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import { taskById } from '../tasks/index.ts';
import { weightsOf } from '../policy/weights.ts';
import { findTooLittle } from '../verify/answer-forms.ts';
import { bundledPolicy } from './bench.ts';
import { bytesOf, engineInfo, examinedPolicies, lentEngine } from './candidates.ts';
import type { AskedQuestion, EvaluationInfo, EvaluationUpdate } from './evaluation-api.ts';
import { EvaluationClock } from './evaluation-progress.ts';
import { Job } from './job.ts';
import { policiesPart } from './origin.ts';

export class Evaluations extends Job<'evaluation'> {
  protected readonly words = {
    a: 'An evaluation',
    this: 'This evaluation',
    again: 'Evaluate again; its stored numbers stay as they are.',
  };

  async list(): Promise<readonly EvaluationInfo[]> {
    return (await this.tools.storage.evaluations()).map(({ reports, ...info }) => ({ ...info, finished: reports.length > 0 }));
  }

  view(id: string): Promise<EvaluationRecord> {
    return this.read(id);
  }

  protected read(id: string): Promise<EvaluationRecord> {
    return this.tools.storage.evaluation(id);
  }

  protected save(record: EvaluationRecord): Promise<void> {
    return this.tools.storage.saveEvaluation(record);
  }

  protected erase(id: string): Promise<void> {
    return this.tools.storage.deleteEvaluation(id);
  }

  protected async reached({ reports, fraction }: EvaluationRecord): Promise<string | null> {
    return reports.length > 0 ? null : `${Math.floor(100 * fraction)} %`;
  }

  /** Every question a persona was asked, with what each policy said; null where that is not there yet. */
  async replies(id: string, kind: ReplyKind, personaId: string | null): Promise<readonly AskedQuestion[]> {
    const { storage } = this.tools;
    const record = await storage.evaluation(id);
    const { set, plan } = await this.#sameQuestions(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const samples = kind === 'task' ? record.settings.samples : 1;
    const saidBy = async (p: number, question: Question, i: number) => {
      const cell = cells.get(cellKey(p, kind, personaId));
      if (!cell || !('replies' in cell)) return null;
      const replies = cell.replies.slice(i * samples, (i + 1) * samples).map(async (reply) => ({
        text: reply.text,
        ended: reply.ended,
        correct: kind === 'task' ? (await set.judge(reply, question)).correct : null,
      }));
      return Promise.all(replies);
    };
    return Promise.all(
      plan[kind].map(async (question, i) => ({
        question: question.text,
        answer: kind === 'task' ? question.answer : null,
        policies: await Promise.all(record.policies.map((_, p) => saidBy(p, question, i))),
      })),
    );
  }

  protected async plan(asked: EvaluationSettings): Promise<EvaluationRecord> {
    const base = asked.policy ?? bundledPolicy.id;
    const policies = await examinedPolicies(this.tools, base, asked.checkpoints);
    const settings = withoutUsual({ ...asked, checkpoints: policies.flatMap(({ checkpoint }) => checkpoint ?? []) });
    checkAsking(settings);
    const info = await engineInfo(this.tools, base);
    const now = Date.now();
    return {
      id: newId('evaluation'),
      created: now,
      updated: now,
      settings,
      policies,
      engine: info,
      fraction: 0,
      work: { asked: { rows: 0, seconds: 0 }, scored: { rows: 0, seconds: 0 } },
      reports: [],
    };
  }

  protected async carryOut(
    record: EvaluationRecord,
    _request: unknown,
    signal: AbortSignal,
    onUpdate: (update: EvaluationUpdate) => void,
  ): Promise<EvaluationRecord> {
    const { storage } = this.tools;
    const { id, settings, policies } = record;
    const { set, plan, personas, voices, policy, tokenizer } = await this.#material(record);
    const cells = new Map((await storage.cells(id)).map(({ key, cell }) => [key, cell]));
    const progress = new EvaluationClock(record, plan, set, personas, onUpdate);
    for (const [key, cell] of cells) await progress.found(key, cell);
    progress.tell();

    const candidate = (place: number): Candidate => ({
      name: policies[place]!.name,
      tokenizer,
      eosIds: policy.config.eosIds,
      maxPositions: policy.config.maxPositions,
      open: () => lentEngine(this.tools, settings.policy ?? bundledPolicy.id, policies[place]!.checkpoint, signal),
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
            await storage.saveCell({ evaluationId: id, key: whole(key), cell }, await progress.made(whole(key), cell));
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

  protected async identity(record: EvaluationRecord): Promise<Identity> {
    const { storage, bench } = this.tools;
    const { checkpoints: _, library: _personas, noPersona: _template, noSystemRole: _place, ...settings } = record.settings;
    const { policy, tokenizer, personas, voices, plan } = await this.#material(record);
    return {
      ...(await policyParts({ ...policy, tokenizer })),
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
    const { personas, voices, plan, policy } = material;
    const now = { ...(await personaParts(personas, voices)), ...(await questionParts(plan)) };
    const then = record.origin?.identity;
    const same = then
      ? Object.entries(now).every(([part, value]) => then[part] === value)
      : record.material === (await fingerprint(bytesOf(await weightsOf(policy.weights), JSON.stringify([personas, plan]))));
    if (same) return material;
    throw new LabError(
      'config',
      'The personas or the questions have changed since this evaluation was made, so that its replies cannot be shown beside them.',
      'Its numbers stay as they are; evaluate again to read replies.',
    );
  }

  /** Questions and personas are made anew from the settings. */
  async #material(record: Pick<EvaluationRecord, 'settings' | 'policies'>): Promise<Material> {
    const { bench } = this.tools;
    const { settings, policies } = record;
    const base = settings.policy ?? bundledPolicy.id;
    const policy = await bench.policy(base);
    const tokenizer = await bench.tokenizer(base, settings);
    const { task, problems, seed, instruction, answers } = settings;
    const how = { ...(instruction === undefined ? {} : { instruction }), ...(answers ? { answers } : {}) };
    const set = generatedQuestions(taskById(task), problems, { seed, ...how });
    const { personas: all, voices } = libraryOf(settings.library);
    const personas = askedPersonas(all, settings);
    checkPersonas(personas);
    const reader = { tokenizer, maxPositions: policy.config.maxPositions };
    const readers = policies.map(({ name }) => ({ ...reader, name }));
    return { set, plan: planEvaluation(set, personas, readers, settings), personas, voices, policy, tokenizer };
  }
}

/** @throws LabError 'config' for what could not be kept, or not be read */
function checkAsking({ library, task, answers }: EvaluationSettings): void {
  if (answers && findTooLittle(taskById(task), answers)) {
    throw new LabError(
      'config',
      `A reply to the task “${taskById(task).name}” is more than its last number.`,
      'Let an answer be looked for in another form before it, such as \\boxed{…}.',
    );
  }
  if (typeof library === 'object' && library.personas.length > mostOwnPersonas) {
    throw new LabError(
      'config',
      `${library.name} has ${library.personas.length} personas; an evaluation here takes a file of at most ${mostOwnPersonas}.`,
      'Take a part of the file; on the command line permix eval takes all of it.',
    );
  }
}

interface Material extends PersonaLibrary {
  readonly set: QuestionSet;
  readonly plan: EvaluationPlan;
  readonly policy: Policy;
  readonly tokenizer: Tokenizer;
}
