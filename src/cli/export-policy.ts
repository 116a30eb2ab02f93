/**
 * `permix export … --to hf|peft|gguf`: the policy that a run has made, or any that is read here, as files that other programs run. What is in
 * them is `exchange/policy-files.ts`; they are written piece by piece, under another name until they are whole.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { untrained } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { policyFiles, type PolicyToWrite } from '../exchange/policy-files.ts';
import { formatsOf, type PolicyForm } from '../exchange/policy-forms.ts';
import { adaptedSource } from '../policy/adapted.ts';
import { weightsFingerprint } from '../policy/fingerprint.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import type { CheckpointContent } from '../storage/records.ts';
import type { Arguments } from './arguments.ts';
import { findPolicy } from './base.ts';
import { writePieces } from './files.ts';
import { folderSource, isAdapters, policySource } from './folder.ts';
import type { Output } from './output.ts';
import { tryNewFile } from './output-files.ts';
import { notice, Progress } from './progress.ts';
import { fileOfRun, isFile, runFileOf } from './saved-run.ts';
import { files as runFiles, StoredRun, type RunFile } from './stored-run.ts';

export async function exportPolicy(args: Arguments, out: Output, form: PolicyForm): Promise<void> {
  const path = args.operand('RUN');
  const target = args.text('out');
  if (target === undefined) throw args.wrong(`--out is missing: ${form === 'gguf' ? 'the file' : 'the folder'} that is written.`);
  const format = args.choice('dtype', formatsOf[form]);
  if (args.text('base') !== undefined && form !== 'peft') throw args.wrong('--base names the base of adapters, for --to peft.');
  if (form === 'gguf') await tryNewFile(args, 'out', target);
  else if (await isFile(target)) throw args.wrong(`${target} is a file, and --to ${form} writes a folder. Choose another --out.`);
  else if (existsSync(target) && (await readdir(target)).length > 0) throw args.wrong(`${target} is not empty. Choose another --out.`);
  if (form === 'peft' && isAdapters(path)) throw args.wrong(`${path} holds adapters as PEFT has them already.`);
  const policy = await policyOf(args, path);
  const made = policyFiles(form, policy, { format, base: args.text('base') });
  const total = made.reduce((sum, { size }) => sum + size, 0);
  const progress = new Progress('writing', Math.ceil(total / 2 ** 20));
  let done = 0;
  for (const file of made) {
    await writePieces(form === 'gguf' ? target : join(target, file.name), file, (bytes) => progress.at((done += bytes) / 2 ** 20, 'MiB'));
  }
  progress.done();
  out.object({ to: form, out: target, files: made.map(({ name, size }) => ({ name, size })) });
  notice(`Wrote ${target}.`);
}

/** The run's newest checkpoint, or that of --step; a policy that is none of a run as it is. */
async function policyOf(args: Arguments, path: string): Promise<PolicyToWrite> {
  const wanted = args.integer('step', 0, 1_000_000);
  if (await isFile(path)) {
    if (path.toLowerCase().endsWith('.gguf')) return asItIs(args, path, wanted);
    const saved = await fileOfRun(path);
    const { step } = saved.checkpoint.trainer;
    if (wanted !== undefined && wanted !== step) throw args.wrong(`${path} holds the checkpoint of step ${step}, and no other.`);
    return trained(await baseOf(args, path, runFileOf(saved)), runFileOf(saved), saved.checkpoint);
  }
  const isPolicy = existsSync(join(path, 'config.json')) || isAdapters(path);
  if (isPolicy && !existsSync(join(path, runFiles.run))) return asItIs(args, path, wanted);
  const stored = new StoredRun(resolve(path));
  const run = await stored.readRun('Give the folder of a run, which permix train --out wrote, a .permix-run file, or a policy.');
  const steps = await stored.steps();
  const step = wanted ?? steps[0];
  if (step === undefined || !steps.includes(step)) {
    throw args.wrong(`There is no checkpoint of step ${step} in ${path}; it has those of ${[...steps].reverse().join(', ')}.`);
  }
  const { identity } = run.origin;
  const base = await findPolicy({ of: stored, recorded: run.model, given: args.text('model'), option: 'model', identity });
  return trained(base, run, await stored.checkpoint(step, run));
}

async function asItIs(args: Arguments, path: string, step: number | undefined): Promise<PolicyToWrite> {
  if (step !== undefined) throw args.wrong(`${path} is a policy, which has no steps.`);
  const base = args.text('model');
  const source =
    base !== undefined && isAdapters(path)
      ? await adaptedSource(await loadPolicy(await policySource(base)), await folderSource(path))
      : await policySource(path);
  const { id, config, weights, texts, tokenizer } = await loadPolicy(source);
  return { name: id, config, base: weights, texts, tokenizer, weights: null, adapters: null };
}

/** What a run is, and the policy that it began with. @throws LabError 'usage' where that is not found, or has other weights than it had */
export async function beginningOf(args: Arguments, path: string): Promise<{ readonly run: RunFile; readonly policy: Policy }> {
  if (await isFile(path)) {
    const run = runFileOf(await fileOfRun(path));
    return { run, policy: await baseAsItWas(await baseOf(args, path, run), run) };
  }
  const stored = new StoredRun(resolve(path));
  const run = await stored.readRun('Give the folder of a run, which permix train --out wrote, or a .permix-run file.');
  const { identity } = run.origin;
  const base = await findPolicy({ of: stored, recorded: run.model, given: args.text('model'), option: 'model', identity });
  return { run, policy: await baseAsItWas(base, run) };
}

/** Of a run file, which knows its base by name. */
async function baseOf(args: Arguments, path: string, run: RunFile): Promise<string> {
  const base = args.text('model') ?? run.model;
  if (existsSync(base)) return base;
  throw args.wrong(`${path} was trained from ${run.config.policy}: say where that is, --model DIR or FILE.gguf.`);
}

/** @throws LabError 'usage' for a base with other weights than the run began with */
async function baseAsItWas(model: string, { origin }: RunFile): Promise<Policy> {
  const policy = await loadPolicy(await policySource(model));
  const recorded = origin.identity['weights'];
  if (recorded === undefined || recorded === (await weightsFingerprint(policy.weights))) return policy;
  const what = `${model} has other weights than the policy that the run began with.`;
  throw new LabError('usage', what, 'Say where that one is: --model DIR or FILE.gguf.');
}

async function trained(model: string, run: RunFile, { state, trainer }: Pick<CheckpointContent, 'state' | 'trainer'>) {
  const { config, origin } = run;
  const { weights, adapters } = state ?? untrained;
  // What was trained whole has left its base behind.
  const policy = weights === null ? await baseAsItWas(model, run) : await loadPolicy(await policySource(model));
  const recorded = origin.identity['weights'];
  const name = `${policy.id}-${config.recipe}-step-${trainer.step}`;
  const of = { name, config: policy.config, base: policy.weights, texts: policy.texts, tokenizer: policy.tokenizer, weights, adapters };
  return recorded === undefined || weights !== null ? of : { ...of, baseWeights: recorded };
}
