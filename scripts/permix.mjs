#!/usr/bin/env node
/** `npm run -s permix -- COMMAND` in a checkout: installs and builds what is missing or older than its sources, then runs it. Notices go to stderr. */
import { buildCli } from './build-cli.mjs';
import { install, root } from './install.mjs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

try {
  await install();
  await buildCli();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
await import(pathToFileURL(resolve(root, 'dist-cli/permix.js')).href);
