/** A policy folder as something to examine, and the files that come with the question. */
import type { Candidate } from '../evaluate/request.ts';
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { refuseParquet } from '../parquet.ts';
import type { Policy } from '../policy/policy.ts';
import type { TemplateSettings } from '../policy/template-settings.ts';
import type { Arguments } from './arguments.ts';
import { askedTemplate, openEngine, readPolicy } from './engine.ts';
import { readWhole } from './files.ts';

/** @param limit bytes */
export async function readText(args: Arguments, option: string, file: string, limit?: number): Promise<string> {
  try {
    const bytes = await readWhole(file, limit);
    refuseParquet(file, bytes);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw args.wrong(`There is no file ${file} for --${option}.`);
    if (error instanceof TypeError) throw new LabError('format', `${file} is not text in UTF-8.`, 'Give a text file.');
    throw error;
  }
}

/** @param taken the other candidate's name  @param told what its template is told where the options say nothing */
export async function candidate(
  args: Arguments,
  folder: string,
  taken: string | null,
  told: Partial<TemplateSettings> = {},
): Promise<{ candidate: Candidate; policy: Policy }> {
  const policy = await readPolicy(folder, askedTemplate(args, told));
  const { id, config, weights, tokenizer } = policy;
  if (!tokenizer)
    throw new LabError(
      'config',
      `The policy in ${folder} has no tokenizer.json, so it cannot be asked in words.`,
      'Add the one of the policy that it was made from.',
    );
  return {
    candidate: {
      name: id === taken ? `${id} (base)` : id,
      tokenizer,
      eosIds: config.eosIds,
      maxPositions: config.maxPositions,
      open: () => openEngine({ config, weights, engineRequest: args.engineRequest }),
      close: (engine: PolicyEngine) => engine.dispose(),
    },
    policy,
  };
}
