/** `permix train`: one run of reinforcement learning, from the base policy, or a checkpoint of another run, to a Hugging Face folder; stoppable and resumable. */
import { resolve } from 'node:path';
import { LabError, labErrorCode, refuseComplaints } from '../errors.ts';
import { askingSentence } from '../evaluate/asking.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { ownPromptSentence } from '../persona/place.ts';
import { libraryOf } from '../persona/libraries.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { checkConfig } from '../rl/check.ts';
import { askedOf, templateSettings } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import { recipes } from '../rl/recipes.ts';
import { measureRoom } from '../rl/room.ts';
import type { RunEvent } from '../run/loop.ts';
import type { Question } from '../tasks/question.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { groupLines, heldOutSummary, heldOutTable, stepSummary } from './completions.ts';
import { readPolicy } from './engine.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { RunFolder } from './run-folder.ts';
import { stopSignal } from './stop.ts';
import { forkedPlan, newPlan, resumedPlan, type TrainPlan } from './train-plan.ts';
import { heldOutLine, metricsLine, TrainingRun } from './training-run.ts';

export async function trainCommand(args: Arguments, out: Output): Promise<number> {
  const path = resolve(args.required('out'));
  const resume = args.flag('resume');
  const forks = args.text('from') !== undefined;
  if (resume && forks) throw args.wrong('--resume continues the run in --out, --from begins another one: give one of them.');
  if (!resume && !RunFolder.fresh(path))
    throw args.wrong(`${path} is not empty. Add --resume to continue the run in it, or choose another --out.`);
  const watch = watching(args, out);
  const existing = resume ? await RunFolder.open(path) : null;
  let folder = existing;
  try {
    const plan = existing ? await resumedPlan(args, existing) : forks ? await forkedPlan(args) : await newPlan(args);
    const material = await materialOf(plan);
    folder ??= await RunFolder.create(path);
    return await trainIn(folder, plan, material, watch);
  } finally {
    await folder?.close();
  }
}

export interface Material {
  readonly policy: Policy;
  readonly tokenizer: Tokenizer;
  readonly fits: (question: Question) => boolean;
}

/** Checked and said before anything is written: what refuses a run leaves no folder behind. */
export async function materialOf({ config, model, questions }: TrainPlan): Promise<Material> {
  refuseComplaints(checkConfig(config, libraryOf(config.library).personas), 'Correct the settings and start again.');
  const policy = await readPolicy(model, templateSettings(config));
  const { tokenizer } = policy;
  if (!tokenizer)
    throw new LabError(
      'config',
      `The policy in ${model} has no tokenizer.json.`,
      'Add the one of the policy that it was made from, or choose another --model.',
    );
  const { notices, fits } = measureRoom(config, libraryOf(config.library).personas, tokenizer, questions.sets);
  for (const sentence of [...notices, ownPromptSentence(tokenizer, policy.id)]) if (sentence !== null) notice(sentence);
  return { policy, tokenizer, fits };
}

/** What is shown of a run, and how long it may take. */
export interface Watch {
  readonly out: Output;
  /** Shows an event of a run. @param of its name, where there are several */
  show(event: RunEvent, of?: string): void;
  /** Whether --minutes are over. */
  overtime(): boolean;
}

export function watching(args: Arguments, out: Output): Watch {
  const every = args.integer('show', 1, 1_000_000);
  const minutes = args.number('minutes', 0, 1e6);
  const started = performance.now();
  return {
    out,
    overtime: () => minutes !== undefined && performance.now() - started > minutes * 60_000,
    show(event, of) {
      const name = of === undefined ? '' : `${of.padEnd(7)} `;
      const named = of === undefined ? {} : { run: of };
      if (event.kind === 'evaluation') {
        const { rows: _, ...line } = heldOutLine(event);
        out.object({ ...named, ...line });
        out.line(`${name}${heldOutSummary(event.evaluation)}`);
        return;
      }
      const line = metricsLine(event);
      out.object({ ...named, ...line });
      out.line(`${name}${stepSummary(line)}`);
      if (every !== undefined && line.step % every === 0) for (const text of groupLines(event.report.rollouts)) out.line(text);
    },
  };
}

