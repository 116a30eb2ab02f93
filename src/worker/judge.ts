/**
 * Judgings in the worker: the policies answer in turns with training, the reader's judge gives scores, every verdict is stored at once
 * (`job.ts`). What is asked and how it is counted is `src/evaluate/judge`.
 */
import { cellPlace } from '../evaluate/cells.ts';
import type { Candidate } from '../evaluate/request.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { neighbourhood, unreachableFromNode, unreachableFromPage } from '../evaluate/judge/address.ts';
import { JudgeClient, type JudgeOptions } from '../evaluate/judge/client.ts';
import { planJudging, plannedQuestions } from '../evaluate/judge/plan.ts';
import { judgedAnswers, judgeReport, type Judged } from '../evaluate/judge/report.ts';
import { runJudging, type JudgeCell } from '../evaluate/judge/run.ts';
import { judgeParts, policyParts, programParts, questionParts, settingParts, takenOverNotes, type Identity } from '../run/identity.ts';
import type { JudgementRecord } from '../storage/judgements.ts';
import { newId } from '../storage/seal.ts';
import { bundledPolicy } from './bench.ts';
import { engineInfo, examinedPolicies, lentEngine, type EvaluationTools } from './candidates.ts';
import type { ContinuedJudging, JudgementInfo, JudgementView, JudgingUpdate, NewJudging } from './judge-api.ts';
import { Job } from './job.ts';
import { policiesPart } from './origin.ts';

const newsInterval = 500;
/** The share of the likeliest tokens that answers are drawn from; the benchmark's own value. */
const topP = 0.9;

export class Judgements extends Job<'judgement'> {
  readonly #options: JudgeOptions;
  protected readonly words = { a: 'A judging', this: 'This judging', again: 'Judge again; what was judged stays as it is.' };

  constructor(tools: EvaluationTools, options: JudgeOptions = {}) {
    super(tools);
    this.#options = { explain, ...options };
  }

  async list(): Promise<readonly JudgementInfo[]> {
    const { storage } = this.tools;
    const infos: JudgementInfo[] = [];
    for (const record of await storage.judgements()) infos.push(infoOf(record, await storage.judgedKeys(record.id)));
    return infos;
  }

  async view(id: string): Promise<JudgementView> {
    const { storage } = this.tools;
    const record = await storage.judgement(id);
    return viewOf(record, new Map((await storage.judged(id)).map(({ key, cell }) => [key, cell])));
  }

  protected read(id: string): Promise<JudgementRecord> {
    return this.tools.storage.judgement(id);
  }

  protected save(record: JudgementRecord): Promise<void> {
    return this.tools.storage.saveJudgement(record);
  }

  protected erase(id: string): Promise<void> {
    return this.tools.storage.deleteJudgement(id);
  }

  protected async reached(record: JudgementRecord): Promise<string> {
    return `${(await this.tools.storage.judgedKeys(record.id)).length} answers and verdicts`;
  }

