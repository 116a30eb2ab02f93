/** What the documents point at is there: every file and folder they name, every script, and the order of the rooms. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'shaders/README.md',
  ...readdirSync(resolve(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const text = (path: string) => readFileSync(resolve(root, path), 'utf8');

/** Paths from the root in backticks, and the targets of links; what a reader makes up (NAME, DIR, …) is none. */
function namedPaths(document: string): string[] {
  const plain = text(document).replace(/```[\s\S]*?```/g, '');
  const quoted = [...plain.matchAll(/`((?:src|shaders|tests|docs|scripts|public)\/[^`\s]*)`/g)].map(([, path]) => path!);
  const links = [...plain.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, path]) =>
    resolve(dirname(resolve(root, document)), path!),
  );
  return [...quoted, ...links].filter(
    (path) => !/[A-Z]{4,}(\/|\.(ts|wgsl|test))|…|\*|<|\.jsonl?$/.test(path.replace(/README|CONTRIBUTING/g, '')),
  );
}

describe.each(documents)('%s', (document) => {
  it('names files that exist', () => {
    expect(namedPaths(document).filter((path) => !existsSync(resolve(root, path)))).toEqual([]);
  });

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
    const named = [...text(document).matchAll(/npm run (?:-s )?([a-z][\w:]*)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

it('the walk names enough to be one, and the order of the rooms is the one that lint holds', () => {
  expect(namedPaths('docs/architecture.md').length).toBeGreaterThan(50);
  const order = /right only: (.+)\.'/.exec(text('.dependency-cruiser.cjs'))![1]!;
  const plain = (document: string) => text(document).replace(/\s+/g, ' ');
  expect(plain('docs/architecture.md')).toContain(order);
  expect(plain('README.md')).toContain(order);
});

/** Comments go stale in silence: a file that one of them names is there. */
it('comments in the code name files that exist', () => {
  const files = ['src', 'shaders', 'scripts', 'tests'].flatMap((folder) =>
    readdirSync(resolve(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  );
  const code = files.filter((file) => /\.(ts|mjs|svelte|wgsl|css)$/.test(file));
  const missing = code.flatMap((file) =>
    [...text(file).matchAll(/(?<![\w./@-])(?:src|shaders|tests|scripts|docs)\/[\w./-]*\.(?:ts|mjs|wgsl|svelte|md)\b/g)]
      .map(([path]) => path)
      .filter((path) => !existsSync(resolve(root, path)))
      .map((path) => `${file}: ${path}`),
  );
  expect(missing).toEqual([]);
});
