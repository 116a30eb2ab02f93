/**
 * What `permix train` is asked to do, from its options and files: a new run, one that is continued, or one that is forked from a checkpoint
 * of another with settings of its own. Nothing is written and no engine opened here.
 */
import type { Adapters, EngineRequest } from '../engine/engine.ts';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { complaintSentence, LabError, labErrorCode } from '../errors.ts';
import { plainPlaces, projections, specOf, type LoraSpec } from '../policy/adapters.ts';
import { readAdapters } from '../policy/adapted.ts';
import { loadPolicy } from '../policy/policy.ts';
import { changedSettings, mergeSettings, parseRunConfig } from '../rl/check.ts';
import { namedRecipes, type RecipeName, type RunConfig } from '../rl/config.ts';
import { forkComplaints, forked, recipeChange } from '../run/fork.ts';
import { begun, continued, takenOverNotes, type Identity, type Origin, type Part } from '../run/identity.ts';
import type { CheckpointContent } from '../storage/records.ts';
import { tasks } from '../tasks/index.ts';
import { boxedInstruction } from '../tasks/instruction.ts';
import type { SourceChoice } from '../tasks/source.ts';
import { usualImportedAnswers } from '../verify/answer-forms.ts';
import { askingOf, type AskingSettings } from '../rl/asking.ts';
import { suited } from '../rl/suited.ts';
import { accepted, nextStep } from './accept.ts';
import { defaultsOf, givenAsking } from './asking.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { findPolicy } from './base.ts';
import { modelFolder } from './engine.ts';
import { readJson } from './files.ts';
import { baseOfAdapters, folderSource, policySource } from './folder.ts';
import { refuseNoAdapters } from './mistaken.ts';
import { notice } from './progress.ts';
import { givenSets, recordedSets, type RunSets } from './question-sets.ts';
import type { RunFolder } from './run-folder.ts';
import { fileOfRun, isFile, runFileOf } from './saved-run.ts';
import { StoredRun, type RunFile } from './stored-run.ts';

export interface TrainPlan {
  readonly config: RunConfig;
  /** Absolute path of the base policy. */
  readonly model: string;
  /** Absolute path of the teacher; null for every recipe but distillation. */
  readonly teacher: string | null;
  readonly engineRequest: EngineRequest;
  /** What the run begins with on top of the base; null: new ones, or none. */
  readonly adapters: Adapters | null;
  /** Of its configuration, read. */
  readonly questions: RunSets;
  /** From now on; a folder that keeps them goes on doing so. */
  readonly keepsRollouts: boolean;
  readonly fork: {
    /** The run by its absolute path. */ readonly from: NonNullable<RunFile['from']>;
    readonly start: CheckpointContent;
  } | null;
  /** What is to be recorded of where the numbers come from. @throws LabError 'usage' where they would come from something else than before */
  readonly originOf: (now: Identity) => Origin;
}

/**
 * Recipe, then what the policy brings, then the file of --config, then the options.
 * @param decided by the command, over all of them  @param usual over the recipe, under all others
 */
export async function newPlan(args: Arguments, decided: object = {}, usual: object = {}): Promise<TrainPlan> {
  const file = args.text('config');
  const settings = await settingsFile(args);
  const saved = args.text('adapters');
  if (saved !== undefined) await refuseNoAdapters(saved);
  const model = resolve(saved !== undefined && args.text('model') === undefined ? await baseOfAdapters(saved) : modelFolder(args));
  const teacher = args.text('teacher');
  const adapters = saved === undefined ? null : await savedAdapters(args, saved, model);
  try {
    const brought = await defaultsOf(model);
    const questions = await givenSets(args);
    const said = mergeSettings(settings, { ...withSets(await givenSettings(args, brought?.lora), questions.choices) });
    const given = { ...said, ...(adapters ? { lora: specOf(adapters) } : {}), ...decided };
    const recipe = 'recipe' in given ? { recipe: given.recipe } : {};
    const config = parseRunConfig(
      changedSettings(suited(parseRunConfig({ ...usual, ...recipe }), brought), {
        ...(questions.choices.length > 0 ? askingOfSets(brought) : {}),
        ...given,
        policy: (await policySource(model)).id,
      }),
    );
    checkTeacher(args, config, teacher);
    return {
      config,
      model,
      teacher: teacher === undefined ? null : resolve(teacher),
      engineRequest: args.engineRequest,
      adapters,
      questions,
      keepsRollouts: args.flag('rollouts'),
      fork: null,
      originOf: begun,
    };
  } catch (error) {
    // What came by an option is wrong usage; what came by a file is a wrong file.
    if (labErrorCode(error) !== 'config') throw error;
    const { what, next } = error as LabError;
    throw file === undefined ? args.wrong((error as LabError).message) : new LabError('config', `${file}: ${what}`, next, { cause: error });
  }
}

