/** What the engines' self-checks found on this machine, kept between commands in the reader's cache folder. */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../package.json';
import { parseJsonBytes } from '../json.ts';
import { readCheck, type CheckSetup } from '../engine/checked.ts';

const folder = () => join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'permix-lab');

function stored(): Record<string, unknown> {
  try {
    const file = join(folder(), 'self-checks.json');
    const json = parseJsonBytes(readFileSync(file), { file });
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  } catch {
    // None, or a damaged one: what it said is found out again.
    return {};
  }
}

/** The version, and when it was built: a checkout is built again whenever its sources change. */
const program = `permix-lab ${version} of ${statSync(fileURLToPath(import.meta.url)).mtime.toISOString()}`;

export const checkSetup: CheckSetup = {
  program,
  memory: {
    read: (key) => Promise.resolve(readCheck(stored()[key])),
    write(key, check) {
      try {
        // Those of older builds are of no more use.
        const kept = Object.entries(stored()).filter(([other]) => other.startsWith(program));
        mkdirSync(folder(), { recursive: true });
        const fresh = join(folder(), `self-checks.${process.pid}.new`);
        writeFileSync(fresh, JSON.stringify({ ...Object.fromEntries(kept), [key]: check }));
        renameSync(fresh, join(folder(), 'self-checks.json'));
      } catch {
        // A cache that cannot be written costs the next command another check.
      }
      return Promise.resolve();
    },
  },
};
