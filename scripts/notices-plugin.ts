/**
 * Build plugin: the licence, and the notices of every package whose code is really in the bundle, as files beside it. What is bundled is
 * read from the finished chunks, the workers' too, so that no list has to be kept. A package whose licence cannot be found fails the build.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';

export const noticesFile = 'THIRD-PARTY-NOTICES.txt';
const root = resolve(import.meta.dirname, '..');

interface Package {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly source: string;
  readonly author: string | undefined;
}

/** Plugins for the build and for its workers' own builds, which are bundled first. */
export function notices(): { readonly page: Plugin; readonly worker: Plugin } {
  const folders = new Set<string>();
  const collect = (chunks: Readonly<Record<string, { readonly type: string; readonly modules?: object }>>): void => {
    for (const chunk of Object.values(chunks)) {
      for (const id of Object.keys(chunk.modules ?? {})) {
        const folder = packageFolder(id);
        if (folder) folders.add(folder);
      }
    }
  };
  return {
    worker: { name: 'notices-worker', generateBundle: (_options, bundle) => collect(bundle) },
    page: {
      name: 'notices',
      apply: 'build',
      generateBundle(_options, bundle) {
        collect(bundle);
        const packages = [...folders].map(readPackage).sort((a, b) => (a.name < b.name ? -1 : 1));
        this.emitFile({ type: 'asset', fileName: noticesFile, source: noticesText(packages) });
        this.emitFile({ type: 'asset', fileName: 'LICENSE', source: readFileSync(join(root, 'LICENSE'), 'utf8') });
      },
    },
  };
}

/** The folder of the package a module comes from; null for the project's own. The bundler's runtime is the bundler's. */
function packageFolder(id: string): string | null {
  const made = /^\0(vite|rolldown)\//.exec(id)?.[1];
  if (made) return join(root, 'node_modules', made);
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace(/^\0/, '').replaceAll('\\', '/'))?.[0] ?? null;
}

function readPackage(folder: string): Package {
  const { name, version, license, author, repository, homepage } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
    author?: string | { readonly name?: string };
    repository?: string | { readonly url?: string };
    homepage?: string;
  };
  const source = (typeof repository === 'string' ? repository : repository?.url) ?? homepage ?? `https://www.npmjs.com/package/${name}`;
  return {
    folder,
    name,
    version,
    license: license ?? 'see below',
    source: source.replace(/^git\+|\.git$/g, ''),
    author: typeof author === 'string' ? author : author?.name,
  };
}

function noticesText(packages: readonly Package[]): string {
  const rule = `\n${'-'.repeat(80)}\n\n`;
  const head =
    'PerMix Lab is licensed under Apache-2.0 (see LICENSE beside this file). It contains code of these packages, each under its own licence:\n\n';
  const list = packages.map(({ name, version, license }) => `  ${name} ${version} (${license})\n`).join('');
  return [head + list, ...packages.map((one) => `${one.name} ${one.version}, ${one.license}\n${one.source}\n\n${licenceText(one)}`)].join(
    rule,
  );
}

/**
 * What the package says itself: in files, or under the last heading of its README. One of Apache-2.0 that was published without the
 * text has it from this project, one of MIT from SPDX, with its author's name.
 */
function licenceText({ folder, name, license, author }: Package): string {
  const files = readdirSync(folder);
  const own = files.filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
  if (own.length > 0) return own.map((file) => `${readFileSync(join(folder, file), 'utf8').trim()}\n`).join('\n');
  if (/Apache-2\.0/.test(license)) return 'Its text is that of the file LICENSE beside this one.\n';
  const readme = files.find((file) => /^readme/i.test(file));
  const section = readme && /^(#+ *licen[cs]e.*|licen[cs]e.*\r?\n[-=]+\s*)$[^]*/im.exec(readFileSync(join(folder, readme), 'utf8'));
  if (section) return `${section[0].trim()}\n`;
  if (license === 'MIT' && author) return `Copyright (c) ${author}\n\n${mitText}`;
  throw new Error(`notices: ${name} (${license}) came without the text of its licence`);
}

/** https://spdx.org/licenses/MIT.html */
const mitText = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;
