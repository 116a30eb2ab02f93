/** A policy folder as something to examine, and the files that come with the question: read, and told apart by a short hash. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import type { Candidate } from '../evaluate/evaluate.ts';
import { loadPolicy } from '../policy/policy.ts';
import type { Weights } from '../policy/weights.ts';
import type { Arguments } from './arguments.ts';
import { openEngine } from './engine.ts';
import { folderSource } from './folder.ts';

export async function readText(args: Arguments, option: string, file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw args.wrong(`There is no file ${file} for --${option}.`);
    if (code === 'EISDIR') throw args.wrong(`${file} is a folder; --${option} takes a file.`);
    if (error instanceof TypeError) throw new LabError('format', `${file} is not text in UTF-8.`, 'Give a text file.');
    throw error;
  }
}

/** @param taken the other candidate's name */
export async function candidate(args: Arguments, folder: string, taken: string | null): Promise<{ candidate: Candidate; hash: string }> {
  const { id, config, weights, tokenizer } = await loadPolicy(await folderSource(folder));
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
    hash: `${id} ${digest(tensors(weights))}`,
  };
}

function* tensors(weights: Weights): Generator<string | Uint8Array> {
  for (const name of Object.keys(weights).sort()) {
    const { buffer, byteOffset, byteLength } = weights[name]!;
    yield name;
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Enough of a hash to tell files apart. */
export function digest(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}