/** The run as it was started; only its length may change. */
export async function resumedPlan(args: Arguments, folder: RunFolder): Promise<TrainPlan> {
  const { run, path } = folder;
  refuseAdapters(args);
  const { steps = run.config.steps, ...fixed } = await givenSettings(args);
  for (const [name, value] of Object.entries(fixed)) {
    const was = { ...run.config, ...askingOf(run.config) }[name as keyof RunConfig];
    if (!says(was, value)) {
      throw args.wrong(
        `The run in ${path} has another ${name} (${JSON.stringify(was)}); a resumed run keeps its own. ${forkInstead(path)}`,
      );
    }
  }
  if (args.text('config') !== undefined) {
    throw args.wrong(`A resumed run keeps its own configuration; leave out --config. ${forkInstead(path)}`);
  }
  const reached = await folder.reached();
  if (steps < reached) {
    throw args.wrong(`The run in ${path} has reached step ${reached}, so that it cannot end at step ${steps}. ${forkInstead(path)}`);
  }
  if (args.text('teacher') !== undefined && run.teacher === undefined) {
    throw args.wrong(`The run in ${path} has no teacher; a resumed run keeps to that.`);
  }
  const { engine = run.engine.engine, backend = run.engine.backend } = args.engineRequest;
  return {
    config: { ...run.config, steps },
    ...(await policiesOf(args, folder, run, run.teacher !== undefined)),
    engineRequest: { engine, backend },
    adapters: null,
    questions: await recordedSets(args, { path, ...run }),
    keepsRollouts: args.flag('rollouts'),
    fork: null,
    originOf: (now) => {
      const origin = continued({
        what: `The run in ${path}`,
        origin: run.origin,
        now,
        // --steps says itself that the length changes.
        accept: [...accepted(args), ...(steps === run.config.steps ? [] : ['settings.steps'])],
        mayDiffer: (part) => !basicParts.includes(part) && (part === 'settings.steps' || !/^(settings|teacher)\./.test(part)),
        at: `step ${reached}`,
        next: (parts) => nextStep('choose another --out for a new run', parts),
      });
      for (const note of takenOverNotes(origin.takenOver)) notice(note);
      return origin;
    },
  };
}

/** Whether a setting is as given, of which a part may be. */
function says(was: unknown, given: unknown): boolean {
  const section = [was, given].every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
  return JSON.stringify(section ? { ...(was as object), ...(given as object) } : given) === JSON.stringify(was);
}

/** Absolute paths of what a stored run was begun with. @param learns whether there is to be a teacher */
async function policiesOf(args: Arguments, of: StoredRun, run: RunFile, learns: boolean): Promise<Pick<TrainPlan, 'model' | 'teacher'>> {
  const { identity } = run.origin;
  const seek = (option: 'model' | 'teacher', recorded: string) => findPolicy({ of, recorded, given: args.text(option), option, identity });
  const named = args.text('teacher');
  const teacher = learns && run.teacher !== undefined ? await seek('teacher', run.teacher) : named === undefined ? null : resolve(named);
  return { model: await seek('model', run.model), teacher };
}

export const forkInstead = (path: string): string =>
  `permix train --from ${shellWord(path)} --out DIR begins another run at one of its checkpoints.`;

