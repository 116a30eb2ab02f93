/**
 * `permix record`: a race (`permix race`) of the bundled policy that keeps one file of it for the page to replay: metrics, some rollouts,
 * what the held-out questions were answered. What of it is kept is `exchange/recording.ts`. Nothing is written before both arms are done.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { EngineInfo, EngineRequest, PolicyEngine } from '../engine/engine.ts';
import { labErrorCode } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { recordedRun, recordingFormat, recordingVersion, type Recording } from '../exchange/recording.ts';
import { personas, voices } from '../persona/world.ts';
import type { Policy } from '../policy/policy.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RunConfig } from '../rl/config.ts';
import type { StepReport } from '../rl/events.ts';
import { recipeTitles } from '../rl/recipes.ts';
import { initialTrainerState } from '../rl/trainer.ts';
import { runSteps, type RunEvent } from '../run/loop.ts';
import { raceEvents, raceRecipes, raceSettings, type RaceArm } from '../run/race.ts';
import type { Arguments } from './arguments.ts';
import { openEngine, readPolicy } from './engine.ts';
import { replaceFile } from './files.ts';
import { bundledPolicy } from './folder.ts';
import { tryFile } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { stopSignal } from './stop.ts';

const file = 'public/runs/rlvr-permix/recording.json';

export async function recordCommand(args: Arguments, out: Output): Promise<number> {
  const seed = args.integer('seed', 0, 0xffffffff) ?? 1;
  const steps = args.integer('steps', 1, 100_000) ?? 100;
  const target = resolve(args.text('out') ?? file);
  await tryFile('out', target);
  // Both together, so that a recording does not depend on what a machine happens to have.
  const engineRequest = {
    engine: args.engineRequest.engine ?? 'portable',
    backend: args.engineRequest.backend ?? (args.engineRequest.engine === 'fused' ? 'webgpu' : 'wasm'),
  } as const;
  const stop = stopSignal('Stopping; nothing is written.');
  const progress = new Progress('recording', 2 * steps);
  const policy = await readPolicy(bundledPolicy);
  const arms = {} as Record<RaceArm, Taken>;
  try {
    for (const recipe of raceRecipes) {
      const config = parseRunConfig({ recipe, seed, steps, ...raceSettings, policy: policy.id });
      arms[recipe] = await begin(policy, config, engineRequest, stop.signal);
    }
    const next = { rlvr: () => pull(arms.rlvr), permix: () => pull(arms.permix) };
    for await (const event of raceEvents(next)) {
      // Half a pair is no recording.
      if ('ended' in event && event.error !== null) throw event.error;
      progress.at(arms.rlvr.reports.length + arms.permix.reports.length, recipeTitles[event.arm]);
    }
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    notice('Stopped; nothing was written.');
    return 130;
  } finally {
    progress.done();
    stop.release();
    Object.values(arms).forEach(({ engine }) => engine.dispose());
  }
  const info: EngineInfo = arms.rlvr.engine.info;
  const recording: Recording = {
    format: recordingFormat,
    version: recordingVersion,
    command: `npm run record -- --seed ${seed} --steps ${steps}`,
    date: new Date().toISOString(),
    engine: info.engine,
    backend: info.backend,
    adapter: info.adapter,
    policy: policy.id,
    runs: raceRecipes.map((recipe) => {
      const { config, reports, heldOut } = arms[recipe];
      return recordedRun(recipeTitles[recipe], config, reports, heldOut);
    }),
  };
  const text = `${JSON.stringify(recording)}\n`;
  await mkdir(dirname(target), { recursive: true });
  await replaceFile(target, text);
  out.object({ file: target, bytes: text.length });
  out.line(`Wrote ${target}, ${Math.round(text.length / 1024)} KiB.`);
  return 0;
}

interface Taken {
  readonly config: RunConfig;
  readonly engine: PolicyEngine;
  readonly events: AsyncGenerator<RunEvent>;
  readonly reports: StepReport[];
  readonly heldOut: HeldOutEvaluation[];
}

async function begin(policy: Policy, config: RunConfig, engineRequest: EngineRequest, signal: AbortSignal): Promise<Taken> {
  const engine = await openEngine({ config: policy.config, weights: policy.weights, engineRequest });
  await engine.setReference();
  const { eosIds } = policy.config;
  const state = initialTrainerState;
  const events = runSteps({ engine, tokenizer: policy.tokenizer!, eosIds, personas, voices, config, state, evaluated: [], signal });
  return { config, engine, events, reports: [], heldOut: [] };
}

async function pull({ events, reports, heldOut }: Taken): Promise<RunEvent | null> {
  const next = await events.next();
  if (next.done) return null;
  if (next.value.kind === 'step') reports.push(next.value.report);
  else heldOut.push(next.value.evaluation);
  return next.value;
}
