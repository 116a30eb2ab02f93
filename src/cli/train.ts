/** `permix train`: one run of reinforcement learning, from the base policy, or a checkpoint of another run, to a Hugging Face folder; stoppable and resumable. */
import { mean } from '../statistics/moments.ts';
import { relative, resolve } from 'node:path';
import type { EngineRequest, PolicyEngine } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { accuracyByPersona } from '../evaluate/accuracy.ts';
import { needPersonaPlace, ownPromptSentence, personaPlace } from '../persona/place.ts';
import { personas, voices } from '../persona/world.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { checkConfig } from '../rl/check.ts';
import { loraSetup, type RunConfig } from '../rl/config.ts';
import { EndWatch } from '../rl/ends.ts';
import type { TrainerState } from '../rl/events.ts';
import type { MetricName } from '../rl/metric-names.ts';
import type { StepPhase } from '../rl/phases.ts';
import { recipes } from '../rl/recipes.ts';
import { planRun } from '../rl/plan.ts';
import { measureRoom } from '../rl/room.ts';
import { initialTrainerState, train } from '../rl/trainer.ts';
import { policyParts, runIdentity, type Identity } from '../run/identity.ts';
import type { CheckpointContent } from '../storage/records.ts';
import { taskById } from '../tasks/index.ts';
import type { Question } from '../tasks/question.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { openEngine, readPolicy } from './engine.ts';
import { folderSource, writePolicyFolder } from './folder.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import type { MetricsLine } from './metrics-log.ts';
import { RunFolder } from './run-folder.ts';
import { stopSignal } from './stop.ts';
import type { StoredAccuracy } from './stored-run.ts';
import { forkedPlan, newPlan, resumedPlan, type TrainPlan } from './train-plan.ts';

/** The same held-out questions for every run, whatever its seed. */
const evaluationSeed = 1;

export async function trainCommand(args: Arguments, out: Output): Promise<number> {
  const path = resolve(args.required('out'));
  const problems = args.integer('eval', 1, 100_000);
  const resume = args.flag('resume');
  const forks = args.text('from') !== undefined;
  if (resume && forks) throw args.wrong('--resume continues the run in --out, --from begins another one: give one of them.');
  if (!resume && !RunFolder.fresh(path))
    throw args.wrong(`${path} is not empty. Add --resume to continue the run in it, or choose another --out.`);
  const existing = resume ? await RunFolder.open(path) : null;
  let folder = existing;
  try {
    const plan = existing ? await resumedPlan(args, existing) : forks ? await forkedPlan(args) : await newPlan(args);
    const complaints = checkConfig(plan.config, personas);
    if (complaints.length > 0) throw new LabError('config', complaints.join(' '), 'Correct the settings and start again.');
    const policy = await readPolicy(plan.model, plan.config.templateArguments);
    if (!policy.tokenizer)
      throw new LabError(
        'config',
        `The policy in ${plan.model} has no tokenizer.json.`,
        'Add the one of the policy that it was made from, or choose another --model.',
      );
    // Before anything is written: what refuses the run leaves no folder behind.
    const { notices, fits } = measureRoom(plan.config, personas, policy.tokenizer);
    const said = [...notices, ownPromptSentence(policy.tokenizer, policy.id)];
    if (problems) needPersonaPlace(policy.tokenizer);
    for (const sentence of said) if (sentence !== null) notice(sentence);
    folder ??= await RunFolder.create(path);
    return await trainIn(folder, plan, { policy, tokenizer: policy.tokenizer, fits, problems, out });
  } finally {
    await folder?.close();
  }
}

interface Material {
  readonly policy: Policy;
  readonly tokenizer: Tokenizer;
  /** Whether there is room for a question. */
  readonly fits: (question: Question) => boolean;
  /** Of --eval. */
  readonly problems: number | undefined;
  readonly out: Output;
}

