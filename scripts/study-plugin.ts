/**
 * Puts the committed study beside the built page, where its Reproduce view looks for it: docs/reproduction/results.json as runs/study.json, and
 * the protocol. There is one copy in the repository; a page that is built without one says so.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

const from = resolve(import.meta.dirname, '../docs/reproduction');
const files = { 'results.json': 'runs/study.json', 'protocol.md': 'runs/protocol.md' };

export function study(): Plugin {
  return {
    name: 'study',
    apply: 'build',
    generateBundle() {
      for (const [name, fileName] of Object.entries(files)) {
        const path = resolve(from, name);
        if (existsSync(path)) this.emitFile({ type: 'asset', fileName, source: readFileSync(path, 'utf8') });
      }
    },
  };
}
