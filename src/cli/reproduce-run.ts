/**
 * One run of a study in a process of its own: trains, examines, writes result.json. It goes on where an earlier session stopped. What is run
 * is in the folder's plan.json; who starts it, and what follows from the results, is `reproduce.ts`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineInfo, EngineRequest, PolicyEngine } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { cellKey } from '../evaluate/cells.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import type { Candidate, Cell, CellStore } from '../evaluate/request.ts';
import { inferenceAnswers, type InferenceAnswers } from '../evaluate/inference.ts';
import { generatedQuestions, type QuestionSet } from '../evaluate/questions.ts';
import type { EvaluationReport, Fidelity } from '../evaluate/report.ts';
import { analysis, type Examination } from '../evaluate/analysis.ts';
import { isWholeCurve, type Curve, type FidelitySummary, type RunResult } from '../study/results.ts';
import { personas, voices } from '../persona/world.ts';
import { voteTable } from '../evaluate/votes.ts';
import { loadPolicy } from '../policy/policy.ts';
import type { RunConfig } from '../rl/config.ts';
import type { MetricName } from '../rl/metric-names.ts';
import { personaParts, policyParts, programParts, questionParts, settingParts, type PolicyMaterial } from '../run/identity.ts';
import { z } from '../schema.ts';
import { taskById } from '../tasks/index.ts';
import { Arguments } from './arguments.ts';
import { chosenEngine, openEngine } from './engine.ts';
import { EvaluationFolder } from './eval-folder.ts';
import { policySource } from './folder.ts';
import { Output } from './output.ts';
import { holdFolder } from './folder-lock.ts';
import { readJson, replaceFile, sealedJson } from './files.ts';
import type { MetricsLine } from './step-log.ts';
import { RunFolder } from './run-folder.ts';
import { StoredRun } from './stored-run.ts';
import { stopSignal } from './stop.ts';
import { trainCommand } from './train.ts';

/** plan.json */
export interface RunPlan {
  readonly key: string;
  readonly seed: number;
  readonly config: RunConfig;
  /** Absolute paths of policies: what it begins from, what it is taught by. */
  readonly base: string;
  readonly teacher: string | null;
  /** Folder of the finished run that examined the base with the same questions; null: this is that run. */
  readonly baseRun: string | null;
  readonly examination: Examination;
  readonly engineRequest: EngineRequest;
  readonly build: string;
}

/** What a run tells whoever started it, a line of JSON each; lines of `permix train` (with `step`) come between them. */
export interface RunEvent {
  readonly evaluated: number;
}

/** All but the arm, which is the study's affair. */
export type StoredResult = Omit<RunResult, 'arm' | 'base' | 'teacher'>;

/** How long a process whose parent is gone may take to end: it cannot be interrupted in the middle of a batch. */
const dyingMs = 120_000;

/** @returns the exit code */
export async function runOne(folder: string): Promise<number> {
  endWithParent();
  const lock = await holdFolder(folder, { waitMs: dyingMs, otherwise: 'give the study another --work' });
  try {
    return await runAlone(folder);
  } catch (error) {
    if (labErrorCode(error) !== 'format') throw error;
    throw new LabError('format', (error as Error).message, `If you delete ${folder}, the study does this run again.`, { cause: error });
  } finally {
    await lock.release();
  }
}

/** The study holds the other end of a channel; where that is let go, nobody waits for this run any more, or somebody else will do it. */
function endWithParent(): void {
  if (process.send === undefined) return;
  const end = () => process.exit(1);
  process.on('disconnect', end);
  if (!process.connected) end();
}

