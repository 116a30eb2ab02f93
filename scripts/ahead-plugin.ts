/**
 * Build plugin: the list of what the page loads late, scripts and styles in the order in which its source asks for them (ahead.json), for
 * `src/ui/ahead.ts`, which fetches them when the page is idle. The trainer's own are not in it.
 */
import type { Plugin, Rolldown } from 'vite';

export const aheadFile = 'ahead.json';

export function ahead(): Plugin {
  return {
    name: 'ahead',
    apply: 'build',
    generateBundle: {
      // After Vite's own, which says which styles belong to a chunk.
      order: 'post',
      handler(_, bundle) {
        const source = `${JSON.stringify(lateFiles(bundle))}\n`;
        this.emitFile({ type: 'asset', fileName: aheadFile, source });
      },
    },
  };
}

function lateFiles(bundle: Rolldown.OutputBundle): string[] {
  const chunk = (name: string) => {
    const found = bundle[name];
    return found?.type === 'chunk' ? found : null;
  };
  const entry = Object.values(bundle).find((one) => one.type === 'chunk' && one.isEntry);
  const files = new Set<string>();
  const walk = (names: readonly string[]): void => {
    const late: string[] = [];
    for (const name of names) {
      const found = files.has(name) ? null : chunk(name);
      if (!found) continue;
      files.add(name);
      for (const style of found.viteMetadata?.importedCss ?? []) files.add(style);
      walk(found.imports);
      late.push(...found.dynamicImports);
    }
    if (late.length > 0) walk(late);
  };
  // What is there with the first paint, in the same way.
  const first = new Set<string>();
  const skip = (name: string): void => {
    const found = first.has(name) ? null : chunk(name);
    if (!found) return;
    first.add(name);
    for (const style of found.viteMetadata?.importedCss ?? []) first.add(style);
    found.imports.forEach(skip);
  };
  if (entry) skip(entry.fileName);
  walk([...first].flatMap((name) => chunk(name)?.dynamicImports ?? []));
  return [...files].filter((name) => !first.has(name));
}
