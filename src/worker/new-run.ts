/**
 * How a run comes into being: with the untrained policy as its checkpoint of step 0, or from a checkpoint of another run. It stores the run
 * whole, in one transaction, and trains nothing (`training.ts`).
 */
import { refuseComplaints } from '../errors.ts';
import { loraSetup, type RunConfig } from '../rl/config.ts';
import { recipeOf, runTitle } from '../rl/differences.ts';
import { policyDefaults } from '../rl/policy-defaults.ts';
import { suited } from '../rl/suited.ts';
import { initialTrainerState } from '../rl/trainer.ts';
import { forkComplaints, forked } from '../run/fork.ts';
import { begun, type Origin } from '../run/identity.ts';
import type { RunRecord, Teacher } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import type { LabStorage } from '../storage/storage.ts';
import { untrained } from '../engine/engine.ts';
import { runComplaints, type Beginning } from './beginning.ts';
import type { Bench } from './bench.ts';
import { continuedRun, runNow } from './origin.ts';
import { appoint, needTeacher } from './teacher.ts';

interface Tools {
  readonly storage: LabStorage;
  readonly bench: Bench;
}

/**
 * @param name null: by recipe and seed  @param teacherId sequence distillation: the checkpoint whose right replies are learnt
 * @throws LabError 'config' for settings that make no sense
 */
export async function createRun(
  tools: Tools,
  { config, adapters, name: start }: Beginning,
  name: string | null,
  teacherId?: string,
): Promise<RunRecord> {
  const { storage, bench } = tools;
  refuseComplaints(runComplaints(config, teacherId, adapters), 'Correct the settings and start again.');
  const policy = await bench.policy(config.policy);
  const teacher = teacherId === undefined ? undefined : await appoint(storage, teacherId, config);
  const { info } = await bench.engineFor(config.policy, loraSetup(config));
  const titled: RunConfig = teacher ? { ...config, recipe: 'distill' } : config;
  const title = `${runTitle(titled, suited(recipeOf(titled), policyDefaults(policy.config)))} · seed ${config.seed}`;
  const origin = begun(await runNow(tools, config, teacher));
  const record = newRun(name ?? title, config, info, origin, teacher);
  const [trainer, state] = [initialTrainerState, { ...untrained, adapters }];
  await storage.createRun(record, { runId: record.id, name: start, reward: null, kept: false, config, trainer, state });
  return storage.run(record.id);
}

/**
 * A run that continues from a checkpoint of another; with its settings, or with `changed` ones.
 * @param accept parts of what that run began with that may differ now
 */
export async function forkRun(
  tools: Tools,
  checkpointId: string,
  accept: readonly string[],
  changed?: RunConfig,
  teacherId?: string,
): Promise<RunRecord> {
  const { storage, bench } = tools;
  const checkpoint = await storage.checkpoint(checkpointId);
  const { runId, reward, step } = checkpoint;
  const origin = await storage.run(runId);
  // Nothing is begun that could not go on.
  if (!changed) await needTeacher(storage, origin);
  const same = await continuedRun(tools, { ...origin, step }, accept);
  const config = changed ?? checkpoint.config;
  if (changed)
    refuseComplaints([...runComplaints(config, teacherId), ...forkComplaints(config, checkpoint)], 'Correct the settings and try again.');
  const teacher = changed ? teacherId && (await appoint(storage, teacherId, config)) : origin.teacher;
  const { info } = await bench.engineFor(config.policy, loraSetup(config));
  // Other settings are what is asked for; all else is what the run began with.
  const known = changed ? { ...same, identity: await runNow(tools, config, teacher || undefined) } : same;
  const record = newRun(`${origin.name}, from step ${step}`, config, info, known, teacher || undefined);
  const { trainer, state } = changed ? forked(checkpoint, config) : checkpoint;
  await storage.createRun(
    record,
    { runId: record.id, name: `Step ${step} of ${origin.name}`, reward, kept: false, config, trainer, state },
    { metrics: upTo(step, await storage.metrics(runId)), heldOut: upTo(step, await storage.heldOut(runId)) },
  );
  return storage.run(record.id);
}

const upTo = <Kept extends { readonly step: number }>(step: number, records: readonly Kept[]): Kept[] =>
  records.filter((record) => record.step <= step);

function newRun(name: string, config: RunConfig, engine: RunRecord['engine'], origin: Origin, teacher?: Teacher): RunRecord {
  const now = Date.now();
  const record = { id: newId('run'), name, config, engine, origin, status: 'running', step: 0, created: now, updated: now } as const;
  return teacher ? { ...record, teacher } : record;
}
