/** `npm run teaching`: writes the numbers of the stories, the worksheets and the teacher's page from what was run (src/ui/stories/teaching.ts). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './install.mjs';

/** @type {{ module: typeof import('../src/ui/stories/teaching.ts') }} */
const { module: teaching } = await runnerImport(resolve(root, 'src/ui/stories/teaching.ts'), { configFile: false, logLevel: 'error' });
const read = (/** @type {string} */ path) => readFileSync(resolve(root, path), 'utf8');
const { recording, study, long } = teaching.sourceFiles;
const files = teaching.teachingFiles(teaching.readSources({ recording: read(recording), study: read(study), long: read(long) }));
for (const [path, text] of Object.entries(files)) {
  mkdirSync(dirname(resolve(root, path)), { recursive: true });
  writeFileSync(resolve(root, path), text);
}