async function runAlone(folder: string): Promise<number> {
  // As the study wrote it, just before it began this process.
  const plan = (await readJson(join(folder, 'plan.json'))) as RunPlan;
  const clock = await Clock.open(folder);
  const trained = plan.config.recipe !== 'base';
  const policy = trained ? join(folder, 'train', 'policy') : plan.base;
  if (trained && !existsSync(join(folder, 'trained'))) {
    const code = await trainCommand(trainArguments(folder, plan), new Output(true));
    await clock.spent('train');
    if (code !== 0) return code;
    await replaceFile(join(folder, 'trained'), '');
  }
  const training = trained ? await readTraining(join(folder, 'train'), plan.config) : null;
  const stop = stopSignal('Stopping after the replies that are being made.');
  try {
    const { report, inference, engine } = await examine(folder, plan, policy, stop.signal);
    await clock.spent('evaluate');
    const result: StoredResult = {
      key: plan.key,
      seed: plan.seed,
      config: plan.config,
      engine: training ? training.engine : engine!,
      finished: new Date().toISOString(),
      build: plan.build,
      seconds: clock.seconds,
      accuracy: { none: report.policy.none.accuracy, personas: report.policy.personas.map(({ accuracy }) => accuracy) },
      stability: report.policy.stability,
      shuffled: report.policy.shuffled,
      lottery: report.policy.lottery,
      fidelity: report.policy.fidelity && summaryOf(report.policy.fidelity),
      shift: report.shift,
      inference,
      curve: training ? training.curve : null,
    };
    await replaceFile(join(folder, 'result.json'), await sealedJson(result));
    return 0;
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    await clock.spent('evaluate');
    return 130;
  } finally {
    stop.release();
  }
}

/** The same run as `permix train` with these options. */
function trainArguments(folder: string, { base, teacher, engineRequest }: RunPlan): Arguments {
  const value = { value: 'X', help: '' };
  const spec = { name: 'train', summary: '', options: { out: value, config: value, model: value, teacher: value, resume: { help: '' } } };
  const out = join(folder, 'train');
  // As many of them run side by side as there are cores.
  const engine = ['--engine', engineRequest.engine!, '--backend', engineRequest.backend!, '--threads', '1'];
  if (!RunFolder.fresh(out)) return new Arguments(spec, ['--out', out, '--resume', ...engine]);
  const given = ['--config', join(folder, 'config.json'), '--model', base, ...(teacher === null ? [] : ['--teacher', teacher])];
  return new Arguments(spec, ['--out', out, ...given, ...engine]);
}

async function examine(folder: string, plan: RunPlan, policyFolder: string, signal: AbortSignal) {
  const { examination, seed, baseRun } = plan;
  const engineRequest = { ...plan.engineRequest, threads: 1 };
  const { task, samples, temperature, maxNewTokens } = analysis;
  const questions = generatedQuestions(taskById(task), examination.problems, { seed });
  let engine: EngineInfo | null = null;
  const policy = await candidate(policyFolder, 'policy', engineRequest, (info) => (engine = info));
  const base = baseRun === null ? null : await candidate(plan.base, 'base', engineRequest);
  const settings = { task, samples, temperature, seed, maxNewTokens, ...examination };
  const folderOf = async (path: string, examined: Examined, beside: Examined | null) => {
    const identity = {
      ...(await policyParts(examined.material)),
      ...(await policyParts(beside && beside.material, 'base')),
      ...(await personaParts(personas, voices)),
      ...(await questionParts(questions)),
      ...settingParts({ command: 'reproduce', ...settings }),
      ...programParts(await chosenEngine(engineRequest)),
    };
    return EvaluationFolder.open(join(path, 'evaluation'), identity, { otherwise: 'give the study another --work' });
  };
  const own = await folderOf(folder, policy, base);
  const store = base === null || baseRun === null ? own : new BesideBase(own, await folderOf(baseRun, base, null));
  const report = await evaluate({
    policy,
    base,
    personas,
    voices,
    questions,
    problems: examination.problems,
    samples,
    temperature,
    seed,
    maxNewTokens,
    fidelityReplies: examination.fidelityReplies,
    batchRows,
    cells: store,
    signal,
    onProgress: ({ fraction }) => process.stdout.write(`${JSON.stringify({ evaluated: fraction } satisfies RunEvent)}\n`),
  });
  // Where every reply was there already, nothing was opened: the machine is then asked once more, for the record.
  if (!engine) policy.close(await policy.open());
  return { report, inference: await inferenceOf(report, store, questions, policy, seed), engine };
}

/** Rows of one generation or scoring: decides the speed, not the result. */
const batchRows = 640;

/** The base's cells are those of its own examination, under other names. */
class BesideBase implements CellStore {
  constructor(
    private readonly own: EvaluationFolder,
    private readonly base: EvaluationFolder,
  ) {}

  read(key: string): Cell | undefined {
    return (
      this.own.read(key) ?? (key.startsWith('base/') ? (this.base.read(key) ?? this.base.read(key.replace('base/', 'policy/'))) : undefined)
    );
  }

