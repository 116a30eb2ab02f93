/**
 * How a run comes in from a file (`exchange/run-file.ts`): whole, in one transaction, or not at all, and once. What begins a run here is
 * `new-run.ts`.
 */
import { LabError } from '../errors.ts';
import { readRunFile, type SavedRun } from '../exchange/run-file.ts';
import type { Weights } from '../policy/weights.ts';
import { fingerprint } from '../storage/hash.ts';
import { packCheckpoint } from '../storage/pack.ts';
import type { RunRecord } from '../storage/records.ts';
import { newId } from '../storage/seal.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { OpenedRun } from './api.ts';
import { bundledPolicy, type Bench } from './bench.ts';
import { shortName } from './names.ts';

interface Tools {
  readonly storage: LabStorage;
  readonly bench: Bench;
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
  const hash = await fingerprint(packCheckpoint(checkpoint));
  for (const other of await storage.runs()) {
    if (!namesOf(other).some((name) => names.includes(name))) continue;
    // What the command line exports has one name for all; the state tells them apart.
    if ((await storage.checkpoints(other.id)).some((one) => one.hash === hash)) return other;
  }
  return null;
}

async function needPolicy({ bench }: Tools, file: string, { run, checkpoint }: SavedRun): Promise<void> {
  const { policy } = run.config;
  const elsewhere = 'Go on with it on the command line: permix train --from FILE --out DIR.';
  if (policy !== bundledPolicy.id)
    throw new LabError('config', `${file} is a run of the policy “${shortName(policy)}”, which this page does not have.`, elsewhere);
  const { weights } = await bench.policy(policy);
  const same = (other: Weights) =>
    Object.keys(other).length === Object.keys(weights).length &&
    Object.entries(weights).every(([name, values]) => other[name]?.length === values.length);
  if (!same(checkpoint.state.weights))
    throw new LabError('config', `${file} is a run of another policy called “${policy}”: its weights have other shapes.`, elsewhere);
}
