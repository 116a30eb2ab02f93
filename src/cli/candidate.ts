/** A policy folder as something to examine, and the files that come with the question. */
import type { Candidate } from '../evaluate/request.ts';
import { createReadStream } from 'node:fs';
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import type { Policy } from '../policy/policy.ts';
import type { Arguments } from './arguments.ts';
import { openEngine, readPolicy, templateArguments } from './engine.ts';

/** No file of questions that is asked by hand has a tenth of it. */
const maxTextBytes = 200_000_000;

/** @param limit bytes; of a longer file, or of a pipe without end, no more is read */
export async function readText(args: Arguments, option: string, file: string, limit = maxTextBytes): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let read = 0;
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if ((read += chunk.length) > limit) {
        throw new LabError(
          'format',
          `${file} has more than ${limit / 1e6} MB.`,
          `--${option} takes a smaller file; check that it is the right one.`,
        );
      }
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw args.wrong(`There is no file ${file} for --${option}.`);
    if (code === 'EISDIR') throw args.wrong(`${file} is a folder; --${option} takes a file.`);
    if (error instanceof TypeError) throw new LabError('format', `${file} is not text in UTF-8.`, 'Give a text file.');
    throw error;
  }
}

/** @param taken the other candidate's name */
export async function candidate(args: Arguments, folder: string, taken: string | null): Promise<{ candidate: Candidate; policy: Policy }> {
  const policy = await readPolicy(folder, templateArguments(args));
  const { id, config, weights, tokenizer } = policy;
  if (!tokenizer) throw new LabError('config', `The policy in ${folder} has no tokenizer.json, so it cannot be asked in words.`, 'Add it.');
  return {
    candidate: {
      name: id === taken ? `${id} (base)` : id,
      tokenizer,
      eosIds: config.eosIds,
      maxPositions: config.maxPositions,
      open: () => openEngine({ config, weights, wish: args.wish }),
      close: (engine: PolicyEngine) => engine.dispose(),
    },
    policy,
  };
}
