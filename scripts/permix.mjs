#!/usr/bin/env node
/** `npm run -s permix -- COMMAND` in a checkout: installs and builds what is missing or older than its sources, then runs it. Notices go to stderr. */
import { install, root, run } from './install.mjs';
import { cliSources, stale } from './stale.mjs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

try {
  await install();
  if (stale('dist-cli/permix.js', cliSources)) {
    console.error('Building the command line …');
    const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'vite.cli.config.ts', '--logLevel', 'warn'];
    const code = await run(process.execPath, args, { stdio: ['ignore', 2, 2] });
    if (code !== 0) throw new Error('The command line could not be built; the message is above.');
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
await import(pathToFileURL(resolve(root, 'dist-cli/permix.js')).href);
