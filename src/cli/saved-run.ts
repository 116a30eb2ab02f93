/**
 * A run as the exchange room takes it (exchange/run-file.ts), from wherever it lies: a folder that `permix train` wrote, or a file that a page
 * or `permix export` has saved. It only reads.
 */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { LabError, labErrorCode } from '../errors.ts';
import { readRunFile, type SavedRun } from '../exchange/run-file.ts';
import { maxFileBytes } from '../policy/source.ts';
import { recipeTitles } from '../rl/recipes.ts';
import type { RunRecord } from '../storage/records.ts';
import { bundledPolicy } from './folder.ts';
import { readWhole } from './files.ts';
import { runFormat, runVersion, StoredRun, type RunFile } from './stored-run.ts';

export const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => null))?.isFile() ?? false;

/** @throws LabError 'usage' where there is no run, 'format' for one that is damaged */
export async function savedRun(path: string): Promise<SavedRun> {
  return (await isFile(path)) ? fileOfRun(path) : folderOfRun(new StoredRun(resolve(path)));
}

export async function fileOfRun(path: string): Promise<SavedRun> {
  const bytes = await readWhole(path, maxFileBytes);
  return readRunFile({ name: path, size: bytes.length, arrayBuffer: async () => new Uint8Array(bytes).buffer });
}

async function folderOfRun(stored: StoredRun): Promise<SavedRun> {
  const file = await stored.readRun('Give the folder of a run, which permix train --out wrote, or a .permix-run file.');
  const { config, engine, origin, created } = file;
  for (const step of await stored.steps()) {
    const content = await stored.checkpoint(step, file).catch((error: unknown) => {
      if (labErrorCode(error) === 'format') return null;
      throw error;
    });
    if (!content) continue;
    const { lines } = await stored.metrics(file);
    const runId = 'exported';
    const metrics = lines
      .filter((line) => line.step <= step)
      .map(({ step: at, personas, ...row }) => ({ runId, step: at, metrics: row, personas }));
    const heldOut = (await stored.heldOut()).lines
      .filter((line) => line.step <= step)
      .map(({ step: at, rows, seconds }) => ({ runId, step: at, rows, seconds }));
    const rollouts = (await stored.rollouts()).filter((record) => record.step <= step).map((record) => ({ ...record, runId }));
    const time = Date.parse(created);
    const name = `${recipeTitles[config.recipe]} · seed ${config.seed}`;
    const status = step < config.steps ? 'paused' : 'finished';
    const run: RunRecord = { id: runId, name, config, engine, status, step, created: time, updated: time, origin };
    const reward = metrics.at(-1)?.metrics['reward'] ?? null;
    return { run, checkpoint: { ...content, name: `Step ${step}`, reward }, metrics, heldOut, rollouts };
  }
  throw new LabError('format', `No checkpoint of the run in ${stored.path} is whole.`, 'Start it again in another folder.');
}

/** What such a file says, in the words of run.json. */
export function runFileOf({ run }: SavedRun): RunFile {
  const { config, engine, created } = run;
  return {
    format: runFormat,
    version: runVersion,
    config,
    // A page knows its policies by name, and the bundled one is at hand.
    model: config.policy === basename(bundledPolicy) ? bundledPolicy : config.policy,
    engine,
    origin: run.origin ?? { identity: {}, takenOver: [] },
    created: new Date(created).toISOString(),
  };
}
