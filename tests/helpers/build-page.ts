/** Before the e2e ring: builds the page into dist/ and the command line into dist-cli/ where they are older than their sources. */
import { execFileSync } from 'node:child_process';
import { cliSources, pageSources, stale } from '../../scripts/stale.mjs';

export default function setup(): void {
  const build = (...args: string[]) =>
    execFileSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn', ...args], { stdio: 'inherit' });
  if (stale('dist/index.html', pageSources)) build();
  if (stale('dist-cli/permix.js', cliSources)) build('--config', 'vite.cli.config.ts');
}