/** @returns the exit code */
async function trainIn(folder: RunFolder, plan: TrainPlan, { policy, tokenizer, fits, problems, out }: Material): Promise<number> {
  const { config, model, teacher, engineRequest } = plan;
  const engine = await openEngine({ config: policy.config, weights: policy.weights, lora: loraSetup(config), engineRequest });
  await engine.setReference();
  const taught = teacher === null ? null : await openTeacher(teacher, policy, engineRequest);
  const material = { policy, config, personas, voices, teacher: taught?.identity ?? null, engine: engine.info };
  const origin = plan.originOf(await runIdentity(material));
  const saved = folder.begun ? await folder.goBack(notice) : null;
  const start = saved ?? plan.fork?.start ?? beginning(config, policy);
  const learned = { engine, ...(taught ? { teacher: taught.engine } : {}), tokenizer, eosIds: policy.config.eosIds, personas, config };
  // Before anything is written, likewise.
  planRun({ ...learned, fits, state: start.trainer });
  await engine.importState(start.state);
  let state = start.trainer;
  await folder.write({
    config,
    model: relative(folder.path, model),
    ...(teacher === null ? {} : { teacher: relative(folder.path, teacher) }),
    engine: engine.info,
    ownPrompt: personaPlace(tokenizer).ownPrompt,
    origin,
    ...(plan.fork ? { from: { ...plan.fork.from, run: relative(folder.path, plan.fork.from.run) } } : folder.from),
  });
  if (!saved) await folder.begin({ ...start, config });
  notice(
    `${config.recipe}: step ${state.step} to ${config.steps}, seed ${config.seed}, ${engine.info.engine} engine on ${engine.info.backend}`,
  );

  let savedAt = state.step;
  const stop = stopSignal('Stopping after the current phase; the run will be saved.');
  const exam = problems ? { engine, tokenizer, policy, config, problems, folder, out, signal: stop.signal } : null;
  try {
    if (exam && state.step === 0) await evaluate(exam, 'before', 0);
    const progress = new Progress('training', config.steps, state.step);
    const ends = new EndWatch(
      policy.config.eosIds.map((id) => tokenizer.tokenOf(id) ?? String(id)),
      config.sampling.maxNewTokens,
    );
    const save = async () => {
      if (savedAt === state.step) return;
      await folder.saveCheckpoint({ config, trainer: state, state: await engine.exportState() });
      savedAt = state.step;
    };
    try {
      const setup = { ...learned, state, signal: stop.signal };
      for await (const { report, state: reached } of train({ ...setup, onProgress: within(progress, () => state) })) {
        state = reached;
        const never = ends.step(config.promptsPerStep * config.groupSize, report.metrics['completions/clipped_ratio'] ?? 0);
        if (never !== null) notice(never);
        const line = { step: report.step, ...report.metrics, personas: report.personas } as MetricsLine;
        await folder.appendMetrics(line);
        out.object(line);
        out.line(summary(line));
        if (config.checkpointEvery > 0 && state.step % config.checkpointEvery === 0) await save();
      }
    } catch (error) {
      // A step that is stopped has changed nothing, so the engine still is where `state` says.
      if (labErrorCode(error) === 'cancelled') await save();
      throw error;
    } finally {
      progress.done();
    }
    await save();
    const { weights } = await engine.exportState();
    await folder.writePolicy((fresh) => writePolicyFolder(fresh, policy.config, weights, model));
    notice(`Wrote the run to ${folder.path}; the policy is in its folder policy/.`);
    if (exam) await evaluate(exam, 'after', state.step);
  } catch (error) {
    if (labErrorCode(error) === 'numeric')
      throw new LabError('numeric', (error as Error).message, await wayBack(folder, config), { cause: error });
    if (labErrorCode(error) !== 'cancelled') {
      const kept = `The run is saved up to step ${savedAt}; permix train`;
      // The same settings would be refused again.
      if (labErrorCode(error) === 'memory')
        notice(`${kept} --from ${shellWord(folder.path)} --config FILE.json --out DIR goes on from there with settings that fit.`);
      else notice(`${kept} --out ${shellWord(folder.path)} --resume goes on from there.`);
      throw error;
    }
    notice(`Stopped after step ${state.step} of ${config.steps}; permix train --out ${shellWord(folder.path)} --resume continues.`);
    return 130;
  } finally {
    stop.release();
    engine.dispose();
    taught?.engine.dispose();
  }
  return 0;
}

/** The base as it is, as the page's first checkpoint has it. */
function beginning(config: RunConfig, { weights }: Policy): CheckpointContent {
  return { config, trainer: initialTrainerState, state: { weights, adapters: null, moments: null, optimSteps: 0, skippedSteps: 0 } };
}

/** A command that can be given as it stands, for a run that diverged. */
async function wayBack(folder: RunFolder, { optim }: RunConfig): Promise<string> {
  const learningRate = Number(Math.min(optim.learningRate / 10, recipes.permix.optim.learningRate).toPrecision(2));
  const from = shellWord(`${folder.path}@${await folder.bestStep()}`);
  const steps = (await folder.steps()).join(', ');
  return (
    `With {"optim": {"learningRate": ${learningRate}}} in FILE.json, permix train --from ${from} --config FILE.json --out DIR does that in a new folder ` +
    `(there are checkpoints of the steps ${steps}).`
  );
}