  protected async plan({ settings: asked, benchmark, access }: NewJudging): Promise<JudgementRecord> {
    const { bench } = this.tools;
    const base = asked.policy ?? bundledPolicy.id;
    const client = new JudgeClient(access, this.#options);
    const [policy, tokenizer] = [await bench.policy(base), await bench.tokenizer(base)];
    // All policies are checkpoints of one base and read alike.
    const reader = { name: await this.tools.nameOf(base), tokenizer, maxPositions: policy.config.maxPositions };
    const plan = planJudging(benchmark, [reader], asked);
    const policies = await examinedPolicies(this.tools, base, asked.checkpoints);
    const info = await engineInfo(this.tools, base);
    const settings = { ...asked, checkpoints: policies.flatMap(({ checkpoint }) => checkpoint ?? []) };
    const judge = { address: client.url, model: client.model };
    return { id: newId('judgement'), created: Date.now(), engine: info, settings, policies, judge, plan };
  }

  protected async identity({ settings, policies, judge, plan }: JudgementRecord): Promise<Identity> {
    const { storage, bench } = this.tools;
    const { checkpoints: _, ...others } = settings;
    return {
      ...(await policyParts(await bench.policy(settings.policy ?? bundledPolicy.id))),
      ...(await policiesPart(storage, policies, 'judging')),
      ...(await questionParts(plan.personas)),
      ...settingParts({ ...others, topP }),
      ...judgeParts(judge),
      ...programParts(bench.chosen),
    };
  }

  protected async carryOut(
    record: JudgementRecord,
    request: NewJudging | ContinuedJudging,
    signal: AbortSignal,
    onUpdate: (update: JudgingUpdate) => void,
  ): Promise<JudgementView> {
    const { storage, bench } = this.tools;
    const { id, policies, plan, settings } = record;
    const base = settings.policy ?? bundledPolicy.id;
    const cells = new Map((await storage.judged(id)).map(({ key, cell }) => [key, cell]));
    const key = 'access' in request ? request.access.key : request.key;
    const judge = new JudgeClient({ ...record.judge, key }, this.#options);
    const { total } = infoOf(record, cells.keys());
    const { config } = await bench.policy(base);
    const tokenizer = await bench.tokenizer(base);
    const candidates = policies.map(({ name, checkpoint }): Candidate => ({
      name,
      tokenizer,
      eosIds: config.eosIds,
      maxPositions: config.maxPositions,
      open: () => lentEngine(this.tools, base, checkpoint, signal),
      close: () => {},
    }));
    const began = performance.now();
    let told = -Infinity;
    let done = 0;
    try {
      await runJudging({
        plan,
        policies: candidates,
        sampling: { ...settings, topP },
        judge,
        store: {
          read: (key) => cells.get(key),
          write: async (key, cell) => {
            await storage.saveJudged({ judgementId: id, key, cell });
            cells.set(key, cell);
          },
        },
        signal,
        onProgress: (progress) => {
          done = progress.done;
          const now = performance.now();
          if (now - told < newsInterval && done < total) return;
          told = now;
          const each = progress.made > 0 ? (now - began) / 1000 / progress.made : null;
          const secondsLeft = each === null ? null : each * (total - done);
          onUpdate({ id, policies, done, total, phase: progress.phase, secondsLeft, report: judgeReport(materialOf(record, cells)) });
        },
      });
    } catch (error) {
      const code = labErrorCode(error);
      const cancelled = signal.aborted && code === 'cancelled';
      // Nothing of worth is lost, and there is nothing to be continued: a wrong address is corrected in the form.
      if (done === 0) await storage.deleteJudgement(id);
      if (!cancelled || done === 0) throw code === 'network' ? withKept(error as LabError, done, total) : error;
    }
    return viewOf(record, cells);
  }
}

function withKept(error: LabError, done: number, total: number): LabError {
  if (done === 0) return error;
  return new LabError('network', error.message, `${done} of ${total} verdicts are kept; Continue goes on with the rest.`, { cause: error });
}

function materialOf({ plan, policies, judge, settings }: JudgementRecord, cells: ReadonlyMap<string, JudgeCell>): Judged {
  const { temperature, maxNewTokens, seed } = settings;
  const names = policies.map(({ name }) => name);
  return { plan, names, judge, sampling: { temperature, topP, maxNewTokens, seed }, read: (key) => cells.get(key) };
}

function infoOf({ plan, ...record }: JudgementRecord, keys: Iterable<string>): JudgementInfo {
  let done = 0;
  for (const key of keys) if (cellPlace(key).kind !== 'answers') done++;
  return { ...record, benchmark: plan.benchmark, done, total: record.policies.length * plannedQuestions(plan) };
}

function viewOf(record: JudgementRecord, cells: ReadonlyMap<string, JudgeCell>): JudgementView {
  const material = materialOf(record, cells);
  const report = judgeReport(material);
  const notes = [...report.notes, ...takenOverNotes(record.origin?.takenOver ?? [])];
  return { info: infoOf(record, cells.keys()), report: { ...report, notes }, answers: judgedAnswers(material) };
}

/** In a browser the page's own circumstances are the best guess; elsewhere the system knows. */
async function explain(url: string, error: unknown, reached: boolean): Promise<LabError> {
  const page = (globalThis as { readonly location?: Location }).location;
  if (!page) return unreachableFromNode(url, error);
  return unreachableFromPage(
    url,
    { origin: page.origin, secure: globalThis.isSecureContext, permission: await localNetworkPermission(url) },
    reached,
  );
}

/** Chrome asks before a public page may reach the local network; it has named that permission in two ways. */
async function localNetworkPermission(url: string): Promise<PermissionState | null> {
  const where = neighbourhood(url);
  if (where === 'public') return null;
  for (const name of [`${where}-network`, 'local-network-access']) {
    try {
      return (await navigator.permissions.query({ name: name as PermissionName })).state;
    } catch {
      // This browser does not know it by that name.
    }
  }
  return null;
}
