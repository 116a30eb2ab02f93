/**
 * The files of a policy by their names, wherever they lie (picked, dropped, in an archive, in the browser's storage), as its source. Weights
 * are read by range, so that a folder may be larger than memory. Which files of many they are is `given.ts`.
 */
import { LabError } from '../errors.ts';
import { isGguf, type PolicyFile } from './file.ts';
import { ggufSource } from './gguf.ts';
import { maxTextBytes, type PolicySource } from './source.ts';

/** By name, each opened when it is asked for. */
export type FolderFiles = ReadonlyMap<string, () => Promise<PolicyFile>>;

/** A GGUF file is a policy by itself; everything else is a Hugging Face folder. @throws LabError `format` as `ggufSource` */
export async function filesSource(id: string, files: FolderFiles): Promise<PolicySource> {
  const gguf = [...files].find(([path]) => isGguf(path));
  if (gguf && !files.has('config.json')) return ggufSource(id, await gguf[1]());
  return {
    id,
    local: true,
    async read(path) {
      const file = await files.get(path)?.();
      if (!file) return null;
      if (file.size > maxTextBytes) {
        throw new LabError('format', `${file.name} has more than ${maxTextBytes / 1e6} MB.`, 'Check that it is the right file.');
      }
      return file.read(0, file.size);
    },
    open: async (path) => (await files.get(path)?.()) ?? null,
  };
}

/** The same source, and the sizes of the files that were found in it: what a policy consists of is what its loader asked for. */
export function notingFiles(source: PolicySource): { readonly source: PolicySource; readonly sizes: ReadonlyMap<string, number> } {
  const sizes = new Map<string, number>();
  const open = source.open?.bind(source);
  return {
    sizes,
    source: {
      ...source,
      async read(path) {
        const bytes = await source.read(path);
        if (bytes) sizes.set(path, bytes.length);
        return bytes;
      },
      ...(open && {
        async open(path: string) {
          const file = await open(path);
          if (file) sizes.set(path, file.size);
          return file;
        },
      }),
    },
  };
}
