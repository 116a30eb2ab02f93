/** `permix export RUN --to trl|verl --out FILE.zip`: a run as a project for a trainer on larger machines. What is in it is `exchange/project/`. */
import { trainerProject } from '../exchange/project/project.ts';
import { trainerNames, type TrainerForm } from '../exchange/trainer-forms.ts';
import { writeZip } from '../exchange/zip-file.ts';
import { libraryOf } from '../persona/libraries.ts';
import type { Arguments } from './arguments.ts';
import { beginningOf } from './export-policy.ts';
import { writeStream } from './files.ts';
import { recordedSets } from './question-sets.ts';
import type { Output } from './output.ts';
import { tryNewFile } from './output-files.ts';
import { notice } from './progress.ts';

export async function exportProject(args: Arguments, out: Output, form: TrainerForm): Promise<void> {
  const path = args.operand('RUN');
  const file = args.text('out');
  if (file === undefined) throw args.wrong('--out is missing: the zip that is written.');
  if (args.text('dtype') !== undefined) throw args.wrong(`--dtype goes with --to hf or gguf.`);
  if (args.integer('step', 0, 1_000_000) !== undefined)
    throw args.wrong(`--to ${form} is of the whole run, from its beginning; --to hf takes the policy of a step.`);
  const named = args.text('base')?.trim();
  if (named === '') throw args.wrong('--base is empty.');
  await tryNewFile(args, 'out', file);
  const { run, policy } = await beginningOf(args, path);
  const { personas } = libraryOf(run.config.library);
  const { sets } = await recordedSets(args, { path, config: run.config, ...(run.questions ? { questions: run.questions } : {}) });
  const { name, files, gaps } = trainerProject(form, {
    sets,
    config: run.config,
    personas,
    policy,
    named,
    forked: run.from !== undefined,
  });
  await writeStream(file, (write) => writeZip(new WritableStream({ write }), name, files));
  out.object({ to: form, out: file, files: files.map((one) => ({ name: one.name, size: one.size })), gaps });
  for (const gap of gaps) notice(`Not as here: ${gap}`);
  notice(`Wrote ${file}. Its README has the two commands that train from it with ${trainerNames[form]}.`);
}
