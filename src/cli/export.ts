/**
 * `permix export`: a run, from its folder or its file, as a file that the page opens, or in a form that other programs and people read; its
 * policy is `export-policy.ts`, a project for another trainer `export-project.ts`.
 */
import { writeFile } from 'node:fs/promises';
import { exportedText, textFormats } from '../exchange/export.ts';
import { packRun, type SavedRun } from '../exchange/run-file.ts';
import { libraryOf } from '../persona/libraries.ts';
import { policyForms } from '../exchange/policy-forms.ts';
import { trainerForms, type TrainerForm } from '../exchange/trainer-forms.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';
import { tryNewFile } from './output-files.ts';
import { notice } from './progress.ts';
import { savedRun } from './saved-run.ts';

const exportFormats = ['run', ...textFormats] as const;
type ExportFormat = (typeof exportFormats)[number];

export async function exportCommand(args: Arguments, out: Output): Promise<void> {
  const path = args.operand('RUN');
  const to = args.choice('to', [...policyForms, ...trainerForms]);
  if (to !== undefined) {
    if (args.text('format') !== undefined) throw args.wrong('--to and --format are two ways to take a run away: give one of them.');
    if (isTrainer(to)) return (await import('./export-project.ts')).exportProject(args, out, to);
    return (await import('./export-policy.ts')).exportPolicy(args, out, to);
  }
  if (args.texts('questions').length > 0) throw args.wrong('--questions goes with --to trl and verl.');
  for (const name of ['dtype', 'base', 'model']) if (args.text(name) !== undefined) throw args.wrong(`--${name} goes with --to.`);
  const format = args.choice('format', exportFormats) ?? 'run';
  const file = args.text('out');
  if (format === 'run' && file === undefined) throw args.wrong('--out is missing: where the file of the run is written.');
  const step = args.integer('step', 0, 1_000_000);
  if (step !== undefined && (format === 'run' || format === 'csv'))
    throw args.wrong(`--step takes rollouts, and --format ${format} is of the whole run.`);
  if (file !== undefined) await tryNewFile(args, 'out', file);
  const content = await contentOf(args, path, format, step);
  if (file === undefined) {
    process.stdout.write(content as string);
    return;
  }
  await writeFile(file, typeof content === 'string' ? content : new Uint8Array(content));
  out.object({ format, file });
  notice(`Wrote ${file}.${format === 'run' ? ' Drop it on the page, or go on with permix train --from.' : ''}`);
}

const isTrainer = (name: string): name is TrainerForm => trainerForms.some((form) => form === name);

async function contentOf(args: Arguments, path: string, format: ExportFormat, step: number | undefined): Promise<string | ArrayBuffer> {
  const saved = await savedRun(path);
  if (format === 'run') return packRun(saved);
  const { personas } = libraryOf(saved.run.config.library);
  return exportedText(format, format === 'csv' ? saved : { ...saved, rollouts: rolloutsOf(args, path, saved, step) }, personas);
}

/** Those of one step, or of all; at least one. */
function rolloutsOf(args: Arguments, path: string, { rollouts }: SavedRun, step: number | undefined): SavedRun['rollouts'] {
  if (rollouts.length === 0)
    throw args.wrong(`There are no rollouts in ${path}: a folder has them where permix train was given --rollouts.`);
  const chosen = step === undefined ? rollouts : rollouts.filter((record) => record.step === step);
  if (chosen.length > 0) return chosen;
  throw args.wrong(
    `There are no rollouts of step ${step} in ${path}; it has those of ${rollouts.map((record) => record.step).join(', ')}.`,
  );
}