  write(key: string, cell: Cell): Promise<void> {
    return this.own.write(key, cell);
  }
}

interface Examined extends Candidate {
  readonly material: PolicyMaterial;
  open(): Promise<PolicyEngine>;
  close(engine: PolicyEngine): void;
}

async function candidate(
  folder: string,
  name: string,
  engineRequest: EngineRequest,
  onOpen: (info: EngineInfo) => void = () => {},
): Promise<Examined> {
  const material = await loadPolicy(await policySource(folder));
  const { config, weights, tokenizer } = material;
  if (!tokenizer) throw new Error(`no tokenizer in ${folder}, which was trained from`);
  return {
    name,
    material,
    tokenizer,
    eosIds: config.eosIds,
    maxPositions: config.maxPositions,
    async open() {
      const engine = await openEngine({ config, weights, engineRequest: { ...engineRequest, threads: 1 } });
      onOpen(engine.info);
      return engine;
    },
    close: (engine: PolicyEngine) => engine.dispose(),
  };
}

/** Search and votes on the replies that the examination made. */
async function inferenceOf(
  report: EvaluationReport,
  cells: CellStore,
  set: QuestionSet,
  { tokenizer }: Candidate,
  seed: number,
): Promise<InferenceAnswers> {
  const byId = new Map(set.questions.map((question) => [question.id, question]));
  const questions = report.data.problemIds.map((id) => byId.get(id)!);
  const replies = personas.map((persona) => {
    const cell = cells.read(cellKey('policy', 'task', persona.id));
    if (!cell || !('replies' in cell)) throw new Error(`no replies under ${persona.id} after the examination`);
    return cell.replies;
  });
  const votes = await voteTable({ personas, questions, replies, samples: analysis.samples, judge: set.judge, tokenizer });
  return inferenceAnswers(votes, analysis.inference, seed);
}

function summaryOf({ headline, task, roleplay }: Fidelity): FidelitySummary {
  const { personas: _task, ...taskMeasures } = task;
  const { personas: _roleplay, ...roleplayMeasures } = roleplay;
  return { headline, task: taskMeasures, roleplay: roleplayMeasures };
}

/** @throws LabError 'format' where not every step is there, once */
async function readTraining(path: string, { steps }: RunConfig): Promise<{ engine: EngineInfo; curve: Curve }> {
  const stored = new StoredRun(path);
  const run = await stored.readRun('');
  const { lines } = await stored.metrics(run);
  const curve = curveOf(lines);
  if (!isWholeCurve(curve, steps)) {
    throw new LabError('format', `${stored.in('metrics.jsonl')} does not hold the steps 1 to ${steps}, each once.`, '');
  }
  return { engine: run.engine, curve };
}

function curveOf(lines: readonly MetricsLine[]): Curve {
  const short = (value: unknown) => (typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : null);
  const column = (name: MetricName) => lines.map((line) => short(line[name]) ?? 0);
  return {
    step: lines.map(({ step }) => step),
    reward: column('reward'),
    entropy: column('entropy'),
    kl: lines.map((line) => short(line['kl'])),
    length: column('completions/mean_length'),
  };
}

const seconds = z.number().check(z.minimum(0));
const clockShape = z.object({ train: seconds, evaluate: seconds });

/** Processor seconds by phase, over the sessions of a run; kept in clock.json. */
class Clock {
  #since = process.cpuUsage();

  private constructor(
    private readonly file: string,
    readonly seconds: { train: number; evaluate: number },
  ) {}

  static async open(folder: string): Promise<Clock> {
    const file = join(folder, 'clock.json');
    if (!existsSync(file)) return new Clock(file, { train: 0, evaluate: 0 });
    const stored = clockShape.safeParse(await readJson(file));
    if (!stored.success) throw new LabError('format', `${file} is damaged: it does not hold two times.`, '');
    return new Clock(file, stored.data);
  }

  async spent(phase: 'train' | 'evaluate'): Promise<void> {
    const { user, system } = process.cpuUsage(this.#since);
    this.#since = process.cpuUsage();
    this.seconds[phase] += Math.round((user + system) / 1e5) / 10;
    await replaceFile(this.file, JSON.stringify(this.seconds));
  }
}
