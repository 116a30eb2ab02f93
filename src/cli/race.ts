/**
 * `permix race`: RLVR and PerMix side by side from one seed, each in a folder of its own under --out, the same held-out questions asked of
 * both; at the end the table that the page draws, and one sentence. Each folder is a run like any other (`permix train`).
 */
import { join, resolve } from 'node:path';
import { labErrorCode } from '../errors.ts';
import { askingSentence } from '../evaluate/asking.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { askedOf } from '../rl/asking.ts';
import { recipeTitles } from '../rl/recipes.ts';
import { raceEvents, raceRecipes, raceSentence, raceSettings, type RaceArm } from '../run/race.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { heldOutTable } from './completions.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { RunFolder } from './run-folder.ts';
import { stopSignal } from './stop.ts';
import { materialOf, watching } from './train.ts';
import { newPlan, resumedPlan } from './train-plan.ts';
import { TrainingRun } from './training-run.ts';

export async function raceCommand(args: Arguments, out: Output): Promise<number> {
  const path = resolve(args.required('out'));
  const resume = args.flag('resume');
  const folders = raceRecipes.map((arm) => join(path, arm));
  const taken = folders.find((folder) => !RunFolder.fresh(folder));
  if (!resume && taken !== undefined)
    throw args.wrong(`${taken} is not empty. Add --resume to continue the race in ${path}, or choose another --out.`);
  const watch = watching(args, out);
  const stop = stopSignal('Stopping after the current phase; both runs will be saved.');
  const runs = new Map<RaceArm, TrainingRun>();
  const open: RunFolder[] = [];
  let progress: Progress | null = null;
  try {
    for (const [i, arm] of raceRecipes.entries()) {
      const existing = resume && !RunFolder.fresh(folders[i]!) ? await RunFolder.open(folders[i]!) : null;
      if (existing) open.push(existing);
      const plan = existing ? await resumedPlan(args, existing) : await newPlan(args, { recipe: arm }, raceSettings);
      const material = await materialOf(plan);
      const folder = existing ?? (await RunFolder.create(folders[i]!));
      if (!existing) open.push(folder);
      const onProgress = (_: number, what: string) => progress?.at(stepsDone(runs), `${recipeTitles[arm]}, ${what}`);
      runs.set(arm, await TrainingRun.open({ ...material, folder, plan, signal: stop.signal, onProgress }));
    }
    const [first] = runs.values();
    const { config, engine } = first!;
    notice(`race: RLVR and PerMix to step ${config.steps}, seed ${config.seed}, ${engine.info.engine} engine on ${engine.info.backend}`);
    progress = new Progress('race', 2 * config.steps, stepsDone(runs));
    const failed = new Map<RaceArm, unknown>();
    const next = (arm: RaceArm) => () => runs.get(arm)!.next();
    for await (const event of raceEvents({ rlvr: next('rlvr'), permix: next('permix') })) {
      const title = recipeTitles[event.arm];
      if ('event' in event) watch.show(event.event, title);
      else if (event.error !== null) {
        if (labErrorCode(event.error) === 'cancelled') continue;
        failed.set(event.arm, event.error);
        notice(`${title} failed: ${event.error instanceof Error ? event.error.message : String(event.error)} The other one goes on.`);
      }
      if (watch.overtime()) break;
    }
    progress.done();
    const unfinished = [...runs].filter(([arm, run]) => !failed.has(arm) && run.step < run.config.steps);
    for (const [arm, run] of runs) if (!failed.has(arm)) await (run.step < run.config.steps ? run.save() : run.finish());
    await report(runs, out);
    if (unfinished.length > 0) notice(`Stopped; permix race --out ${shellWord(path)} --resume continues.`);
    else if (failed.size === 0) notice(`Wrote the runs to ${path}; each policy is in its folder policy/.`);
    return failed.size > 0 ? 1 : stop.signal.aborted ? 130 : 0;
  } finally {
    progress?.done();
    stop.release();
    for (const run of runs.values()) run.dispose();
    for (const folder of open) await folder.close();
  }
}

const stepsDone = (runs: ReadonlyMap<RaceArm, TrainingRun>): number => [...runs.values()].reduce((sum, { step }) => sum + step, 0);

/** Of the newest step that both were asked at, so that neither is shown further on than the other. */
async function report(runs: ReadonlyMap<RaceArm, TrainingRun>, out: Output): Promise<void> {
  const asked = new Map<RaceArm, readonly HeldOutEvaluation[]>();
  for (const [arm, run] of runs) asked.set(arm, (await run.folder.heldOut()).lines);
  const [one, other] = [asked.get('rlvr') ?? [], asked.get('permix') ?? []];
  const base = one[0] ?? other[0];
  const step = one.findLast((evaluation) => other.some((its) => its.step === evaluation.step))?.step;
  if (!base || step === undefined) return;
  const at = (arm: RaceArm) => asked.get(arm)!.find((evaluation) => evaluation.step === step) ?? null;
  const ends = { base, rlvr: at('rlvr'), permix: at('permix') };
  out.line();
  const columns = raceRecipes.map((arm) => ({ name: `${recipeTitles[arm]}, step ${step}`, evaluation: ends[arm]! }));
  for (const line of heldOutTable([{ name: 'Base', evaluation: base }, ...columns])) out.line(line);
  out.line(askingSentence(askedOf([...runs.values()][0]!.config)));
  const sentence = raceSentence(ends);
  out.object({ step, sentence });
  out.line(`\n${sentence}`);
}