/** The settings of a checkpoint of another run; then of a recipe, if one is named; then the file of --config, then the options. */
export async function forkedPlan(args: Arguments): Promise<TrainPlan> {
  refuseAdapters(args);
  const { origin, run, start } = await forkedCheckpoint(args);
  const { step } = start.trainer;
  const file = args.text('config');
  const sets = await givenSets(args);
  const given = withSets(await givenSettings(args), sets.choices);
  const settings = mergeSettings(await settingsFile(args), { ...given });
  const recipe = settings['recipe'] as RecipeName | undefined;
  let config: RunConfig;
  try {
    const changed = recipe === undefined ? {} : recipeChange(start.config.recipe, recipe);
    const base = parseRunConfig(changedSettings(start.config, changed));
    config = parseRunConfig(changedSettings(base, { ...settings, policy: start.config.policy }));
  } catch (error) {
    if (!file && labErrorCode(error) === 'config') throw args.wrong((error as LabError).message);
    throw error;
  }
  const complaints = forkComplaints(config, start).map((complaint) => complaintSentence(complaint));
  if (complaints.length > 0) throw args.wrong(complaints.join(' '));
  const { model, teacher } = await policiesOf(args, origin, run, config.recipe === 'distill');
  checkTeacher(args, config, teacher ?? undefined);
  const { engine = run.engine.engine, backend = run.engine.backend } = args.engineRequest;
  return {
    config,
    model,
    teacher,
    // Another engine or backend than the origin's is taken only where the reader names it.
    engineRequest: { engine, backend },
    adapters: null,
    questions: sets.choices.length > 0 ? sets : await recordedSets(args, { path: origin.path, ...run, config }),
    keepsRollouts: args.flag('rollouts'),
    fork: { from: { run: origin.path, step }, start: forked(start, config) },
    originOf: (now) => {
      // Everything else may be changed by the reader, and is said in the new run's own identity.
      const fixed = (identity: Identity) => Object.fromEntries(Object.entries(identity).filter(([part]) => forkedParts.includes(part)));
      const { takenOver } = continued({
        what: `The run in ${origin.path}`,
        origin: { identity: fixed(run.origin.identity), takenOver: [] },
        now: fixed(now),
        accept: accepted(args),
        mayDiffer: (part) => !basicParts.includes(part),
        at: `step ${step}`,
        next: (parts) => nextStep('leave out --from to start a run of its own', parts),
      });
      return { identity: now, takenOver };
    },
  };
}

/** What a run keeps from its first step to its last, whoever says what. */
const basicParts: readonly string[] = ['weights', 'config', 'tokenizer', 'format'] satisfies readonly Part[];
/** What a fork has from its origin without being asked. */
const forkedParts: readonly string[] = [
  ...basicParts,
  ...(['generation-config', 'tokenizer-config', 'special-tokens', 'template', 'personas', 'numerics'] satisfies readonly Part[]),
];

/** That of --from RUN@STEP; without a step, the newest that is whole. */
async function forkedCheckpoint(args: Arguments): Promise<{ origin: StoredRun; run: RunFile; start: CheckpointContent }> {
  const text = args.required('from');
  const [, folder = text, at] = (existsSync(resolve(text)) ? null : /^(.+)@(\d+)$/.exec(text)) ?? [];
  if (await isFile(resolve(folder))) return checkpointOfFile(args, resolve(folder), at);
  const origin = new StoredRun(resolve(folder));
  const run = await origin.readRun('Give --from the folder of a run, which permix train --out wrote.');
  const steps = await origin.steps();
  if (steps.length === 0) throw args.wrong(`The run in ${origin.path} has no checkpoint yet.`);
  if (at !== undefined && !steps.includes(Number(at))) {
    throw args.wrong(`The run in ${origin.path} has no checkpoint of step ${at}; it has those of ${steps.join(', ')}.`);
  }
  for (const step of at === undefined ? steps : [Number(at)]) {
    try {
      return { origin, run, start: await origin.checkpoint(step, run) };
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ENOENT'; // Retired by the process that trains the run.
      if (!gone && labErrorCode(error) !== 'format') throw error;
      if (!gone) notice(`${(error as Error).message.trim()} ${at === undefined ? 'The one before it is taken.' : ''}`.trim());
    }
  }
  const others = steps.filter((step) => step !== Number(at));
  const next = others.length > 0 && at !== undefined ? `Take another: ${others.join(', ')}.` : 'Start a new run.';
  throw new LabError('format', `There is no whole checkpoint to fork from in ${origin.path}.`, next);
}

/** A file holds one checkpoint; what came before it stays in the file. */
async function checkpointOfFile(args: Arguments, path: string, at: string | undefined) {
  const saved = await fileOfRun(path);
  const { step } = saved.checkpoint.trainer;
  if (at !== undefined && Number(at) !== step) throw args.wrong(`${path} holds the run at step ${step} only.`);
  notice(`A new run begins at step ${step} of “${saved.run.name}”, the run in ${path}; its steps up to there stay in that file.`);
  return { origin: new StoredRun(path), run: runFileOf(saved), start: saved.checkpoint };
}

async function settingsFile(args: Arguments): Promise<Record<string, unknown>> {
  const file = args.text('config');
  if (file === undefined) return {};
  const settings = await readJson(file);
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) throw args.wrong(`${file} must hold a JSON object.`);
  return settings as Record<string, unknown>;
}

