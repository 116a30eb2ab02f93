/**
 * How a run comes in from a file (`exchange/run-file.ts`): whole, in one transaction, or not at all, and once. What begins a run here is
 * `new-run.ts`.
 */
import { LabError } from '../errors.ts';
import { readRunFile, type SavedRun } from '../exchange/run-file.ts';
import type { PolicyState } from '../engine/engine.ts';
import { adapterShapes } from '../policy/adapters.ts';
import { fitShapes, parameterShapes } from '../policy/config.ts';
import { fingerprint } from '../storage/hash.ts';
import { packCheckpoint } from '../storage/pack.ts';
import { readablePolicy } from '../storage/policies.ts';
import type { RunRecord } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { OpenedRun } from './api.ts';
import type { Bench } from './bench.ts';
import { shortName } from './names.ts';
import type { Policies } from './policies.ts';

interface Tools {
  readonly storage: LabStorage;
  readonly bench: Bench;
  readonly policies: Pick<Policies, 'has'>;
}

/** @throws LabError 'format' for a file that is none, 'config' for a run of a policy that this page does not have */
export async function importRun(tools: Tools, file: File): Promise<OpenedRun> {
  const saved = await readRunFile(file);
  const known = await knownRun(tools, saved);
  const { id, name } = known ?? (await addRun(tools, file.name, saved));
  return { id, name, known: known !== null };
}

/** A copy of its own, at rest where it was saved. Its rival, if it raced one, is not in the file. */
async function addRun(tools: Tools, file: string, saved: SavedRun): Promise<RunRecord> {
  const { storage } = tools;
  const { run, checkpoint, metrics, heldOut, rollouts } = saved;
  await needPolicy(tools, file, saved);
  const now = Date.now();
  const { failure: _, failureCode: __, race: ___, ...record } = run;
  const id = newId('run');
  const status = checkpoint.trainer.step < run.config.steps ? 'paused' : 'finished';
  await storage.createRun(
    { ...record, id, name: shortName(run.name), status, created: now, updated: now, from: { file, run: run.id } },
    { ...checkpoint, runId: id, kept: false },
    { metrics, heldOut, rollouts },
  );
  return storage.run(id);
}

/** The run, where it is here already, as it is in the file: begun here, or come in such a file before. Null: it is not. */
async function knownRun({ storage }: Tools, { run, checkpoint }: SavedRun): Promise<RunRecord | null> {
  const namesOf = ({ id, from }: RunRecord) => [id, ...(from ? [from.run] : [])];
  const names = namesOf(run);
  let hash: string | null = null;
  for (const other of await storage.runs()) {
    if (!namesOf(other).some((name) => names.includes(name))) continue;
    // What the command line exports has one name for all; the state tells them apart.
    hash ??= await fingerprint(packCheckpoint(checkpoint));
    if ((await storage.checkpoints(other.id)).some((one) => one.hash === hash)) return other;
  }
  return null;
}

const goOnElsewhere = 'On the command line it goes on too: permix train --from FILE --out DIR.';

async function needPolicy({ bench, policies }: Tools, file: string, { run, checkpoint }: SavedRun): Promise<void> {
  const { policy } = run.config;
  if (!(await policies.has(policy))) {
    throw new LabError(
      'config',
      `${file} is a run of the policy “${shortName(readablePolicy(policy))}”, which is not in this browser.`,
      `Add that policy first, then open the file again. ${goOnElsewhere}`,
    );
  }
  const { config } = await bench.policy(policy);
  const fits = ({ weights, adapters }: PolicyState) =>
    (!weights || fitShapes(parameterShapes(config), weights)) &&
    (!adapters || fitShapes(adapterShapes(config, adapters), adapters.tensors));
  if (!fits(checkpoint.state))
    throw new LabError('config', `${file} is a run of another policy called “${policy}”: its weights have other shapes.`, goOnElsewhere);
}
