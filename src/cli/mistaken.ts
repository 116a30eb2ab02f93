/**
 * What a reader gives in place of a policy, or of adapters: a run or a part of one, told by its files, and what to give or do instead, which
 * can be followed as it stands. Anything else is for whoever reads it to refuse.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { isGguf } from '../policy/file.ts';
import { areAdapters, peftFileNames } from '../policy/peft.ts';
import { shellWord } from './arguments.ts';
import { files, StoredRun } from './stored-run.ts';

interface RunAt {
  /** The folder or file of the run. */
  readonly run: string;
  /** What was given of it, the end of a sentence. */
  readonly is: string;
  /** A checkpoint of it. */
  readonly step?: string;
}

/** @throws LabError 'usage' for a run, and for a folder around GGUF files */
export function refuseNoPolicy(path: string): void {
  const found = runAt(path);
  if (found) throw new LabError('usage', `${path} is ${found.is}, and no policy.`, policyOf(found));
  const inside = existsSync(path) && statSync(path).isDirectory() ? readdirSync(path) : [];
  const [file] = inside.filter((name) => isGguf(name)).sort();
  if (file === undefined || inside.some((name) => name === 'config.json' || name === peftFileNames.config)) return;
  throw new LabError('usage', `${path} is a folder without config.json.`, `Give the GGUF file in it: ${join(path, file)}.`);
}

/** @throws LabError 'usage' for a run or a whole policy */
export async function refuseNoAdapters(path: string): Promise<void> {
  const found = runAt(path) ?? runOfPolicy(path);
  if (found) throw new LabError('usage', `${path} is ${found.is}, and no adapters.`, await adaptersOf(found));
  const has = (name: string) => existsSync(join(path, name));
  if (!has('config.json') || areAdapters({ has })) return;
  throw new LabError('usage', `${path} is a whole policy, and no adapters.`, 'Give it as --model.');
}

function runAt(path: string): RunAt | null {
  const given = resolve(path);
  if (path.toLowerCase().endsWith('.permix-run')) return { run: path, is: 'the file of a run' };
  if (isRun(given) && !existsSync(join(given, 'config.json'))) return { run: path, is: 'the folder of a run' };
  if (basename(given) === files.checkpoints && isRun(dirname(given))) return { run: dirname(path), is: 'the checkpoints of a run' };
  const [step] = /(?<=^step-)\d+$/.exec(basename(given)) ?? [];
  const run = dirname(dirname(given));
  if (step === undefined || basename(dirname(given)) !== files.checkpoints || !isRun(run)) return null;
  return { run: dirname(dirname(path)), is: 'a checkpoint of a run', step };
}

const isRun = (folder: string): boolean => existsSync(join(folder, files.run));

function runOfPolicy(path: string): RunAt | null {
  const given = resolve(path);
  const own = basename(given) === files.policy && isRun(dirname(given)) && !existsSync(join(given, peftFileNames.config));
  return own ? { run: dirname(path), is: 'the whole policy of a run' } : null;
}

function policyOf({ run, step }: RunAt): string {
  const made = join(run, files.policy);
  if (step === undefined && existsSync(join(made, 'config.json'))) return `Its policy is in ${made}.`;
  return `${exporting(run, step)} --to hf --out DIR writes its policy as a folder, which can be given.`;
}

async function adaptersOf(at: RunAt): Promise<string> {
  const { run, step } = at;
  const stored = new StoredRun(resolve(run));
  const file = await stored.readRun('').catch(() => null);
  if (file && file.config.lora === null)
    return `It has trained all parameters and has no adapters; --model goes on from its policy. ${policyOf(at)}`;
  const base = file ? shellWord(resolve(stored.path, file.model)) : 'NAME';
  return `${exporting(run, step)} --to peft --base ${base} --out DIR writes those it has trained.`;
}

const exporting = (run: string, step: string | undefined): string =>
  `permix export ${shellWord(run)}${step === undefined ? '' : ` --step ${step}`}`;
