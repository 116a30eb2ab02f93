/** `permix train`: one run of reinforcement learning, from the base policy to a Hugging Face folder, stoppable and resumable. */
import { mean } from '../statistics/moments.ts';
import { join, resolve } from 'node:path';
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { accuracyByPersona } from '../evaluate/accuracy.ts';
import { personas } from '../persona/world.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { checkConfig, parseRunConfig } from '../rl/check.ts';
import { loraSetup, type RunConfig } from '../rl/config.ts';
import type { TrainerState } from '../rl/events.ts';
import { initialTrainerState, train } from '../rl/trainer.ts';
import { taskById, tasks } from '../tasks/index.ts';
import type { Arguments, EngineWish } from './arguments.ts';
import { modelFolder, openEngine } from './engine.ts';
import { folderSource, writePolicyFolder } from './folder.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { readJson, RunFolder, type Evaluation, type MetricsLine } from './run-folder.ts';
import { stopSignal } from './stop.ts';

/** The same held-out questions for every run, whatever its seed. */
const evaluationSeed = 1;

interface Plan {
  readonly config: RunConfig;
  /** Absolute path of the base policy. */
  readonly model: string;
  /** Absolute path of the teacher; null for every recipe but distillation. */
  readonly teacher: string | null;
  readonly wish: EngineWish;
}

