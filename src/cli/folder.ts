/** Policies on disk: Hugging Face folders, read and written, and GGUF files, read. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { parameterShapes, toHuggingFaceConfig } from '../policy/config.ts';
import { ggufSource } from '../policy/gguf.ts';
import { writeSafetensors } from '../policy/safetensors.ts';
import type { PolicySource } from '../policy/source.ts';
import { checkFinite, type Weights } from '../policy/weights.ts';
import { diskFile, unreadable } from './disk-file.ts';
import { readWhole } from './files.ts';

/** The policy that ships with the command: the bundle lies in dist-cli/, beside public/. */
export const bundledPolicy = resolve(import.meta.dirname, '../public/models/permix-tiny');

/** Tokenizer and generation files, copied as they are beside new weights. */
const companions = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'special_tokens_map.json', 'chat_template.jinja'];

/**
 * A policy by its path: a folder, or a GGUF file.
 * @throws LabError 'config' where there is neither, 'format' for another file or a broken one
 */
export async function policySource(path: string): Promise<PolicySource> {
  const found = await stat(path).catch(() => null);
  if (!found || found.isDirectory()) return folderSource(path);
  const file = resolve(path);
  return ggufSource(basename(file).replace(/\.gguf$/i, ''), await diskFile(file));
}

/** @throws LabError 'config' where there is no such folder */
export async function folderSource(path: string): Promise<PolicySource> {
  const folder = resolve(path);
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory()) {
    throw new LabError(
      'config',
      `There is no folder ${folder}.`,
      'Give --model a folder with config.json and model.safetensors, or a GGUF file.',
    );
  }
  return {
    id: basename(folder),
    local: true,
    read: (file) =>
      orNone(join(folder, file), async (path) => {
        const bytes = await readWhole(path);
        // As what it says it is: the slice() of Node's Buffer does not copy, that of a Uint8Array does.
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }),
    open: (file) => orNone(join(folder, file), diskFile),
  };
}

/** @returns null where there is no such file */
async function orNone<T>(path: string, read: (path: string) => Promise<T>): Promise<T | null> {
  try {
    return await read(path);
  } catch (cause) {
    if (cause instanceof LabError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unreadable(path, cause);
  }
}

/**
 * Writes `weights` as a Hugging Face folder, with the tokenizer files of `from`.
 * @throws LabError 'numeric' for weights that are no numbers, before anything is written
 */
export async function writePolicyFolder(folder: string, config: PolicyConfig, weights: Weights, from: PolicySource): Promise<void> {
  checkFinite(weights, folder);
  await mkdir(folder, { recursive: true });
  const tensors = parameterShapes(config).map(({ name, shape }) => ({ name, shape: [...shape], data: weights[name]! }));
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors, { format: 'pt' }));
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(toHuggingFaceConfig(config), null, 2)}\n`);
  for (const name of companions) {
    const bytes = await from.read(name);
    if (bytes) await writeFile(join(folder, name), bytes);
  }
}
