/** Which of the policies here adapters that are coming in are of: as their file names it, or as the reader says. What they hold is looked at in `look-at-policy.ts`. */
import { LabError } from '../errors.ts';
import { filesSource } from '../policy/folder.ts';
import { givenFolder, type GivenFile, type GivenFolder } from '../policy/given.ts';
import { Hub, type HubOptions } from '../policy/hub.ts';
import { isHubName, nameAtHub, readHubName } from '../policy/hub-name.ts';
import { areAdapters, peftBase, peftFileNames } from '../policy/peft.ts';
import type { Policy } from '../policy/policy.ts';
import { namesPolicy, type PolicyOrigin } from '../storage/policies.ts';
import type { BaseQuestion, PolicyFetch } from './policies-api.ts';

/** A whole policy that is here. */
export interface PossibleBase {
  readonly id: string;
  readonly name: string;
  /** Null: it comes with the page. */
  readonly from: PolicyOrigin | null;
}

/** What the file says of the base, where that is none of those here, or several. */
export interface UnknownBase {
  readonly id: null;
  /** A sentence. */
  readonly said: string;
}

/** Its last part: of a path, of a name on the hub. */
const lastPart = (named: string): string =>
  named
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!;
const hashed = (named: string): boolean => /~[0-9a-f]{12}$/.test(named);

/** @param adapters what they are called  @param named base_model_name_or_path; null: the file says nothing */
export function baseNamed(
  adapters: string,
  named: string | null,
  here: readonly PossibleBase[],
): Pick<PossibleBase, 'id' | 'name'> | UnknownBase {
  if (named === null) return { id: null, said: `The adapters in ${adapters} do not say of which policy they are.` };
  const found = here.filter((base) => names(named, base));
  if (found.length === 1) return found[0]!;
  const quoted = JSON.stringify(named).slice(0, 200);
  const what = found.length === 0 ? 'which is not here' : `and ${found.length} policies here are called that`;
  return { id: null, said: `The adapters in ${adapters} are of ${quoted}, ${what}.` };
}

function names(named: string, { id, name, from }: PossibleBase): boolean {
  const last = lastPart(named);
  if (hashed(last)) return namesPolicy(last, { id, name });
  // Of somebody else's it may be another of the same name.
  if (isHubName(named) && from?.kind === 'hub') return from.name.toLowerCase() === named.toLowerCase();
  return last === name || last === id;
}

/** @throws LabError 'format' for one that has not the files that the adapters' file names */
export function checkBaseHash(adapters: string, named: string | null, { id, name }: Pick<PossibleBase, 'id' | 'name'>): void {
  const last = named === null ? '' : lastPart(named);
  if (!hashed(last) || namesPolicy(last, { id, name })) return;
  throw new LabError(
    'format',
    `The adapters in ${adapters} are of ${last}, and ${name} is ${id}: another policy.`,
    'Choose their base, or add it first.',
  );
}

/** What adapters can be of. */
export interface Bases {
  readonly here: readonly PossibleBase[];
  load(id: string): Promise<Policy>;
}

/** Adapters that are coming in, and what their file calls their base. */
export interface ComingAdapters {
  readonly name: string;
  readonly named: string | null;
}

/** What is to be known first of adapters whose base their file does not tell; null: nothing. @throws LabError as `givenFolder`, `Hub` */
export async function baseQuestion(
  here: readonly PossibleBase[],
  from: readonly GivenFile[] | PolicyFetch,
  options: Omit<HubOptions, 'token'>,
): Promise<BaseQuestion | null> {
  const coming = 'base' in from ? await adaptersAtHub(hubOf(from, options)) : await adaptersAmong(await givenFolder(from));
  if (!coming) return null;
  const { name, named } = coming;
  const base = baseNamed(name, named, here);
  return base.id === null ? { adapters: name, named, said: base.said } : null;
}

export const hubOf = ({ name, base, token }: PolicyFetch, options: Omit<HubOptions, 'token'>): Hub =>
  new Hub(readHubName(name, base), { ...options, token });

/** Null: it is a policy. */
export async function adaptersAmong({ name, files }: GivenFolder): Promise<ComingAdapters | null> {
  return areAdapters(files) ? { name, named: await peftBase(await filesSource(name, files)) } : null;
}

export async function adaptersAtHub(hub: Hub): Promise<ComingAdapters | null> {
  if (hub.policy.file !== null) return null;
  // In this order, so that a policy is asked for nothing that it has not.
  if ((await hub.open('config.json')) || !(await hub.open(peftFileNames.config))) return null;
  return { name: nameAtHub(hub.policy), named: await peftBase(hub.source()) };
}

export interface Base {
  readonly id: string;
  readonly name: string;
  readonly policy: Policy;
}

/** @param chosen id of it; undefined: the one that the file names  @throws LabError `config` where it is not here, `format` for another policy */
export async function baseOf(bases: Bases, { name, named }: ComingAdapters, chosen?: string): Promise<Base> {
  const base = chosen === undefined ? baseNamed(name, named, bases.here) : bases.here.find(({ id }) => id === chosen);
  if (!base) throw new LabError('config', 'The policy that was chosen as the base is not here.', 'Choose another, or add it first.');
  if (base.id === null) throw new LabError('config', base.said, 'Choose their base, or add it first.');
  checkBaseHash(name, named, base);
  return { id: base.id, name: base.name, policy: await bases.load(base.id) };
}