/** @returns the exit code */
async function trainIn(folder: RunFolder, plan: TrainPlan, material: Material, { out, show, overtime }: Watch): Promise<number> {
  const { config } = plan;
  const stop = stopSignal('Stopping after the current phase; the run will be saved.');
  let progress: Progress | null = null;
  let run: TrainingRun | null = null;
  const asked: HeldOutEvaluation[] = [];
  try {
    run = await TrainingRun.open({
      ...material,
      folder,
      plan,
      signal: stop.signal,
      onProgress: (steps, what) => progress?.at(steps, what),
    });
    const { engine, backend } = run.engine.info;
    if (run.step >= config.steps) {
      const on = `permix train --from ${shellWord(folder.path)} --steps N --out DIR begins another from where it ended`;
      notice(`All ${config.steps} steps of the run in ${folder.path} are done, and nothing is left to train; ${on}.`);
    } else notice(`${config.recipe}: step ${run.step} to ${config.steps}, seed ${config.seed}, ${engine} engine on ${backend}`);
    progress = new Progress('training', config.steps, run.step);
    for (;;) {
      const event = await run.next();
      if (event === null) break;
      show(event);
      if (event.kind === 'evaluation') asked.push(event.evaluation);
      else if (overtime() && run.step < config.steps) {
        await run.save();
        progress.done();
        notice(`The minutes are over after step ${run.step} of ${config.steps}; ${continues(folder)}.`);
        return 0;
      }
    }
    progress.done();
    await run.finish();
    notice(`Wrote the run to ${folder.path}; the policy is in its folder policy/.`);
    const ends = [asked[0], asked.at(-1)].filter((one, i, all) => one !== undefined && all.indexOf(one) === i) as HeldOutEvaluation[];
    for (const line of heldOutTable(ends.map((evaluation) => ({ name: `step ${evaluation.step}`, evaluation })))) out.line(line);
    if (ends.length > 0) out.line(askingSentence(askedOf(config)));
    const { share } = run.cost;
    if (share !== null && asked.length > 0) notice(`The held-out questions take ${(100 * share).toFixed(1)} % of such a run’s time.`);
    return 0;
  } catch (error) {
    progress?.done();
    if (!run) throw error;
    return await stoppedBy(error, run);
  } finally {
    stop.release();
    run?.dispose();
  }
}

const continues = ({ path }: RunFolder) => `permix train --out ${shellWord(path)} --resume continues`;

/** A run that was stopped is saved and said so; of one that failed, what is saved and how to go on. @throws what it failed with */
async function stoppedBy(error: unknown, run: TrainingRun): Promise<number> {
  const { folder, config } = run;
  const code = labErrorCode(error);
  if (code === 'cancelled') {
    await run.save();
    notice(`Stopped after step ${run.step} of ${config.steps}; ${continues(folder)}.`);
    return 130;
  }
  if (code === 'numeric') throw new LabError('numeric', (error as Error).message, await wayBack(folder, config), { cause: error });
  const kept = `The run is saved up to step ${run.savedStep}; permix train`;
  // The same settings would be refused again.
  if (code === 'memory')
    notice(`${kept} --from ${shellWord(folder.path)} --config FILE.json --out DIR goes on from there with settings that fit.`);
  else notice(`${kept} --out ${shellWord(folder.path)} --resume goes on from there.`);
  throw error;
}

/** A command that can be given as it stands, for a run that diverged. */
export async function wayBack(folder: RunFolder, { optim }: RunConfig): Promise<string> {
  const learningRate = Number(Math.min(optim.learningRate / 10, recipes.permix.optim.learningRate).toPrecision(2));
  const from = shellWord(`${folder.path}@${await folder.bestStep()}`);
  const steps = (await folder.steps()).join(', ');
  return (
    `With {"optim": {"learningRate": ${learningRate}}} in FILE.json, permix train --from ${from} --config FILE.json --out DIR does that in a new folder ` +
    `(there are checkpoints of the steps ${steps}).`
  );
}
