/** Where a policy that a stored run needs lies now: where it did, where the reader says, or, known by its hash, near either. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { noPolicy } from '../policy/fingerprint.ts';
import { loadPolicy } from '../policy/policy.ts';
import { sha256 } from '../policy/sha256.ts';
import { policyParts, type Identity } from '../run/identity.ts';
import { bundledPolicy, policySource } from './folder.ts';
import { notice } from './progress.ts';
import type { StoredRun } from './stored-run.ts';

export interface Sought {
  /** The run that needs it, and the path recorded there, from its folder. */
  readonly of: StoredRun;
  readonly recorded: string;
  /** The folder or file that the reader names, by this option. */
  readonly given: string | undefined;
  readonly option: 'model' | 'teacher';
  /** What was recorded of it. */
  readonly identity: Identity;
}

/** @throws LabError 'usage' where it is not found */
export async function findPolicy({ of, recorded, given, option, identity }: Sought): Promise<string> {
  const before = resolve(of.path, recorded);
  if (given !== undefined) return resolve(given);
  if (isPolicy(before)) return before;
  const part = (name: string) => identity[option === 'teacher' ? `teacher.${name}` : name];
  for (const path of await nearby([dirname(of.path), dirname(before)])) {
    const source = await policySource(path).catch(() => null);
    const config = await source?.read('config.json').catch(() => null);
    if (!source || !config || (await sha256(config)) !== part('config')) continue;
    const found = await loadPolicy(source).then(policyParts, () => null);
    // One that differs in a template only may be another's: which it is, is for the reader to say.
    if (!found || Object.keys(noPolicy).some((name) => part(name) !== undefined && found[name] !== part(name))) continue;
    notice(`The ${option === 'model' ? 'base policy' : 'teacher'} is no longer in ${before}; it was found, by its hash, in ${path}.`);
    return path;
  }
  const what = `The ${option === 'model' ? 'base policy' : 'teacher'} of the run in ${of.path} is no longer in ${before}.`;
  throw new LabError('usage', what, `Say where it is now: --${option} ${recorded.endsWith('.gguf') ? 'FILE.gguf' : 'DIR'}.`);
}

const isPolicy = (path: string): boolean => existsSync(join(path, 'config.json')) || (path.endsWith('.gguf') && existsSync(path));

/** More than these are not looked at. */
const mostPolicies = 200;

/** The policies in these folders, in the folders of those, and the bundled one: folders and GGUF files. */
async function nearby(roots: readonly string[]): Promise<readonly string[]> {
  const inside = async (folder: string) => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const wanted = entries.filter((entry) => (entry.isDirectory() ? !entry.name.startsWith('.') : entry.name.endsWith('.gguf')));
    return wanted.map(({ name }) => join(folder, name));
  };
  const policies = new Set([bundledPolicy]);
  for (const root of roots) {
    for (const folder of [root, dirname(root)]) {
      for (const child of await inside(folder)) {
        for (const one of [child, ...(await inside(child))]) if (isPolicy(one) && policies.size < mostPolicies) policies.add(one);
      }
    }
  }
  return [...policies];
}