export async function trainCommand(args: Arguments, out: Output): Promise<number> {
  const folder = new RunFolder(resolve(args.required('out')));
  const problems = args.integer('eval', 1, 100_000);
  const resume = args.flag('resume');
  if (!resume && !folder.empty)
    throw args.wrong(`${folder.path} is not empty. Add --resume to continue the run in it, or choose another --out.`);
  const { config, model, teacher, wish } = resume ? await resumedPlan(args, folder) : await newPlan(args);
  const complaints = checkConfig(config, personas);
  if (complaints.length > 0) throw new LabError('config', complaints.join(' '), 'Correct the settings and start again.');

  const policy = await loadPolicy(await folderSource(model));
  const { tokenizer } = policy;
  if (!tokenizer) throw new LabError('config', `The policy in ${model} has no tokenizer.json.`, 'Training needs one.');
  const saved = resume ? await folder.readCheckpoint() : null;
  const engine = await openEngine({ config: policy.config, weights: policy.weights, lora: loraSetup(config), wish });
  await engine.setReference();
  const taught = teacher === null ? null : await openTeacher(teacher, policy, wish);
  if (saved) await engine.importState(saved.state);
  let state = saved?.trainer ?? initialTrainerState;
  await folder.writeRun({
    config,
    model,
    ...(teacher === null ? {} : { teacher }),
    engine: engine.info,
    created: new Date().toISOString(),
  });
  await folder.keepMetrics(state.step);
  notice(
    `${config.recipe}: step ${state.step} to ${config.steps}, seed ${config.seed}, ${engine.info.engine} engine on ${engine.info.backend}`,
  );

  const stop = stopSignal('Stopping after the current phase; the run will be saved.');
  const exam = problems ? { engine, tokenizer, policy, config, problems, folder, out, signal: stop.signal } : null;
  try {
    if (exam && state.step === 0) await evaluate(exam, 'before', 0);
    const progress = new Progress('training', config.steps, state.step);
    let savedAt = saved ? state.step : -1;
    const save = async () => {
      if (savedAt === state.step) return;
      await folder.writeCheckpoint({ config, trainer: state, state: await engine.exportState() });
      savedAt = state.step;
    };
    try {
      const setup = {
        engine,
        ...(taught ? { teacher: taught } : {}),
        tokenizer,
        eosIds: policy.config.eosIds,
        personas,
        config,
        state,
        signal: stop.signal,
      };
      for await (const { report, state: reached } of train({ ...setup, onProgress: within(progress, () => state) })) {
        state = reached;
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
    await writePolicyFolder(join(folder.path, 'policy'), policy.config, (await engine.exportState()).weights, model);
    notice(`Wrote the run to ${folder.path}; the policy is in its folder policy/.`);
    if (exam) await evaluate(exam, 'after', state.step);
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    notice(`Stopped after step ${state.step} of ${config.steps}; permix train --out ${args.required('out')} --resume continues.`);
    return 130;
  } finally {
    stop.release();
    engine.dispose();
    taught?.dispose();
  }
  return 0;
}

/** @throws LabError 'config' for a teacher whose tokens are not the policy's */
async function openTeacher(folder: string, { config, tokenizer }: Policy, wish: EngineWish): Promise<PolicyEngine> {
  const teacher = await loadPolicy(await folderSource(folder));
  const sample = 'You are a careful teacher. What is 12 + 30? \\boxed{42}';
  const same =
    teacher.config.vocabSize === config.vocabSize && String(teacher.tokenizer?.encode(sample)) === String(tokenizer?.encode(sample));
  if (!same) {
    throw new LabError('config', `The teacher in ${folder} has another tokenizer than the policy.`, 'Take one that was trained from it.');
  }
  return openEngine({ config: teacher.config, weights: teacher.weights, wish });
}

/** Recipe, then the file of --config, then the options. */
async function newPlan(args: Arguments): Promise<Plan> {
  const file = args.text('config');
  const settings = file ? await readJson<unknown>(file) : {};
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) throw args.wrong(`${file} must hold a JSON object.`);
  const given = givenSettings(args);
  const model = resolve(modelFolder(args));
  const teacher = args.text('teacher');
  try {
    const config = parseRunConfig({ ...settings, ...given, policy: (await folderSource(model)).id });
    if ((config.recipe === 'distill') !== (teacher !== undefined)) throw args.wrong('--recipe distill and --teacher belong together.');
    return { config, model, teacher: teacher === undefined ? null : resolve(teacher), wish: args.wish };
  } catch (error) {
    // What came by an option is wrong usage; what came by a file is a wrong file.
    if (!file && labErrorCode(error) === 'config') throw args.wrong((error as LabError).message);
    throw error;
  }
}

/** The run as it was started; only its length may change. */
async function resumedPlan(args: Arguments, folder: RunFolder): Promise<Plan> {
  const run = await folder.readRun();
  const { steps, ...fixed } = givenSettings(args);
  for (const [name, value] of Object.entries(fixed)) {
    const was = run.config[name as keyof RunConfig];
    if (JSON.stringify(was) !== JSON.stringify(value)) {
      throw args.wrong(`The run in ${folder.path} has another ${name} (${JSON.stringify(was)}); a resumed run keeps its own.`);
    }
  }
  if (args.text('config') !== undefined) throw args.wrong('A resumed run keeps its own configuration; leave out --config.');
  if (args.text('model') !== undefined && resolve(args.required('model')) !== run.model) {
    throw args.wrong(`The run in ${folder.path} trains ${run.model}; a resumed run keeps its own model.`);
  }
  if (args.text('teacher') !== undefined && resolve(args.required('teacher')) !== run.teacher) {
    throw args.wrong(`The run in ${folder.path} has ${run.teacher ?? 'no teacher'}; a resumed run keeps its own teacher.`);
  }
  const { engine = run.engine.engine, backend = run.engine.backend } = args.wish;
  if (backend !== run.engine.backend || engine !== run.engine.engine) {
    notice(
      `The run was on ${run.engine.engine}/${run.engine.backend}; on ${engine}/${backend} its numbers will differ in the last digits.`,
    );
  }
  return {
    config: { ...run.config, steps: steps ?? run.config.steps },
    model: run.model,
    teacher: run.teacher ?? null,
    wish: { engine, backend },
  };
}

function givenSettings(args: Arguments): Partial<Pick<RunConfig, 'recipe' | 'seed' | 'steps' | 'tasks' | 'lora'>> {
  const recipe = args.choice('recipe', ['base', 'sft', 'rlvr', 'permix', 'distill'] as const);
  const seed = args.integer('seed', 0, 0xffffffff);
  const steps = args.integer('steps', 1, 1_000_000);
  const task = args.choice(
    'task',
    tasks.map(({ id }) => id),
  );
  const rank = args.integer('lora-rank', 0, 1024);
  const alpha = args.number('lora-alpha', 0, 1e6);
  if (alpha !== undefined && !rank) throw args.wrong('--lora-alpha needs --lora-rank.');
  return {
    ...(recipe !== undefined ? { recipe } : {}),
    ...(seed !== undefined ? { seed } : {}),
    ...(steps !== undefined ? { steps } : {}),
    ...(task !== undefined ? { tasks: [{ id: task, weight: 1 }] } : {}),
    ...(rank !== undefined ? { lora: rank > 0 ? { rank, alpha: alpha ?? 2 * rank } : null } : {}),
  };
}

function within(progress: Progress, state: () => TrainerState): (phase: string, fraction: number) => void {
  // Rough shares of a step's time; the bar need not be exact, only never stand still.
  const begins: Readonly<Record<string, number>> = { generate: 0, verify: 0.4, score: 0.4, update: 0.5 };
  const lasts: Readonly<Record<string, number>> = { generate: 0.4, update: 0.5 };
  return (phase, fraction) => progress.at(state().step + (begins[phase] ?? 0) + fraction * (lasts[phase] ?? 0), phase);
}

function summary(line: MetricsLine): string {
  const number = (name: string, digits: number) => {
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

async function evaluate(exam: Exam, when: Evaluation['when'], step: number): Promise<void> {
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
  const evaluation: Evaluation = {
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
