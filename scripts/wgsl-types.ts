/**
 * The names in the shaders as TypeScript types: for each .wgsl file a declaration of what importing it gives, so that the compiler
 * checks the buffers, parameters and constants that the host speaks of. `npm run shaders` writes them (scripts/shaders.mjs); they are
 * committed, because a fresh clone is checked before anything is built.
 */
import { resolve } from 'node:path';
import type { Shader } from '../src/engine/gpu/shader.ts';
import { allShaders } from './wgsl-plugin.ts';

export const declarationsFile = resolve(import.meta.dirname, '../src/engine/gpu/shaders.d.ts');

const union = (names: readonly string[]) => names.map((name) => `'${name}'`).join(' | ') || 'never';

function declaration({ label, entries, constants }: Shader): string {
  const points = Object.entries(entries).map(([entry, { bindings, params }]) => {
    const buffers = bindings.filter(({ type }) => type !== 'uniform').map(({ name }) => name);
    return `      ${entry}: import('./shader.ts').EntryPoint<${union(buffers)}, ${union(params.map(({ name }) => name))}>;`;
  });
  const values = Object.entries(constants).map(([name, value]) => `      ${name}: ${String(value)};`);
  return [
    // Importers write a relative path; what comes before the folder is theirs.
    `declare module '*/${label}.wgsl' {`,
    "  const shader: import('./shader.ts').Shader<",
    ...(points.length > 0 ? ['    {', ...points, '    },'] : ['    Record<never, never>,']),
    ...(values.length > 0 ? ['    {', ...values, '    }'] : ['    Record<never, never>']),
    '  >;',
    '  export default shader;',
    '}',
  ].join('\n');
}

/** The whole file. */
export function declarations(): string {
  return [
    '/** Written by `npm run shaders` from the WGSL in shaders/; not by hand. What the types mean is in shader.ts. */',
    ...allShaders().map(declaration),
    '',
  ].join('\n\n');
}