interface Taught {
  readonly engine: PolicyEngine;
  readonly identity: Identity;
}

/** @throws LabError 'config' for a teacher whose tokens are not the policy's */
async function openTeacher(folder: string, { config, tokenizer }: Policy, engineRequest: EngineRequest): Promise<Taught> {
  const teacher = await loadPolicy(await folderSource(folder));
  const sample = 'You are a careful teacher. What is 12 + 30? \\boxed{42}';
  const same =
    teacher.config.vocabSize === config.vocabSize && String(teacher.tokenizer?.encode(sample)) === String(tokenizer?.encode(sample));
  if (teacher.config.maxPositions < config.maxPositions) {
    const what = `The teacher in ${folder} reads ${teacher.config.maxPositions} tokens, the policy ${config.maxPositions}.`;
    throw new LabError('config', what, 'Take one that reads as many.');
  }
  if (!same) {
    throw new LabError('config', `The teacher in ${folder} has another tokenizer than the policy.`, 'Take one that was trained from it.');
  }
  const engine = await openEngine({ config: teacher.config, weights: teacher.weights, engineRequest });
  return { engine, identity: await policyParts(teacher, 'teacher') };
}

function within(progress: Progress, state: () => TrainerState): (phase: StepPhase, fraction: number) => void {
  // Rough shares of a step's time; the bar need not be exact, only never stand still.
  const shares: Readonly<Record<StepPhase, { readonly from: number; readonly to: number }>> = {
    generate: { from: 0, to: 0.4 },
    verify: { from: 0.4, to: 0.4 },
    score: { from: 0.4, to: 0.4 },
    update: { from: 0.5, to: 1 },
  };
  return (phase, fraction) => {
    const { from, to } = shares[phase];
    progress.at(state().step + from + fraction * (to - from), phase);
  };
}

function summary(line: MetricsLine): string {
  const number = (name: MetricName, digits: number) => {
    const value: unknown = line[name];
    return typeof value === 'number' ? value.toFixed(digits) : '–';
  };
  return `step ${String(line.step).padStart(4)}  reward ${number('reward', 3)}  entropy ${number('entropy', 3)}  length ${number('completions/mean_length', 1)}  grad ${number('grad_norm', 3)}`;
}

interface Exam {
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  readonly policy: Policy;
  readonly config: RunConfig;
  readonly problems: number;
  readonly folder: RunFolder;
  readonly out: Output;
  readonly signal: AbortSignal;
}

async function evaluate(exam: Exam, when: StoredAccuracy['when'], step: number): Promise<void> {
  const { engine, tokenizer, policy, config, problems, folder, out, signal } = exam;
  const [first] = config.tasks;
  const asked = [null, ...personas];
  const progress = new Progress(`accuracy ${when} training`, asked.length);
  const scores = await accuracyByPersona({
    engine,
    tokenizer,
    eosIds: policy.config.eosIds,
    personas: asked,
    task: taskById(first!.id),
    ...(first!.knobs ? { knobs: first!.knobs } : {}),
    problems,
    seed: evaluationSeed,
    temperature: 0,
    maxNewTokens: config.sampling.maxNewTokens,
    signal,
    onProgress: (fraction) => progress.at(fraction * asked.length, 'personas'),
  });
  progress.done();

  const accuracy = Object.fromEntries(scores.map(({ personaId, correct, total }) => [personaId ?? 'none', correct / total]));
  const underPersonas = scores.filter(({ personaId }) => personaId !== null).map(({ correct, total }) => correct / total);
  const evaluation: StoredAccuracy = {
    when,
    step,
    task: first!.id,
    problems,
    mean: mean(underPersonas),
    worst: Math.min(...underPersonas),
    personas: accuracy,
  };
  const earlier = (await folder.readEvaluations()).filter((other) => other.when !== when);
  await folder.writeEvaluations([...earlier, evaluation]);

  out.object({ evaluation });
  const before = earlier.find((other) => other.when === 'before');
  const cell = (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`.padStart(9));
  const rows = [
    ...Object.entries(accuracy).map(([id, value]) => [id, before?.personas[id], value] as const),
    ['mean of the personas', before?.mean, evaluation.mean] as const,
    ['worst persona', before?.worst, evaluation.worst] as const,
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  out.line(`${`${first!.id}, ${problems} questions each`.padEnd(width)}  ${before ? '   before' : ''}${when.padStart(9)}`);
  for (const [name, was, is] of rows) out.line(`${name.padEnd(width)}  ${before ? cell(was) : ''}${cell(is)}`);
}
