/**
 * The functions of src/engine/wasm/kernels/ as TypeScript types, so that the compiler checks what the engine calls them with. `npm run shaders` writes them
 * (scripts/shaders.mjs); they are committed, because a fresh clone is checked before anything is built.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { kernelFiles, kernels } from './kernels-plugin.ts';

export const declarationsFile = resolve(import.meta.dirname, '../src/engine/wasm/kernels.d.ts');

interface Exported {
  readonly parameters: readonly string[];
  readonly result: string;
}

/** Every function that a file exports, by name. */
function functionsOf(code: string): Map<string, Exported> {
  const found = code.matchAll(/^export function (\w+)\(([^)]*)\): (\w+)/gm);
  return new Map(
    [...found].map(([, name, list, result]) => {
      const parameters = [...list!.matchAll(/(\w+): \w+/g)].map(([, parameter]) => parameter!);
      return [name!, { parameters, result: result === 'void' ? 'void' : 'number' }];
    }),
  );
}

/** As the formatter has it. */
function signature(name: string, { parameters, result }: Exported): string {
  const typed = parameters.map((parameter) => `${parameter}: number`);
  const line = `    ${name}(${typed.join(', ')}): ${result};`;
  if (line.length <= 140) return line;
  return [`    ${name}(`, ...typed.map((parameter) => `      ${parameter},`), `    ): ${result};`].join('\n');
}

/** The whole file. */
export function declarations(): string {
  const sources = new Map(kernelFiles().map((name) => [name.replace(/\.ts$/, ''), readFileSync(join(kernels, name), 'utf8')]));
  const index = sources.get('index')!;
  const exported = new Map(functionsOf(index));
  for (const [, names, file] of index.matchAll(/^export \{ ([^}]+) \} from '\.\/([\w-]+)';/gm)) {
    const functions = functionsOf(sources.get(file!)!);
    for (const name of names!.split(', ')) exported.set(name, functions.get(name)!);
  }
  const lines = [...exported].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, said]) => signature(name, said));
  return [
    '/** Written by `npm run shaders` from the AssemblyScript in kernels/, where it says what they do; not by hand. */',
    '',
    "declare module '*/kernels/index.ts?kernels' {",
    '  /** Addresses and steps are bytes, lengths are numbers. */',
    '  export interface Kernels {',
    ...lines,
    '  }',
    '  /** The module, in base64. */',
    '  const binary: string;',
    '  export default binary;',
    '}',
    '',
    "declare module '*/kernels/index.ts?kernels-relaxed' {",
    '  const binary: string;',
    '  export default binary;',
    '}',
    '',
  ].join('\n');
}
