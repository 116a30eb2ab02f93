/** What the interface loads late is also loaded ahead, so that an open page lacks nothing when the network goes. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

/** The files that a file imports when it needs them, and the packages. */
function lateImports(file: string): string[] {
  const found = [...readFileSync(file, 'utf8').matchAll(/\bimport\(\s*(['"])(.+?)\1/g)].map(([, , target]) => target!);
  return found.map((target) => (target.startsWith('.') ? join(dirname(file), target) : target));
}

it('every import() of the interface is in the list of ui/ahead.ts', () => {
  const files = ['src/ui', 'src/state']
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)))
    .filter((file) => /\.(ts|svelte)$/.test(file) && file !== join('src/ui/ahead.ts'));
  const late = new Set(files.flatMap(lateImports));
  expect(late.size).toBeGreaterThan(3);
  const ahead = lateImports('src/ui/ahead.ts');
  expect([...late].filter((target) => !ahead.includes(target))).toEqual([]);
});
