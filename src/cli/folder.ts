/** Policies on disk: Hugging Face folders, read and written, and GGUF files, read. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { policyFiles, type PolicyToWrite } from '../exchange/policy-files.ts';
import { adaptedSource } from '../policy/adapted.ts';
import { ggufSource } from '../policy/gguf.ts';
import { isHubName } from '../policy/hub-name.ts';
import { peftBase, peftFileNames } from '../policy/peft.ts';
import { loadPolicy } from '../policy/policy.ts';
import type { PolicySource } from '../policy/source.ts';
import { checkFinite } from '../policy/weights.ts';
import { diskFile, unreadable } from './disk-file.ts';
import { readWhole, writePieces } from './files.ts';
import { refuseNoPolicy } from './mistaken.ts';

/** The policy that ships with the command: the bundle lies in dist-cli/, beside public/. */
export const bundledPolicy = resolve(import.meta.dirname, '../public/models/permix-tiny');

/**
 * A policy by its path: a folder, a GGUF file, or a folder of PEFT's adapters, whose base is looked for.
 * @throws LabError 'config' where there is neither, 'usage' for a run, 'format' for another file or a broken one
 */
export async function policySource(path: string): Promise<PolicySource> {
  refuseNoPolicy(path);
  const found = await stat(path).catch(() => null);
  if (found && isAdapters(path))
    return adaptedSource(await loadPolicy(await policySource(await baseOfAdapters(path))), await folderSource(path));
  if (!found || found.isDirectory()) return folderSource(path);
  const file = resolve(path);
  return ggufSource(basename(file).replace(/\.gguf$/i, ''), await diskFile(file));
}

/** Whether a folder holds adapters, and no policy. */
export const isAdapters = (path: string): boolean => existsSync(join(path, peftFileNames.config)) && !existsSync(join(path, 'config.json'));

/**
 * The policy that adapters are of: where their file says, from there or from here; or, of a name on the hub, a folder or GGUF file of the
 * last part of it beside the adapters or here. @throws LabError 'config' where there is none
 */
export async function baseOfAdapters(path: string): Promise<string> {
  const name = await peftBase(await folderSource(path));
  const write = `Write the path of the base's folder into ${join(path, peftFileNames.config)}, as base_model_name_or_path.`;
  if (name === null) throw new LabError('config', `The adapters in ${path} do not say of which policy they are.`, write);
  const last = basename(name);
  const places = [resolve(path, name), resolve(name), ...[dirname(resolve(path)), resolve()].map((folder) => join(folder, last))];
  const found = places.flatMap((place) => [place, `${place}.gguf`]).find((place) => place !== resolve(path) && existsSync(place));
  if (found !== undefined) return found;
  if (last === basename(bundledPolicy)) return bundledPolicy;
  const what = `The adapters in ${path} are of ${JSON.stringify(name)}, which is not here.`;
  throw new LabError(
    'config',
    what,
    `Put its folder beside them, as ${join(dirname(path), last)}; train and export take it as --model. Or: ${write}`,
  );
}

/** @throws LabError 'usage' where there is no such folder */
export async function folderSource(path: string): Promise<PolicySource> {
  const folder = resolve(path);
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory()) {
    const what = `There is no ${/\.gguf$/i.test(path) ? 'file' : 'folder'} ${folder}.`;
    throw new LabError(
      'usage',
      what,
      isHubName(path) ? fetchFirst(path) : 'Give a folder with config.json and model.safetensors, or a GGUF file.',
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

const fetchFirst = (name: string): string =>
  `From a hub the page fetches (Add a policy), and the command line does not: hf download ${name}, of Hugging Face’s own tools, fetches it and prints the folder, which can be given.`;

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
 * Writes a policy as a Hugging Face folder, piece by piece, in the format of its base or, where all of it was trained, as it was trained.
 * @throws LabError 'numeric' for what is no number: of what was trained, before anything is written
 */
export async function writePolicyFolder(folder: string, policy: PolicyToWrite): Promise<void> {
  checkFinite({ ...policy.weights, ...policy.adapters?.tensors }, folder);
  for (const file of policyFiles('hf', policy)) await writePieces(join(folder, file.name), file);
}
