/**
 * What a reader picked or dropped: a folder, files, one GGUF, or a zip of these; and which of it is the policy, or PEFT's adapters of one. Nothing
 * is read here but the directory of an archive; what the files hold is looked at by whoever loads them.
 */
import { LabError } from '../errors.ts';
import { baseName, blobFile, isGguf, type PolicyFile } from './file.ts';
import type { FolderFiles } from './folder.ts';
import { peftFileNames } from './peft.ts';

/** A file, and where it lay: `smollm/config.json`; of one that was picked alone its name. */
export interface GivenFile {
  readonly path: string;
  readonly file: Blob;
}

/** The same, opened when it is needed: an archive's may have to be unpacked first. */
interface Candidate {
  readonly path: string;
  open(name: string): Promise<PolicyFile>;
}

export interface GivenFolder {
  /** For the reader: of the folder, the archive or the file. */
  readonly name: string;
  readonly files: FolderFiles;
}

/** A policy has a dozen files; a home directory has more than this, and is no policy. */
const maxGivenFiles = 10_000;

const folderOf = (path: string): string => path.slice(0, path.length - baseName(path).length);
const depthOf = (path: string): number => path.split('/').length;
const quoted = (paths: readonly string[]): string =>
  paths
    .slice(0, 3)
    .map((path) => `“${path.replace(/\p{C}+/gu, ' ').slice(0, 120)}”`)
    .join(', ');

/** @throws LabError `format` where there is neither policy nor adapters among them, or more than one */
export async function givenFolder(given: readonly GivenFile[]): Promise<GivenFolder> {
  if (given.length === 0) throw new LabError('format', 'No file was given.', dropWhat);
  if (given.length > maxGivenFiles) {
    throw new LabError('format', `${given.length} files were given; a policy has a dozen.`, 'Choose the folder of one policy.');
  }
  const [only] = given;
  if (given.length === 1 && /\.zip$/i.test(only!.path)) {
    const name = baseName(only!.path);
    const { zipEntries } = await import('./zip.ts');
    return policyAmong(await zipEntries(name, only!.file), name.replace(/\.zip$/i, ''), name);
  }
  const candidates = given.map(({ path, file }) => ({ path, open: async (name: string) => blobFile(name, file) }));
  const [root] = only!.path.includes('/') ? only!.path.split('/') : [];
  return policyAmong(candidates, null, root ?? 'what was given');
}

const dropWhat =
  'Give the folder of a policy (config.json, tokenizer.json, model.safetensors) or of its adapters (adapter_config.json, adapter_model.safetensors), one GGUF file, or a zip of these.';

/** @param unnamed what is called that lies in no folder; null: by what it is  @param where for sentences */
function policyAmong(candidates: readonly Candidate[], unnamed: string | null, where: string): GivenFolder {
  const configs = configsAmong(candidates).sort((a, b) => depthOf(a.path) - depthOf(b.path));
  const [config, second] = configs;
  if (config) {
    if (second && depthOf(second.path) === depthOf(config.path)) {
      const said = quoted(configs.map(({ path }) => path));
      throw new LabError('format', `There is more than one policy in ${where}: ${said}.`, 'Give the folder of one of them.');
    }
    const folder = folderOf(config.path);
    const within = candidates.filter(({ path }) => folderOf(path) === folder);
    const adapters = baseName(config.path) === peftFileNames.config;
    const name = baseName(folder.slice(0, -1)) || (unnamed ?? (adapters ? 'adapters' : 'policy'));
    return { name, files: openers(within, name) };
  }
  const ggufs = candidates.filter(({ path }) => isGguf(path));
  if (ggufs.length === 1) {
    const name = baseName(ggufs[0]!.path).replace(/\.gguf$/i, '');
    return { name, files: openers(ggufs, null) };
  }
  if (ggufs.length > 1) {
    const said = quoted(ggufs.map(({ path }) => path));
    throw new LabError('format', `There are ${ggufs.length} GGUF files in ${where}: ${said}.`, 'Give one of them.');
  }
  const what =
    candidates.length === 1 ? `“${baseName(candidates[0]!.path)}” is neither a GGUF file nor a zip` : `There is no config.json in ${where}`;
  throw new LabError('format', `${what}.`, dropWhat);
}

/** What a policy or adapters are told by: one in a folder. */
function configsAmong(candidates: readonly Candidate[]): Candidate[] {
  const whole = candidates.filter(({ path }) => baseName(path) === 'config.json');
  const taken = new Set(whole.map(({ path }) => folderOf(path)));
  const adapters = candidates.filter(({ path }) => baseName(path) === peftFileNames.config && !taken.has(folderOf(path)));
  return [...whole, ...adapters];
}

/** Each is opened once. @param policy null: they are called by their own names */
function openers(candidates: readonly Candidate[], policy: string | null): FolderFiles {
  return new Map(
    candidates.map(({ path, open }) => {
      const name = baseName(path);
      let opened: Promise<PolicyFile> | undefined;
      return [name, () => (opened ??= open(policy === null ? name : `${name} of ${policy}`))];
    }),
  );
}