function refuseAdapters(args: Arguments): void {
  if (args.text('adapters') !== undefined) throw args.wrong('--adapters is what a new run begins with, not one that goes on.');
}

/** What peft saved, for the policy in `model`. */
async function savedAdapters(args: Arguments, path: string, model: string): Promise<Adapters> {
  for (const name of ['lora-rank', 'lora-alpha', 'lora-targets', 'lora-layers'])
    if (args.text(name) !== undefined) throw args.wrong(`--adapters brings what --${name} would say.`);
  const { base, baseWeights, ...adapters } = await readAdapters(await loadPolicy(await policySource(model)), await folderSource(path));
  if (base !== null && baseWeights === undefined && !(await isNamed(path, base, model))) {
    notice(
      `The adapters in ${path} say that they are of ${JSON.stringify(base)}, and go on here on ${model}. Only on the weights that they were trained on are they what they were.`,
    );
  }
  return adapters;
}

/** Whether a policy is the one that adapters name: by its path, or, of what is not here, by what it is called. */
async function isNamed(adapters: string, base: string, model: string): Promise<boolean> {
  const called = (path: string) => basename(path).replace(/\.gguf$/i, '');
  const here = await baseOfAdapters(adapters).catch(() => null);
  return here === null ? called(base) === called(model) : (await realpath(here)) === (await realpath(model));
}

function checkTeacher(args: Arguments, config: RunConfig, teacher: string | undefined): void {
  if ((config.recipe === 'distill') !== (teacher !== undefined)) throw args.wrong('--recipe distill and --teacher belong together.');
}

type Given = Partial<Pick<RunConfig, 'recipe' | 'seed' | 'steps' | 'tasks' | 'lora'>> & AskingSettings;

/** Sections of which a part is given. */
type GivenParts = { readonly [K in 'heldOut' | 'sampling']?: Partial<RunConfig[K]> };

/** The sets beside the task that --task names, or alone. */
const withSets = (given: Given & GivenParts, choices: readonly SourceChoice[]): Given & GivenParts =>
  choices.length === 0 ? given : { ...given, tasks: [...(given.tasks ?? []), ...choices] };

/** How questions of a file are asked, where neither the reader nor the policy says so: as `permix eval --data` asks them. */
const askingOfSets = (brought: AskingSettings | null): AskingSettings => ({
  instruction: brought?.instruction ?? boxedInstruction,
  answers: brought?.answers ?? usualImportedAnswers,
});

/** @param brought the adapters that the policy is trained with where nobody says otherwise */
async function givenSettings(args: Arguments, brought?: LoraSpec | null): Promise<Given & GivenParts> {
  const recipe = args.choice('recipe', namedRecipes);
  const seed = args.integer('seed', 0, 0xffffffff);
  const steps = args.integer('steps', 1, 1_000_000);
  const task = args.choice(
    'task',
    tasks.map(({ id }) => id),
  );
  const more = ['lora-alpha', 'lora-targets', 'lora-layers'].filter((name) => args.text(name) !== undefined);
  const own = args.integer('lora-rank', 0, 1024);
  const rank = own ?? (more.length > 0 ? brought?.rank : undefined);
  const alpha = args.number('lora-alpha', 0, 1e6);
  const targets = args.choices('lora-targets', projections);
  const layers = args.layers('lora-layers');
  for (const name of more) if (!rank) throw args.wrong(`--${name} needs --lora-rank.`);
  const places = { ...(targets ? { targets } : {}), ...(layers ? { layers } : {}) };
  const maxNewTokens = args.integer('max-new', 1, 4096);
  const questions = args.integer('held-out', 0, 1000);
  const every = args.integer('held-out-every', 1, 1_000_000);
  return {
    ...(questions !== undefined || every !== undefined
      ? { heldOut: { ...(questions !== undefined ? { questions } : {}), ...(every !== undefined ? { every } : {}) } }
      : {}),
    ...(maxNewTokens === undefined ? {} : { sampling: { maxNewTokens } }),
    ...(await givenAsking(args)),
    ...(recipe !== undefined ? { recipe } : {}),
    ...(seed !== undefined ? { seed } : {}),
    ...(steps !== undefined ? { steps } : {}),
    ...(task !== undefined ? { tasks: [{ id: task, weight: 1 }] } : {}),
    ...(rank !== undefined
      ? {
          lora:
            rank > 0
              ? plainPlaces({ rank, alpha: alpha ?? (own === undefined ? brought?.alpha : undefined) ?? 2 * rank, ...places })
              : null,
        }
      : {}),
  };
}
