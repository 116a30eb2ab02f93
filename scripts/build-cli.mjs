/** Builds the command line, dist-cli/, where it is missing or older than its sources. Notices go to stderr. */
import { run } from './install.mjs';
import { cliSources, stale } from './stale.mjs';

/** @throws where it does not build */
export async function buildCli() {
  if (!stale('dist-cli/permix.js', cliSources)) return;
  console.error('Building the command line …');
  const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'vite.cli.config.ts', '--logLevel', 'warn'];
  const code = await run(process.execPath, args, { stdio: ['ignore', 2, 2] });
  if (code !== 0) throw new Error('The command line could not be built; the message is above.');
}
